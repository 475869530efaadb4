import { headerNames, type Responded } from '#kit/contract';
import type { World } from '#kit/runtime';
import { isSampled } from '#kit/telemetry';
import { traceIdOf } from './observe.ts';
import { tellFew } from './tell-few.ts';

/** Failures of one operation with one status are told one by one up to here in each period; beyond, they are counted. */
const toldMax = 10;
const periodMs = 5_000;

/**
 * A line for each request, without path, query, header or body as they came: a route says where, the correlation id joins the
 * rest. Of failures alike the first are told, and the next one says how many were not (`untold`).
 */
export function createRequestLog({ log, clock }: Pick<World, 'log' | 'clock'>): (responded: Responded) => void {
  // As many kinds as operations times statuses at most.
  const turn = tellFew({ clock, toldMax, periodMs });
  return ({ arrival, request, status, durationMs, aborted }) => {
    const { route } = arrival;
    const operation = route ? `${route.service}.${route.name}` : 'none';
    // What was refused at the door for lack of time is told in sum, by the shedding.
    const isFailure = status >= 500 && request !== undefined;
    const untold = isFailure ? turn(`${status} ${operation}`) : 0;
    if (untold === undefined) return;
    const tell = isFailure ? log.warn : log.info;
    tell.call(log, 'request', {
      method: arrival.method,
      route: route?.operation.path ?? 'none',
      operation,
      status,
      durationMs: Math.round(durationMs * 100) / 100,
      caller: request?.headers[headerNames.caller] ?? 'unknown',
      correlationId: arrival.correlationId,
      step: 0,
      traceId: traceIdOf(request),
      sampled: isSampled(request?.headers[headerNames.traceparent]),
      ...(aborted ? { aborted } : {}),
      ...(untold > 0 ? { untold } : {}),
    });
  };
}
