import type { SystemView } from '#contracts/operators';

/** Calls within a stretch of time. */
export interface Flow {
  readonly perSec: number;
  /** 0 to 1; of no calls 0. */
  readonly failing: number;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

type Counted = Pick<SystemView['services'][number], 'calls' | 'failed' | 'buckets'>;

export interface Window {
  readonly from: SystemView | undefined;
  readonly to: SystemView;
}

/** What happened between two readings. A counter that has fallen is of a process that began anew: it counts from 0. */
export function flowOf(before: Counted | undefined, after: Counted, window: Window): Flow {
  const { from, to } = window;
  const sec = from ? (Date.parse(to.at) - Date.parse(from.at)) / 1_000 : 0;
  if (sec <= 0) return { perSec: 0, failing: 0, p50Ms: undefined, p99Ms: undefined };
  const base = before && before.calls <= after.calls ? before : undefined;
  const calls = after.calls - (base?.calls ?? 0);
  const failed = after.failed - (base?.failed ?? 0);
  const buckets = after.buckets.map((count, i) => Math.max(0, count - (base?.buckets[i] ?? 0)));
  return {
    perSec: calls / sec,
    failing: calls > 0 ? failed / calls : 0,
    p50Ms: quantileMs(buckets, to.boundsSec, 0.5),
    p99Ms: quantileMs(buckets, to.boundsSec, 0.99),
  };
}

/** Within its bucket a value may lie anywhere: taken as evenly spread, as Prometheus does (histogram_quantile). */
export function quantileMs(
  buckets: readonly number[],
  boundsSec: readonly number[],
  share: number,
): number | undefined {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  let below = 0;
  for (const [i, count] of buckets.entries()) {
    if (below + count >= share * total && count > 0) {
      const lower = i === 0 ? 0 : (boundsSec[i - 1] ?? 0);
      const upper = boundsSec[i] ?? lower;
      return 1_000 * (lower + (upper - lower) * ((share * total - below) / count));
    }
    below += count;
  }
  return undefined;
}

export const rate = (perSec: number): string =>
  perSec === 0 ? '0/s' : perSec < 0.1 ? '<0.1/s' : perSec < 10 ? `${perSec.toFixed(1)}/s` : `${Math.round(perSec)}/s`;
export const share = (part: number): string =>
  part === 0 ? '0 %' : part < 0.01 ? '<1 %' : `${Math.round(part * 100)} %`;
