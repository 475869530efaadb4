import type { Instance } from '../discovery/instance.ts';

/**
 * What a caller knows of one instance from its own calls and probes.
 *
 *     in ── 3 probes failed in a row ──► out ── a probe answered ──► in
 *     in ── 5 calls failed in a row ──► ejected for 5 s, 10 s, … 60 s ──► in, on probation
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
  ejections: number;
  ejectedUntilMs: number;
}

export interface EndpointOptions {
  /** Probes that fail in a row until it is out. Default 3. */
  readonly probesFailedMax?: number;
  /** Calls that fail in a row until it is ejected. Default 5. */
  readonly callsFailedMax?: number;
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
 * A call ended well or failed by the instance's fault. True when that ejected it. Outlier detection as in Envoy: by
 * consecutive failures, for a time that grows with each ejection and shrinks with each good stretch.
 */
export function noteCall(endpoint: Endpoint, isWell: boolean, nowMs: number, options: EndpointOptions = {}): boolean {
  const { callsFailedMax = 5, ejectMs = 5_000, ejectMsMax = 60_000 } = options;
  if (isWell) {
    // Answers to calls from before its ejection say nothing about now.
    if (endpoint.ejections > 0 && nowMs > endpoint.ejectedUntilMs + ejectMsMax) endpoint.ejections = 0;
    endpoint.callsFailed = 0;
    return false;
  }
  endpoint.callsFailed += 1;
  if (isEjected(endpoint, nowMs)) return false;
  // On probation after an ejection the first failure is enough.
  const isOnProbation = endpoint.ejections > 0 && nowMs < endpoint.ejectedUntilMs + ejectMsMax;
  if (endpoint.callsFailed < (isOnProbation ? 1 : callsFailedMax)) return false;
  endpoint.ejections += 1;
  endpoint.callsFailed = 0;
  endpoint.ejectedUntilMs = nowMs + Math.min(ejectMsMax, ejectMs * endpoint.ejections);
  return true;
}

export const isEjected = ({ ejectedUntilMs }: Endpoint, nowMs: number): boolean => nowMs < ejectedUntilMs;

/** Share of its full load that an instance takes: a newcomer warms its caches and code on few calls. */
export function weightOf({ sinceMs }: Endpoint, nowMs: number, slowStartMs: number): number {
  const ageMs = nowMs - sinceMs;
  return ageMs >= slowStartMs ? 1 : Math.max(weightMin, ageMs / slowStartMs);
}

const weightMin = 0.1;
