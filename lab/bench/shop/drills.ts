import type { World } from '#kit/runtime';
import type { ShopSystem } from './system.ts';
import { type Seen, startTraffic, type Traffic } from './traffic.ts';

/** What a drill has shown. */
export interface Drill {
  readonly name: string;
  readonly traffic: Traffic;
  readonly requests: number;
  readonly readsFailed: number;
  readonly readsFailedShare: number;
  readonly checkoutsFailed: number;
  /** Failures that did not say what they were. */
  readonly unclear: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** From the blow until reads are as quick as before, by seconds; undefined: nothing was struck. */
  readonly backToNormalMs?: number;
  /** The commonest reasons of failures. */
  readonly reasons: readonly string[];
}

export interface DrillOptions {
  readonly shop: ShopSystem;
  readonly world: World;
  /** Before the blow, and after it. */
  readonly calmMs: number;
  readonly browsers: number;
  readonly buyers: number;
  readonly say: (line: string) => void;
  /** Told of what clients did, also in a drill that is done once more. Default: nobody is. */
  readonly onTraffic?: (traffic: Traffic) => void;
}

const pauseMs = 20;
const attemptsMax = 4;
let drills = 0;

/**
 * Lets clients work, strikes, lets them work on, and looks at what they saw. Once more where the machine stood still meanwhile:
 * then everybody's time-outs passed at once, which says nothing about the blow.
 */
export async function drill(name: string, options: DrillOptions, strike: () => Promise<void>): Promise<Drill> {
  const { shop, world, calmMs, browsers, buyers, say, onTraffic } = options;
  for (let attempt = 1; ; attempt++) {
    drills += 1;
    const seed = `drill-${drills}-${world.ids.next('run')}`;
    const standstill = watchStandstill(world);
    const traffic = startTraffic({ origin: shop.origin, seed, browsers, buyers, pauseMs });
    await world.timers.sleep(calmMs);
    const blowMs = performance.now();
    await strike();
    await world.timers.sleep(calmMs);
    await traffic.stop();
    onTraffic?.(traffic);
    const longestMs = standstill.end();
    const result = judge(name, traffic, blowMs);
    say(
      `${name}: ${result.requests} requests, failed reads ${result.readsFailed}, failed checkouts ${result.checkoutsFailed}, p99 ${result.p99Ms} ms`,
    );
    if (longestMs < standstillMs || attempt >= attemptsMax) return result;
    say(`${name}: the machine stood still for ${Math.round(longestMs)} ms, so once more`);
    await world.timers.sleep(settleMs);
  }
}

/** So late is no timer for lack of processor time: a virtual machine was moved, a laptop slept, somebody sent SIGSTOP. */
const standstillMs = 3_000;
/** Until leases, connections and breakers have got over it. */
const settleMs = 30_000;
const lookEveryMs = 100;

function watchStandstill({ timers }: World): { end(): number } {
  let longestMs = 0;
  let lastMs = performance.now();
  const look = () => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs - lookEveryMs);
    lastMs = nowMs;
  };
  const cancel = timers.every(lookEveryMs, look);
  return {
    end() {
      look();
      cancel();
      return longestMs;
    },
  };
}

const isFailed = ({ status }: Seen): boolean => status === 0 || status >= 500 || status === 429;

export function judge(name: string, traffic: Traffic, blowMs: number): Drill {
  const { seen } = traffic;
  const failed = seen.filter(isFailed);
  const reads = seen.filter(({ kind }) => kind === 'read');
  const readsFailed = failed.filter(({ kind }) => kind === 'read').length;
  const reasons = Map.groupBy(failed, ({ kind, status, why }) => `${kind} ${status} ${why ?? ''}`);
  const backMs = backToNormal(reads, blowMs);
  return {
    ...{ name, traffic, requests: seen.length, readsFailed },
    readsFailedShare: readsFailed / Math.max(1, reads.length),
    checkoutsFailed: failed.length - readsFailed,
    unclear: failed.filter(({ isClear }) => !isClear).length,
    p50Ms: percentile(reads, 0.5),
    p99Ms: percentile(reads, 0.99),
    ...(backMs === undefined ? {} : { backToNormalMs: backMs }),
    reasons: [...reasons]
      .sort(([, a], [, b]) => b.length - a.length)
      .slice(0, 5)
      .map(([why, all]) => `${all.length} × ${why}`),
  };
}

const windowMs = 500;
/** A p99 of so few requests jumps about: what is within this factor of the calm one is normal. */
const tolerance = 2;
const toleranceMs = 50;

/** When the last window ends in which reads failed or were slower than before the blow. */
function backToNormal(reads: readonly Seen[], blowMs: number): number | undefined {
  const calm = reads.filter(({ startMs }) => startMs < blowMs);
  const limitMs = Math.max(percentile(calm, 0.99) * tolerance, percentile(calm, 0.99) + toleranceMs);
  const windows = Map.groupBy(
    reads.filter(({ startMs }) => startMs >= blowMs),
    ({ startMs }) => Math.floor((startMs - blowMs) / windowMs),
  );
  const bad = [...windows].filter(([, all]) => all.some(isFailed) || percentile(all, 0.99) > limitMs).map(([at]) => at);
  return bad.length === 0 ? 0 : (Math.max(...bad) + 1) * windowMs;
}

export function percentile(all: readonly Seen[], share: number): number {
  const sorted = all.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
  return Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 10) / 10;
}
