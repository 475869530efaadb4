import type { Clock } from '#kit/runtime';
import type { SharedSpending } from './shared.ts';

/** Limiters of one process share through this. Entries whose time has passed go when there are many. */
export function createMemorySpending({
  clock,
  keysMax = 1_000_000,
}: {
  clock: Clock;
  keysMax?: number;
}): SharedSpending {
  const untilMs = new Map<string, number>();
  return {
    async add(spent) {
      const nowMs = clock.monotonicMs();
      if (untilMs.size + spent.length > keysMax) for (const [key, at] of untilMs) if (at <= nowMs) untilMs.delete(key);
      return spent.map(({ key, spentMs, agoMs }) => {
        const next = Math.max(untilMs.get(key) ?? Number.NEGATIVE_INFINITY, nowMs - agoMs) + spentMs;
        if (untilMs.has(key) || untilMs.size < keysMax) untilMs.set(key, next);
        return Math.max(next - nowMs, 0);
      });
    },
  };
}
