// biome-ignore lint/style/noRestrictedImports: how busy the event loop is, only the system can tell
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import type { Telemetry } from './port.ts';

/** What tells first that a process is in trouble: processor time, memory, and a busy event loop. */
export function addProcessMetrics(telemetry: Telemetry): void {
  telemetry.gauge({ name: 'process_resident_memory_bytes', help: 'Memory of the process that is in RAM.' }, () =>
    process.memoryUsage.rss(),
  );
  telemetry.tally(
    { name: 'process_cpu_seconds_total', help: 'Processor time that the process took, all threads together.' },
    () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1_000_000;
    },
  );
  telemetry.gauge(
    { name: 'nodejs_heap_used_bytes', help: 'JavaScript heap in use.' },
    () => process.memoryUsage().heapUsed,
  );
  let last: EventLoopUtilization = performance.eventLoopUtilization();
  telemetry.gauge(
    {
      name: 'nodejs_eventloop_utilization_ratio',
      help: 'Share of time the event loop was busy since the last scrape.',
    },
    () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return Number.isFinite(utilization) ? utilization : 0;
    },
  );
}
