import type { Ids } from '#kit/runtime';
import type { Span } from './port.ts';

/**
 * Where in a piece of work we are: one id for everything that one request from outside causes, and the number of hops
 * so far. Together they put log lines of several machines in order without trusting any clock.
 */
export interface Hop {
  readonly correlationId: string;
  readonly step: number;
}

/** At the public door. An id from outside is taken only if it is harmless to write and to search for. */
export function firstHop(ids: Ids, correlationId?: string): Hop {
  const given = correlationId !== undefined && /^[\w.:-]{1,64}$/.test(correlationId);
  return { correlationId: given ? correlationId : ids.next('cor'), step: 0 };
}

/** For a call made, or an event published, on behalf of `hop`. */
export function nextHop(hop: Hop): Hop {
  return { correlationId: hop.correlationId, step: hop.step + 1 };
}

/** What every log line about the work should carry: `log.with(hopFields(context, span))`. */
export function hopFields(hop: Hop, span?: Span): { correlationId: string; step: number; traceId?: string } {
  const { correlationId, step } = hop;
  return span ? { correlationId, step, traceId: span.traceId } : { correlationId, step };
}
