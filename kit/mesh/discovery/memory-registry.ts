import type { Clock } from '#kit/runtime';
import type { Instance, Registry } from './instance.ts';

/** The registry of processes that are one process: tests, benchmarks, the simulator. */
export function createMemoryRegistry({ clock }: { readonly clock: Clock }): Registry {
  const instances = new Map<string, { readonly instance: Instance; readonly untilMs: number }>();
  const revoked = new Map<string, number>();
  const watchers = new Set<() => void>();
  const tell = () => {
    for (const watcher of watchers) watcher();
  };
  function write(instance: Instance, leaseMs: number): void {
    const nowMs = clock.monotonicMs();
    const before = instances.get(instance.process);
    instances.set(instance.process, { instance, untilMs: nowMs + leaseMs });
    if (before?.instance.startId !== instance.startId || before.untilMs <= nowMs) tell();
  }
  return {
    async join(instance, leaseMs) {
      write(instance, leaseMs);
    },
    async renew(instance, leaseMs) {
      const before = instances.get(instance.process);
      const isOvertaken = before?.instance.startId !== instance.startId && (before?.untilMs ?? 0) > clock.monotonicMs();
      if (!isOvertaken) write(instance, leaseMs);
    },
    async remove({ process, startId }) {
      if (instances.get(process)?.instance.startId !== startId) return;
      instances.delete(process);
      tell();
    },
    async look() {
      const nowMs = clock.monotonicMs();
      return {
        instances: [...instances.values()].filter(({ untilMs }) => untilMs > nowMs).map(({ instance }) => instance),
        revoked: [...revoked].filter(([, untilMs]) => untilMs > nowMs).map(([serial]) => serial),
      };
    },
    async revoke(serial, keptMs) {
      revoked.set(serial.toUpperCase(), clock.monotonicMs() + keptMs);
      tell();
    },
    async watch(onChange) {
      watchers.add(onChange);
      return () => watchers.delete(onChange);
    },
  };
}
