import type { Telemetry } from './port.ts';

/** `2xx`, `4xx`, …: statuses by which replies are counted. */
export const statusClassOf = (status: number): string => `${Math.min(5, Math.max(1, Math.floor(status / 100)))}xx`;

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

/** Looking a series up by three labels costs 0.4 µs, by one text 0.05. Bounded, as operations and outcomes are. */
const seriesMax = 1_000;

function measureInto<Labels>(
  count: { series(labels: Labels): { add(): void } },
  seconds: { series(labels: Labels): { observe(value: number): void } },
  labelsOf: (whose: string, operation: string, end: string) => Labels,
): (whose: string, operation: string, end: string, durationMs: number) => void {
  const known = new Map<string, { counted: { add(): void }; timed: { observe(value: number): void } }>();
  function seriesOf(whose: string, operation: string, end: string) {
    const key = `${whose} ${operation} ${end}`;
    const found = known.get(key);
    if (found) return found;
    if (known.size >= seriesMax) known.clear();
    const labels = labelsOf(whose, operation, end);
    const made = { counted: count.series(labels), timed: seconds.series(labels) };
    known.set(key, made);
    return made;
  }
  return (whose, operation, end, durationMs) => {
    const { counted, timed } = seriesOf(whose, operation, end);
    counted.add();
    timed.observe(durationMs / 1_000);
  };
}
