import type { Clock } from '#kit/runtime';

/** What may be refused first. */
export type Priority = 'critical' | 'normal' | 'low';

/**
 * How many requests a server works on at a time, found out by itself: while latency stays what it has been, the limit
 * grows; when it rises beyond that, requests queue somewhere, and the limit shrinks in proportion (the gradient). This is
 * Gradient2 of Netflix's concurrency-limits (Izrailevsky, Tschetter et al., "Performance Under Load", 2018), per window of
 * samples; a time-out counts as twice the latency, as AIMD would have it. No library of npm has it on foreign clocks.
 *
 * Low priority gets 70 % of the limit, normal all of it. Critical work is refused only at `limitMax`, and its latency counts
 * for nothing: it may wait for others (a payment), and waiting is no load. So when it fills a server, all else gives way.
 * Below that no operation gets more than half: one that waits for something slow must not keep the places of those that
 * don't need it.
 */
export interface AdaptiveLimit {
  /** Requests allowed at a time now, a whole number. */
  readonly limit: number;
  readonly active: number;
  /** How many were refused so far. */
  readonly refused: number;
  /** Takes a place. False: there is none for this priority, or for this operation. */
  enter(operation: string, priority: Priority): boolean;
  /** Gives the place back. `dropped`: it took too long or failed for lack of something; `ignored`: says nothing. */
  leave(operation: string, priority: Priority, tookMs: number, outcome: 'success' | 'dropped' | 'ignored'): void;
  /** When to come back: what is under way will have been served. */
  readonly retryAfterMs: number;
}

export interface AdaptiveLimitOptions {
  readonly clock: Clock;
  /** Default 256: nothing is refused before there is reason to. */
  readonly initial?: number;
  /** Default 16. Never less, however slow it gets. */
  readonly limitMin?: number;
  /** Default 2,048. Bounds memory. */
  readonly limitMax?: number;
  /** Latency may grow by this factor over its long-run average. Default 2: a batch that fills is no overload. */
  readonly tolerance?: number;
  /** Samples are gathered for at least this long. Default 200 ms. */
  readonly windowMs?: number;
}

const lowShare = 0.7;
const operationShare = 0.5;

const samplesMin = 20;
/** Weight of the latest window in the long-run latency: about a minute of windows. */
const longWeight = 1 / 256;
const smoothing = 0.2;
/** In one window the limit is at most halved. */
const gradientMin = 0.5;

export function createAdaptiveLimit(options: AdaptiveLimitOptions): AdaptiveLimit {
  const { clock, initial = 256, limitMin = 16, limitMax = 2_048, tolerance = 2, windowMs = 200 } = options;
  let limit = initial;
  let active = 0;
  const activeOf = new Map<string, number>();
  let longMs = 0;
  let shortMs = 1;
  let windowEndMs = clock.monotonicMs() + windowMs;
  let samples = 0;
  let sumMs = 0;
  let activeMax = 0;
  let refused = 0;

  function endWindow(nowMs: number): void {
    shortMs = Math.max(0.01, sumMs / samples);
    if (longMs === 0) longMs = shortMs;
    longMs += (shortMs - longMs) * longWeight;
    // It has become quicker: what was slow is no measure any more.
    if (shortMs < longMs / 2) longMs = longMs * 0.95;
    // A limit that nobody comes near says nothing about what is possible beyond it.
    const isUsed = activeMax >= limit / 2;
    const gradient = Math.max(gradientMin, Math.min(1, (tolerance * longMs) / shortMs));
    if (isUsed || gradient < 1) {
      const wanted = limit * gradient + (isUsed ? Math.sqrt(limit) : 0);
      limit = Math.min(limitMax, Math.max(limitMin, limit + (wanted - limit) * smoothing));
    }
    windowEndMs = nowMs + windowMs;
    samples = 0;
    sumMs = 0;
    activeMax = active;
  }

  function placesOf(priority: Priority): number {
    if (priority === 'critical') return limitMax;
    return Math.floor(priority === 'low' ? limit * lowShare : limit);
  }

  return {
    get limit() {
      return Math.floor(limit);
    },
    get active() {
      return active;
    },
    get refused() {
      return refused;
    },
    get retryAfterMs() {
      return Math.max(retryAfterMsMin, Math.ceil(shortMs));
    },
    enter(operation, priority) {
      const own = activeOf.get(operation) ?? 0;
      if (active >= placesOf(priority) || (priority !== 'critical' && own >= limit * operationShare)) {
        refused += 1;
        return false;
      }
      activeOf.set(operation, own + 1);
      active += 1;
      if (active > activeMax) activeMax = active;
      return true;
    },
    leave(operation, priority, tookMs, outcome) {
      active -= 1;
      activeOf.set(operation, (activeOf.get(operation) as number) - 1);
      if (outcome === 'ignored' || priority === 'critical') return;
      samples += 1;
      sumMs += outcome === 'dropped' ? Math.max(tookMs, longMs) * 2 : tookMs;
      const nowMs = clock.monotonicMs();
      if (nowMs >= windowEndMs && samples >= samplesMin) endWindow(nowMs);
    },
  };
}

const retryAfterMsMin = 100;
