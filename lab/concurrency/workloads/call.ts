import type { CallContext, Caller } from '#kit/contract';

const patienceMs = 3_600_000;

/** The context of a call that has all the time it needs: who waits for its turn is not slow. */
export function callAs(caller: Caller, idempotencyKey?: string): CallContext {
  return {
    caller,
    correlationId: 'lab',
    step: 0,
    traceparent: undefined,
    idempotencyKey,
    deadlineAtMs: Number.MAX_SAFE_INTEGER - patienceMs,
    signal: new AbortController().signal,
    headers: {},
  };
}
