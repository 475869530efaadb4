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
  const requests = telemetry.counter({ name: 'holdfast_requests_total', help: 'Requests served.', labels });
  const durations = telemetry.histogram({
    name: 'holdfast_request_duration_seconds',
    help: 'Time from a request to its reply.',
    labels,
  });
  const series = seriesCache((key) => {
    const [service = '', operation = '', status = ''] = key.split(' ');
    const of = { service, operation, status };
    return { count: requests.series(of), seconds: durations.series(of) };
  });
  return (service, operation, status, durationMs) => {
    const { count, seconds } = series(`${service} ${operation} ${statusClassOf(status)}`);
    count.add();
    seconds.observe(durationMs / 1_000);
  };
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
  const calls = telemetry.counter({ name: 'holdfast_calls_total', help: 'Calls from service to service.', labels });
  const durations = telemetry.histogram({
    name: 'holdfast_call_duration_seconds',
    help: 'Time that the caller waited, repeats included.',
    labels,
  });
  const series = seriesCache((key) => {
    const [callee = '', operation = '', outcome = ''] = key.split(' ');
    const of = { caller, callee, operation, outcome };
    return { count: calls.series(of), seconds: durations.series(of) };
  });
  return (callee, operation, outcome, durationMs) => {
    const { count, seconds } = series(`${callee} ${operation} ${outcome}`);
    count.add();
    seconds.observe(durationMs / 1_000);
  };
}

/** Looking a series up by three labels costs 0.4 µs, by one text 0.05. Bounded, as operations and outcomes are. */
const seriesMax = 1_000;

function seriesCache<Series>(make: (key: string) => Series): (key: string) => Series {
  const known = new Map<string, Series>();
  return (key) => {
    let series = known.get(key);
    if (series === undefined) {
      if (known.size >= seriesMax) known.clear();
      series = make(key);
      known.set(key, series);
    }
    return series;
  };
}
