import type { Request, World } from '#kit/runtime';
import type { Access } from './operation.ts';

/** Who is calling, as established at the public door and passed on from service to service. */
export interface Caller {
  readonly kind: Access;
  /** User id, service name, or `anonymous`. */
  readonly id: string;
}

export const anonymous: Caller = { kind: 'anonymous', id: 'anonymous' };

/** Travels with a piece of work through every hop. Immutable; `forward` makes the next hop's. */
export interface CallContext {
  readonly caller: Caller;
  /** One id for everything that one request from outside causes. */
  readonly correlationId: string;
  /** Number of hops so far: with the correlation id it orders log lines without any clock. */
  readonly step: number;
  /** W3C Trace Context. */
  readonly traceparent: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** When the caller stops waiting, on this process's monotonic clock. */
  readonly deadlineAtMs: number;
  /** By when the caller would like an answer, where one that says less will do (202); on the same clock. */
  readonly answerByMs?: number;
  /** Aborts when the caller has gone or the deadline has passed. */
  readonly signal: AbortSignal;
  /** The headers as they came, lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Time that a hop keeps for itself, so that its answer can still reach a caller that waits exactly as long. */
export const deadlineMarginMs = 20;

/** Kept back of what is left of a deadline, to say 202 while somebody still listens: a busy machine is slow to say it. */
const answerMarginShare = 0.1;
const answerMarginMsMin = 50;

/**
 * Until when to wait for the end of work that is safe already and goes on by itself. Whoever waits longer risks that the
 * caller hears of a time-out where 202 would have been the truth.
 */
export function waitUntilMs({ deadlineAtMs, answerByMs }: CallContext, nowMs: number): number {
  const marginMs = Math.max(answerMarginMsMin, (deadlineAtMs - nowMs) * answerMarginShare);
  return Math.min(answerByMs ?? deadlineAtMs, deadlineAtMs - marginMs);
}

export const headerNames = {
  caller: 'holdfast-caller',
  correlationId: 'holdfast-correlation-id',
  step: 'holdfast-step',
  deadlineMs: 'holdfast-deadline-ms',
  /** How long the caller would like to wait, where an answer that says less will do. Of this hop alone. */
  answerMs: 'holdfast-answer-ms',
  logicalTime: 'holdfast-hlc',
  /** Set by the public door: the network address that the request came from. */
  source: 'holdfast-source',
  /** Set by the public door: the session of the caller's access token. */
  session: 'holdfast-session',
  /** How much the work matters that this call is part of; see `Priority`. */
  priority: 'holdfast-priority',
  /** On a reply that failed by no fault of the instance's own; see `Fault`. */
  fault: 'holdfast-fault',
  /** Set by a hop before the gateway, for the next one: the id of its span, should the request be traced. */
  hop: 'holdfast-hop',
  /** On a reply to such a hop, where the request is traced: the id of the trace and what the request is called there. */
  trace: 'holdfast-trace',
  idempotencyKey: 'idempotency-key',
  traceparent: 'traceparent',
} as const;

export function encodeCaller(caller: Caller): string {
  return `${caller.kind}:${caller.id}`;
}

export function decodeCaller(text: string | undefined): Caller {
  if (!text) return anonymous;
  const at = text.indexOf(':');
  return { kind: text.slice(0, at) as Access, id: text.slice(at + 1) };
}

/** The context of a call that a service makes by itself, on nobody's behalf. Its deadline is `timeoutMs` from now. */
export function ownContext(
  { clock, ids }: Pick<World, 'clock' | 'ids'>,
  {
    service,
    timeoutMs,
    signal = new AbortController().signal,
  }: { readonly service: string; readonly timeoutMs: number; readonly signal?: AbortSignal },
): CallContext {
  return {
    caller: { kind: 'service', id: service },
    correlationId: ids.next('cor'),
    step: 0,
    traceparent: undefined,
    idempotencyKey: undefined,
    deadlineAtMs: clock.monotonicMs() + timeoutMs,
    signal,
    headers: {},
  };
}

/** Milliseconds from a header; undefined where it holds anything but a plain number, which would never be over, or at once. */
export function millisecondsIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** The context of a request that has just arrived. `nowMs` is the receiver's monotonic clock. */
export function contextOf(
  request: Request,
  signal: AbortSignal,
  nowMs: number,
  deadlineMsDefault: number,
): CallContext {
  const { headers } = request;
  const remainingMs = millisecondsIn(headers[headerNames.deadlineMs]) ?? deadlineMsDefault;
  const answerMs = millisecondsIn(headers[headerNames.answerMs]);
  return {
    caller: decodeCaller(headers[headerNames.caller]),
    correlationId: headers[headerNames.correlationId] ?? 'none',
    step: Number(headers[headerNames.step] ?? 0),
    traceparent: headers[headerNames.traceparent],
    idempotencyKey: headers[headerNames.idempotencyKey],
    deadlineAtMs: nowMs + remainingMs,
    ...(answerMs === undefined ? {} : { answerByMs: nowMs + answerMs }),
    signal,
    headers,
  };
}

/** Headers of a call made on behalf of `context`: one step on, with what is left of the deadline. */
export function forwardHeaders(
  context: CallContext,
  remainingMs: number,
  idempotencyKey?: string,
): Record<string, string> {
  const headers: Record<string, string> = {
    [headerNames.caller]: encodeCaller(context.caller),
    [headerNames.correlationId]: context.correlationId,
    [headerNames.step]: String(context.step + 1),
    [headerNames.deadlineMs]: String(Math.floor(remainingMs)),
  };
  if (context.traceparent) headers[headerNames.traceparent] = context.traceparent;
  const priority = context.headers[headerNames.priority];
  if (priority) headers[headerNames.priority] = priority;
  if (idempotencyKey) headers[headerNames.idempotencyKey] = idempotencyKey;
  return headers;
}
