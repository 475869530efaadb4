import type { Reply } from '#kit/runtime';
import { headerNames } from './context.ts';

/**
 * Why an instance did not serve, where it is well itself: it has more to do than it can (`load`), or something that it
 * needs does not serve it (`elsewhere`). Callers that count failures need to know: a breaker that opens because of the second
 * leaves alone who is fine, and stays open after the one behind it has closed; one that opens because of the first refuses all
 * that is still served. Without a fault named it is the instance's own. (Finagle's nacks and FailureFlags, Envoy's
 * `x-envoy-overloaded`, are this distinction.)
 */
export type Fault = 'load' | 'elsewhere';

/** Reasons of reasons of an error that are looked at. */
const causesMax = 5;

/** What an error, or what caused it, says of itself. */
export function faultOf(error: unknown): Fault | undefined {
  let reason = error as { readonly fault?: unknown; readonly cause?: unknown } | null | undefined;
  for (let depth = 0; depth < causesMax && typeof reason === 'object' && reason !== null; depth++) {
    if (reason.fault === 'load' || reason.fault === 'elsewhere') return reason.fault;
    reason = reason.cause as typeof reason;
  }
  return undefined;
}

/** Marks an error that a call of another service ended with. What it says of itself stays. */
export function blameElsewhere(error: unknown): unknown {
  if (typeof error === 'object' && error !== null && Object.isExtensible(error) && faultOf(error) === undefined) {
    Object.assign(error, { fault: 'elsewhere' });
  }
  return error;
}

/** Tells the caller, a process of ours, whose fault a failed reply is. */
export function tellFault(reply: Reply, error: unknown): Reply {
  const fault = reply.status >= 500 ? faultOf(error) : undefined;
  return fault === undefined ? reply : { ...reply, headers: { ...reply.headers, [headerNames.fault]: fault } };
}
