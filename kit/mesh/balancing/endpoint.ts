import type { Instance } from '../discovery/instance.ts';

/**
 * What a caller knows of one instance from its own calls and probes.
 *
 *     in ── 3 probes failed in a row ──► out ── a probe answered ──► in
 *     in ── 5 calls failed in a row ──► ejected for 5 s, 10 s, … 60 s ──► in, on probation
 *
 *     in ── 20 calls and 5 s of nothing but excuses ──► ejected likewise
 *
 * Suspicion, not certainty (REQUIREMENTS T1): when too many are suspected at once, it is the suspicion that is wrong,
 * and all are called (`available` in `pick.ts`).
 */
export interface Endpoint {
  readonly instance: Instance;
  /** When it became known, on the monotonic clock: it gets its full share only after a while. */
  readonly sinceMs: number;
  /** Calls under way. */
  active: number;
  probesFailed: number;
  isOut: boolean;
  callsFailed: number;
  /** Calls since the last that went well which it did not serve, by no fault of its own; the first of them was then. */
  callsExcused: number;
  excusedSinceMs: number;
  ejections: number;
  ejectedUntilMs: number;
}

export interface EndpointOptions {
  /** Probes that fail in a row until it is out. Default 3. */
  readonly probesFailedMax?: number;
  /** Calls that fail in a row until it is ejected. Default 5. */
  readonly callsFailedMax?: number;
  /** Excused calls without one that went well, until it is ejected: so many … Default 20. */
  readonly callsExcusedMax?: number;
  /** … over so long. Default 5,000 ms: whoever is overloaded still serves somebody within that. */
  readonly excusedMsMax?: number;
  /** First ejection; each further one lasts as much longer. Default 5,000 ms. */
  readonly ejectMs?: number;
  /** Default 60,000 ms. */
  readonly ejectMsMax?: number;
}

export function createEndpoint(instance: Instance, nowMs: number): Endpoint {
  return {
    instance,
    sinceMs: nowMs,
    active: 0,
    probesFailed: 0,
    isOut: false,
    callsFailed: 0,
    callsExcused: 0,
    excusedSinceMs: 0,
    ejections: 0,
    ejectedUntilMs: 0,
  };
}

/** A probe was answered, or not. True when that took it out or brought it back. */
export function noteProbe(endpoint: Endpoint, isWell: boolean, { probesFailedMax = 3 }: EndpointOptions = {}): boolean {
  const wasOut = endpoint.isOut;
  endpoint.probesFailed = isWell ? 0 : endpoint.probesFailed + 1;
  if (isWell) endpoint.isOut = false;
  else if (endpoint.probesFailed >= probesFailedMax) endpoint.isOut = true;
  return wasOut !== endpoint.isOut;
}

/**
 * How a call ended. `excused`: it was not served, and the instance says that it is well itself (`Fault` of kit/contract):
 * it sheds load, or what it needs is away.
 */
export type CallOutcome = 'well' | 'failed' | 'excused';

/**
 * Notes how a call ended. True when that ejected the instance. Outlier detection as in Envoy: by consecutive failures, for a
 * time that grows with each ejection and shrinks with each good stretch. Excuses are believed within a bound: an instance
 * that serves nobody for long while others do is no use, whatever it says; and where all are like that, none is left out
 * (`available`).
 */
export function noteCall(
  endpoint: Endpoint,
  outcome: CallOutcome,
  nowMs: number,
  options: EndpointOptions = {},
): boolean {
  const { callsFailedMax = 5, ejectMs = 5_000, ejectMsMax = 60_000 } = options;
  if (outcome === 'well') {
    // Answers to calls from before its ejection say nothing about now.
    if (endpoint.ejections > 0 && nowMs > endpoint.ejectedUntilMs + ejectMsMax) endpoint.ejections = 0;
    endpoint.callsFailed = 0;
    endpoint.callsExcused = 0;
    return false;
  }
  if (outcome === 'excused') {
    if (!isExcuseUsedUp(endpoint, nowMs, options)) return false;
  } else endpoint.callsFailed += 1;
  if (isEjected(endpoint, nowMs)) return false;
  // On probation after an ejection the first failure is enough.
  const isOnProbation = endpoint.ejections > 0 && nowMs < endpoint.ejectedUntilMs + ejectMsMax;
  const isEnough = outcome === 'excused' || endpoint.callsFailed >= (isOnProbation ? 1 : callsFailedMax);
  if (!isEnough) return false;
  endpoint.ejections += 1;
  endpoint.callsFailed = 0;
  endpoint.callsExcused = 0;
  endpoint.ejectedUntilMs = nowMs + Math.min(ejectMsMax, ejectMs * endpoint.ejections);
  return true;
}

function isExcuseUsedUp(endpoint: Endpoint, nowMs: number, options: EndpointOptions): boolean {
  const { callsExcusedMax = 20, excusedMsMax = 5_000 } = options;
  if (endpoint.callsExcused === 0) endpoint.excusedSinceMs = nowMs;
  endpoint.callsExcused += 1;
  return endpoint.callsExcused >= callsExcusedMax && nowMs - endpoint.excusedSinceMs >= excusedMsMax;
}

export const isEjected = ({ ejectedUntilMs }: Endpoint, nowMs: number): boolean => nowMs < ejectedUntilMs;

/** Share of its full load that an instance takes: a newcomer warms its caches and code on few calls. */
export function weightOf({ sinceMs }: Endpoint, nowMs: number, slowStartMs: number): number {
  const ageMs = nowMs - sinceMs;
  return ageMs >= slowStartMs ? 1 : Math.max(weightMin, ageMs / slowStartMs);
}

const weightMin = 0.1;
