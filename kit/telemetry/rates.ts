import type { Telemetry } from './port.ts';

/** `2xx`, `4xx`, …: statuses by which replies are counted. */
export const statusClassOf = (status: number): string =>
  statusClasses[Math.min(5, Math.max(1, Math.floor(status / 100)))] as string;
const statusClasses = ['', '1xx', '2xx', '3xx', '4xx', '5xx'];

/**
 * Rate, errors and duration of what services serve, by names that are the same wherever requests come in: in a process, at the
 * gateway, at whatever stands before it. `status` is that of the reply.
 */
export function measureServed(
  telemetry: Telemetry,
): (service: string, operation: string, status: number, durationMs: number) => void {
  const labels = ['service', 'operation', 'status'] as const;
  const count = telemetry.counter({ name: 'holdfast_requests_total', help: 'Requests served.', labels });
  const seconds = telemetry.histogram({
    name: 'holdfast_request_duration_seconds',
    help: 'Time from a request to its reply.',
    labels,
  });
  const measure = measureInto(count, seconds, (service, operation, status) => ({ service, operation, status }));
  return (service, operation, status, durationMs) => measure(service, operation, statusClassOf(status), durationMs);
}

/** How many requests a service is working on. */
export function measureActive(telemetry: Telemetry, service: string, active: () => number): void {
  telemetry.gauge(
    { name: 'holdfast_requests_active', help: 'Requests that are being served.', labels: ['service'] },
    () => [{ labels: { service }, value: active() }],
  );
}

/** Counts calls of `caller`, and how long each took: as it sees them, which is not what the callee took. */
export function measureCalls(
  telemetry: Telemetry,
  caller: string,
): (callee: string, operation: string, outcome: string, durationMs: number) => void {
  const labels = ['caller', 'callee', 'operation', 'outcome'] as const;
  const count = telemetry.counter({ name: 'holdfast_calls_total', help: 'Calls from service to service.', labels });
  const seconds = telemetry.histogram({
    name: 'holdfast_call_duration_seconds',
    help: 'Time that the caller waited, repeats included.',
    labels,
  });
  return measureInto(count, seconds, (callee, operation, outcome) => ({ caller, callee, operation, outcome }));
}

/**
 * Looking a series up by its labels costs 0.4 µs; a text made of them costs 1, as it is hashed anew each time. Names that stay
 * the same have their hash: 0.05. Bounded, as operations and outcomes are.
 */
const seriesMax = 1_000;

interface Series {
  readonly counted: { add(): void };
  readonly timed: { observe(value: number): void };
}

function measureInto<Labels>(
  count: { series(labels: Labels): Series['counted'] },
  seconds: { series(labels: Labels): Series['timed'] },
  labelsOf: (whose: string, operation: string, end: string) => Labels,
): (whose: string, operation: string, end: string, durationMs: number) => void {
  const known = new Map<string, Map<string, Map<string, Series>>>();
  let size = 0;
  function addSeries(whose: string, operation: string, end: string): Series {
    if (size >= seriesMax) {
      known.clear();
      size = 0;
    }
    const labels = labelsOf(whose, operation, end);
    const made = { counted: count.series(labels), timed: seconds.series(labels) };
    const operations = known.get(whose) ?? new Map<string, Map<string, Series>>();
    const ends = operations.get(operation) ?? new Map<string, Series>();
    known.set(whose, operations.set(operation, ends.set(end, made)));
    size += 1;
    return made;
  }
  return (whose, operation, end, durationMs) => {
    const { counted, timed } = known.get(whose)?.get(operation)?.get(end) ?? addSeries(whose, operation, end);
    counted.add();
    timed.observe(durationMs / 1_000);
  };
}
