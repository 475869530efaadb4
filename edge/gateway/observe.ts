import { type Arrival, type HttpRoute, headerNames, type ReplyHeaders, type Responded } from '#kit/contract';
import type { Random, Request } from '#kit/runtime';
import { type HopBefore, isSpanId, measureActive, measureServed, type Span, type Telemetry } from '#kit/telemetry';

/** What the door shows of each request: the root of its trace, its rate, errors and duration. */
export interface DoorTelemetry {
  /** The trace of a request from outside. Whoever sent it doesn't decide whether we record: its own is only noted. */
  begin(arrival: Arrival, given: string | undefined): Span;
  /** Remembers which span the request that was let in belongs to, and tells hops of ours in front that it is recorded. */
  admitted(request: Request, span: Span, arrival: Arrival, tell: ReplyHeaders): void;
  responded(responded: Responded): void;
}

/** Probes, and what the console asks every few seconds: not what the first traces of each second are for. */
const housekeeping: ReadonlySet<string> = new Set(['gateway', 'operators']);

/** `isBehindHops`: those in front are ours, and what they say of themselves is believed. */
export function createDoorTelemetry(telemetry: Telemetry, isBehindHops: boolean): DoorTelemetry {
  const measure = measureServed(telemetry);
  let active = 0;
  measureActive(telemetry, 'gateway', () => active);
  const admittedAt = new WeakSet<Arrival>();
  const spans = new WeakMap<Request, Span>();
  const names = new Map<HttpRoute, string>();

  /** Made once: a text that is the same one each time is found at once. */
  function nameOf(route: HttpRoute | undefined): string {
    if (!route) return 'none';
    const known = names.get(route);
    if (known !== undefined) return known;
    const name = `${route.service}.${route.name}`;
    names.set(route, name);
    return name;
  }

  return {
    begin(arrival, given) {
      const { service, operation } = arrival.route as HttpRoute;
      const { method, path } = operation;
      active++;
      admittedAt.add(arrival);
      const kind = housekeeping.has(service) ? 'internal' : 'server';
      const client = arrival.headers['x-client'];
      // An open console asks all the time: that must not push out what it is there to show.
      const aside = housekeeping.has(service) || (client === 'console' && method === 'GET');
      const parent = { aside, ...(isBehindHops ? hopOf(arrival) : undefined) };
      const span = telemetry.span(`${method} ${path}`, parent, undefined, kind);
      if (span.recording && given !== undefined) span.set('caller.traceparent', given.slice(0, 55));
      if (span.recording && isClientName(client)) span.set('client', client);
      return span;
    },
    admitted(request, span, arrival, tell) {
      if (!span.recording) return;
      spans.set(request, span);
      const { method, path } = (arrival.route as HttpRoute).operation;
      if (isBehindHops && hopOf(arrival)) tell({ [headerNames.trace]: `${span.traceId} ${method} ${path}` });
    },
    responded({ arrival, request, status, durationMs, aborted }) {
      const { route } = arrival;
      if (admittedAt.delete(arrival)) active--;
      measure('gateway', nameOf(route), status, durationMs);
      const span = request && spans.get(request);
      if (!span) return;
      span.set('service', 'gateway');
      span.set('step', 0);
      span.set('http.response.status_code', status);
      span.set('correlation_id', arrival.correlationId ?? '');
      if (aborted) span.event('the client went away');
      if (status >= 500) span.fail(new Error(`status ${status}`));
      span.end();
    },
  };
}

/** As the apps of this house call themselves. */
const isClientName = (text: unknown): text is string => typeof text === 'string' && /^[a-z][a-z-]{0,19}$/.test(text);

function hopOf({ headers }: Arrival): HopBefore | undefined {
  const hop = headers[headerNames.hop];
  return isSpanId(hop) ? { hop } : undefined;
}

/** For a gateway without telemetry: ids in logs still agree. */
export function newTraceparent(random: Random): string {
  const bytes = Buffer.from(random.bytes(24));
  return `00-${bytes.toString('hex', 0, 16)}-${bytes.toString('hex', 16, 24)}-00`;
}

export function traceIdOf(request: Request | undefined): string | undefined {
  return request?.headers[headerNames.traceparent]?.slice(3, 35);
}
