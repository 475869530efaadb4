import type { World } from '#kit/runtime';
import type { ShopSystem } from './system.ts';
import { type Pace, type Seen, startTraffic, type Traffic } from './traffic.ts';

/** What a drill has shown. */
export interface Drill {
  readonly name: string;
  readonly traffic: Traffic;
  readonly requests: number;
  /** While clients worked. */
  readonly perSec: number;
  readonly readsFailed: number;
  readonly readsFailedShare: number;
  /** Reads that were asked once more, as their connection had ended; those that failed again are among the failed. */
  readonly readsAgain: number;
  readonly checkoutsFailed: number;
  /** Failures that did not say what they were. */
  readonly unclear: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** From the blow until reads are as quick as before, by seconds. */
  readonly backToNormalMs: number;
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
  /** Default: clients do not pause. */
  readonly pace?: Pace;
  readonly say: (line: string) => void;
  /** Told of what clients did, also in a drill that is done once more. Default: nobody is. */
  readonly onTraffic?: (traffic: Traffic) => void;
}

const noPause: Pace = { readMs: 0, checkoutMs: 0 };
const attemptsMax = 4;
let drills = 0;

/**
 * Lets clients work, strikes, lets them work on, and looks at what they saw. Once more where the machine stood still meanwhile:
 * then everybody's time-outs passed at once, which says nothing about the blow.
 */
export async function drill(name: string, options: DrillOptions, strike: () => Promise<void>): Promise<Drill> {
  const { shop, world, calmMs, browsers, buyers, pace = noPause, say, onTraffic } = options;
  for (let attempt = 1; ; attempt++) {
    drills += 1;
    const seed = `drill-${drills}-${world.ids.next('run')}`;
    const standstill = watchStandstill(world);
    const traffic = startTraffic({ origin: shop.origin, seed, browsers, buyers, pace });
    await world.timers.sleep(calmMs);
    const blowMs = performance.now();
    await strike();
    await world.timers.sleep(calmMs);
    await traffic.stop();
    onTraffic?.(traffic);
    const longestMs = standstill.end();
    const result = judge(name, traffic, blowMs);
    say(`${name}: ${sentenceOf(result)}`);
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

function sentenceOf(drill: Drill): string {
  const { requests, perSec, readsFailed, checkoutsFailed, readsAgain, p99Ms, backToNormalMs } = drill;
  const failed = `failed reads ${readsFailed}, failed checkouts ${checkoutsFailed}`;
  const again = readsAgain > 0 ? `, asked once more ${readsAgain}` : '';
  return `${requests} requests, ${perSec}/s, ${failed}${again}, p99 ${p99Ms} ms, normal after ${backToNormalMs} ms`;
}

const isFailed = ({ status }: Seen): boolean => status === 0 || status >= 500 || status === 429;

export function judge(name: string, traffic: Traffic, blowMs: number): Drill {
  const { seen } = traffic;
  const failed = seen.filter(isFailed);
  const reads = seen.filter(({ kind }) => kind === 'read');
  const readsFailed = failed.filter(({ kind }) => kind === 'read').length;
  const reasons = Map.groupBy(failed, ({ kind, status, why }) => `${kind} ${status} ${why ?? ''}`);
  return {
    ...{ name, traffic, requests: seen.length, readsFailed },
    perSec: Math.round(perSecOf(seen)),
    readsFailedShare: readsFailed / Math.max(1, reads.length),
    readsAgain: reads.filter(({ isAgain }) => isAgain).length,
    checkoutsFailed: failed.length - readsFailed,
    unclear: failed.filter(({ isClear }) => !isClear).length,
    p50Ms: percentile(reads, 0.5),
    p99Ms: percentile(reads, 0.99),
    backToNormalMs: backToNormal(reads, blowMs),
    reasons: [...reasons]
      .sort(([, a], [, b]) => b.length - a.length)
      .slice(0, 5)
      .map(([why, all]) => `${all.length} × ${why}`),
  };
}

/** Of requests, from the start of the first to the start of the last. */
export function perSecOf(seen: readonly Seen[]): number {
  const starts = seen.map(({ startMs }) => startMs);
  const tookMs = starts.reduce((a, b) => Math.max(a, b), 0) - starts.reduce((a, b) => Math.min(a, b), Infinity);
  return seen.length < 2 ? 0 : ((seen.length - 1) * 1_000) / tookMs;
}

const windowMs = 1_000;
/** A p99 of so few requests jumps about: what is within this factor of the calm one is normal, or what was seen in the calm. */
const tolerance = 2;
const toleranceMs = 50;

/**
 * When the last window ends in which reads failed or were slower than before the blow. One slow second between others that are
 * not is left out, unless it is the first: a machine has those in the calm too, and with fourteen blows one of them meets it.
 */
function backToNormal(reads: readonly Seen[], blowMs: number): number {
  const windows = Map.groupBy(reads, ({ startMs }) => Math.floor((startMs - blowMs) / windowMs));
  const all = [...windows].map(([at, each]) => ({ at, p99Ms: percentile(each, 0.99), isFailed: each.some(isFailed) }));
  const calmMs = percentile(
    reads.filter(({ startMs }) => startMs < blowMs),
    0.99,
  );
  const worstCalmMs = all.filter(({ at }) => at < 0).reduce((worst, { p99Ms }) => Math.max(worst, p99Ms), 0);
  const limitMs = Math.max(calmMs * tolerance, calmMs + toleranceMs, worstCalmMs);
  const bad = all.filter((each) => each.at >= 0 && (each.isFailed || each.p99Ms > limitMs));
  const places = new Set(bad.map(({ at }) => at));
  const counts = bad.filter(({ at, isFailed }) => isFailed || at === 0 || places.has(at - 1) || places.has(at + 1));
  return counts.reduce((last, { at }) => Math.max(last, (at + 1) * windowMs), 0);
}

export function percentile(all: readonly Seen[], share: number): number {
  const sorted = all.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
  return Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 10) / 10;
}
