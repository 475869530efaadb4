import { headerNames, type Responded } from '#kit/contract';
import type { World } from '#kit/runtime';
import { isSampled } from '#kit/telemetry';
import { traceIdOf } from './observe.ts';

/** Failures of one operation with one status are told one by one up to here in each period; beyond, they are counted. */
const toldMax = 10;
const periodMs = 5_000;

interface Kind {
  untilMs: number;
  told: number;
  untold: number;
}

/**
 * A line for each request, without path, query, header or body as they came: a route says where, the correlation id joins the
 * rest. In an overload thousands fail each second, for one reason: their lines would be more work than serving them, so the
 * first of each kind are told, and the next one says how many were not (`untold`).
 */
export function createRequestLog({ log, clock }: Pick<World, 'log' | 'clock'>): (responded: Responded) => void {
  // As many as operations times statuses at most.
  const kinds = new Map<string, Kind>();

  /** How many of its kind were left out before this one; undefined: it is left out, too. */
  function turn(operation: string, status: number): number | undefined {
    const name = `${status} ${operation}`;
    const nowMs = clock.monotonicMs();
    const kind = kinds.get(name) ?? { untilMs: nowMs + periodMs, told: 0, untold: 0 };
    kinds.set(name, kind);
    if (nowMs >= kind.untilMs) Object.assign(kind, { untilMs: nowMs + periodMs, told: 0 });
    if (kind.told >= toldMax) {
      kind.untold += 1;
      return undefined;
    }
    const { untold } = kind;
    kind.told += 1;
    kind.untold = 0;
    return untold;
  }

  return ({ arrival, request, status, durationMs, aborted }) => {
    const { route } = arrival;
    const operation = route ? `${route.service}.${route.name}` : 'none';
    // What was refused at the door for lack of time is told in sum, by the shedding.
    const isFailure = status >= 500 && request !== undefined;
    const untold = isFailure ? turn(operation, status) : 0;
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
