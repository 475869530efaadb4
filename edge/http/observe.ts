import type { Telemetry } from '#kit/telemetry';

/**
 * What a hop before the gateways shows of itself, by the names that services use too: rate, errors and duration of what it
 * serves, and of its calls to whatever is behind it. It knows no operations, so its only one is `proxy`.
 */
export interface HopTelemetry {
  /** A request was answered; 499 stands for a client that went away before. */
  served(status: number, durationMs: number): void;
  /** Whoever is behind began to answer; undefined: it did not. */
  called(status: number | undefined, durationMs: number): void;
}

export interface HopOptions {
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

export function createHopTelemetry({ telemetry, service, callee, active }: HopOptions): HopTelemetry {
  const served = ['service', 'operation', 'status'] as const;
  const requests = telemetry.counter({ name: 'holdfast_requests_total', help: 'Requests served.', labels: served });
  const durations = telemetry.histogram({
    name: 'holdfast_request_duration_seconds',
    help: 'Time from a request to its reply.',
    labels: served,
  });
  const called = ['caller', 'callee', 'operation', 'outcome'] as const;
  const calls = telemetry.counter({
    name: 'holdfast_calls_total',
    help: 'Calls from service to service.',
    labels: called,
  });
  const waits = telemetry.histogram({
    name: 'holdfast_call_duration_seconds',
    help: 'Time that the caller waited, repeats included.',
    labels: called,
  });
  telemetry.gauge(
    { name: 'holdfast_requests_active', help: 'Requests that are being served.', labels: ['service'] },
    () => [{ labels: { service }, value: active() }],
  );
  // As many as there are classes of status.
  const seriesOfServed = remembered((status) => {
    const of = { service, operation, status };
    return { count: requests.series(of), seconds: durations.series(of) };
  });
  const seriesOfCalls = remembered((outcome) => {
    const of = { caller: service, callee, operation, outcome };
    return { count: calls.series(of), seconds: waits.series(of) };
  });

  return {
    served(status, durationMs) {
      const { count, seconds } = seriesOfServed(classOf(status));
      count.add();
      seconds.observe(durationMs / 1_000);
    },
    called(status, durationMs) {
      const { count, seconds } = seriesOfCalls(status === undefined ? 'failed' : classOf(status));
      count.add();
      seconds.observe(durationMs / 1_000);
    },
  };
}

const classOf = (status: number): string => `${Math.floor(status / 100)}xx`;

function remembered<T>(make: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>();
  return (key) => {
    let found = known.get(key);
    if (found === undefined) {
      found = make(key);
      known.set(key, found);
    }
    return found;
  };
}

/** For whoever does not measure. */
export const noHop: HopTelemetry = { served() {}, called() {} };
