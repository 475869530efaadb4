import type { Component, World } from '#kit/runtime';
import type { CollectedMetric } from '#kit/telemetry';
import { quantileOf } from './look/exposition.ts';

/** What a process served in the last seconds, for `holdfast status`. */
export interface Served {
  readonly requestsPerSec: number;
  /** Of its replies, 5xx; 0 to 1. */
  readonly failedRatio: number;
  /** Undefined where nothing was served. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
}

export interface ServedLatelyOptions {
  readonly world: Pick<World, 'clock' | 'timers'>;
  /** Whose replies are counted. Default: of all services of the process. */
  readonly service?: string;
  readonly metrics: () => readonly CollectedMetric[];
}

/** It looks back for 5 to 10 seconds: long enough for a p99, short enough to see a change. */
const everyMs = 5_000;
const looksKept = 2;

interface Look {
  readonly atMs: number;
  readonly failed: number;
  /** By bucket, not cumulated. */
  readonly counts: readonly number[];
}

const durations = 'holdfast_request_duration_seconds';

export function createServedLately({ world, service, metrics }: ServedLatelyOptions): {
  readonly component: Component;
  read(): Served;
} {
  const { clock, timers } = world;
  let looks: readonly Look[] = [];
  let bounds: readonly number[] = [];
  let cancel = () => {};

  function look(): Look {
    const metric = metrics().find(({ name }) => name === durations);
    const points = metric?.kind === 'histogram' ? metric.points : [];
    if (metric?.kind === 'histogram') bounds = metric.bounds;
    const own = points.filter(({ labels }) => service === undefined || labels['service'] === service);
    const failed = own.filter(({ labels }) => labels['status'] === '5xx').reduce((sum, { count }) => sum + count, 0);
    const counts = [...bounds, 0].map((_, i) => own.reduce((sum, each) => sum + (each.counts[i] ?? 0), 0));
    return { atMs: clock.monotonicMs(), failed, counts };
  }

  return {
    component: {
      name: 'served lately',
      async start() {
        looks = [look()];
        cancel = timers.every(everyMs, () => {
          looks = [...looks, look()].slice(-looksKept);
        });
      },
      async stop() {
        cancel();
      },
    },
    read() {
      const now = look();
      const before = looks[0] ?? now;
      let cumulated = 0;
      const buckets = now.counts.map((count, i) => {
        cumulated += count - (before.counts[i] ?? 0);
        return { le: bounds[i] ?? Number.POSITIVE_INFINITY, count: cumulated };
      });
      const seconds = (now.atMs - before.atMs) / 1_000;
      const [p50, p99] = [quantileOf(buckets, 0.5), quantileOf(buckets, 0.99)];
      return {
        requestsPerSec: seconds > 0 ? rounded(cumulated / seconds) : 0,
        failedRatio: cumulated > 0 ? (now.failed - before.failed) / cumulated : 0,
        ...(p50 === undefined || p99 === undefined ? {} : { p50Ms: rounded(1_000 * p50), p99Ms: rounded(1_000 * p99) }),
      };
    },
  };
}

const rounded = (value: number): number => Math.round(value * 10) / 10;
