import { headerNames } from '#kit/contract';
import type { Clock } from '#kit/runtime';
import {
  isSpanId,
  measureActive,
  measureCalls,
  measureServed,
  type PastSpan,
  statusClassOf,
  type Telemetry,
} from '#kit/telemetry';
import type { Headers } from './headers.ts';

/**
 * What a hop before the gateways shows of itself, by the names that services use too: rate, errors and duration of what it
 * serves, and of its calls to whatever is behind it. It knows no operations, so its only one is `proxy`.
 */
export interface HopTelemetry {
  /** A request came. `before`: what the hop in front says of its span; given only where that is one of ours. */
  begin(before?: unknown): Visit;
  /** Whoever is behind began to answer; undefined: it did not. */
  called(status: number | undefined, durationMs: number): void;
}

/**
 * One request at a hop. Whether it is traced the gateway decides, which knows what it is, and tells with its reply; so the hop
 * sends the id of its span inward, and records the span when all is over, if it was told to. Nobody outside has a say in either.
 */
export interface Visit {
  /** To be sent inward. Undefined where nothing is traced. */
  readonly spanId: string | undefined;
  /** The reply that came from within. */
  heard(headers: Headers): void;
  /** Somebody was asked, and did not answer. */
  failed(who: string, startMs: number, error: unknown): void;
  /** It is over; 499 stands for a client that went away before its answer began. */
  served(status: number): void;
}

export interface HopOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly telemetry: Telemetry;
  readonly service: string;
  /** Who is behind it. */
  readonly callee: string;
  /** Requests that are being answered. */
  readonly active: () => number;
}

/** Of a client that went away before its answer began, as nginx counts it. */
export const statusGone = 499;
const operation = 'proxy';

interface FailedTry {
  readonly who: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly error: unknown;
}

export function createHopTelemetry({ clock, telemetry, service, callee, active }: HopOptions): HopTelemetry {
  const served = measureServed(telemetry);
  const called = measureCalls(telemetry, service);
  measureActive(telemetry, service, active);

  class Measured implements Visit {
    readonly spanId = telemetry.newSpanId();
    readonly #parentSpanId: string | undefined;
    readonly #startMs = clock.monotonicMs();
    #trace: string | undefined;
    #failed: FailedTry[] | undefined;

    constructor(before: unknown) {
      this.#parentSpanId = isSpanId(before) ? before : undefined;
    }

    heard(headers: Headers): void {
      const trace = headers[headerNames.trace];
      if (trace !== undefined) this.#trace = String(trace);
    }

    failed(who: string, startMs: number, error: unknown): void {
      this.#failed ??= [];
      this.#failed.push({ who, startMs, endMs: clock.monotonicMs(), error });
    }

    served(status: number): void {
      const endMs = clock.monotonicMs();
      served(service, operation, status, endMs - this.#startMs);
      if (this.#trace !== undefined) this.#record(this.#trace, status, endMs);
    }

    #record(trace: string, status: number, endMs: number): void {
      const [traceId = '', ...name] = trace.split(' ');
      const attributes = { service, 'http.response.status_code': status };
      const own: PastSpan = {
        ...{ traceId, spanId: this.spanId, parentSpanId: this.#parentSpanId, name: name.join(' ') },
        ...{ kind: 'server', startMs: this.#startMs, endMs, attributes },
        ...(status >= 500 ? { error: new Error(`status ${status}`) } : {}),
      };
      telemetry.record(own);
      for (const { who, ...times } of this.#failed ?? []) {
        const ids = { traceId, spanId: telemetry.newSpanId(), parentSpanId: this.spanId };
        telemetry.record({ ...ids, ...times, name: `call ${who}`, kind: 'client', attributes: { service } });
      }
    }
  }

  return {
    begin: (before) => new Measured(before),
    called(status, durationMs) {
      called(callee, operation, status === undefined ? 'failed' : statusClassOf(status), durationMs);
    },
  };
}

const unseen: Visit = { spanId: undefined, heard() {}, failed() {}, served() {} };

/** For whoever does not measure. */
export const noHop: HopTelemetry = { begin: () => unseen, called() {} };
