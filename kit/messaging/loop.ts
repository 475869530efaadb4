import type { Cancel, Clock, Logger, Random, Timers } from '#kit/runtime';

/**
 * What a turn of a loop found: more than it could do (`again`, at once), all that there was (so many items were `worked` on: a
 * moment's rest, so that more gathers), nothing, or something to come back for.
 */
export type Turn = 'again' | 'idle' | { readonly worked: number } | { readonly afterMs: number };

export interface LoopOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Logger;
  /** One bounded piece of work. */
  readonly turn: () => Promise<Turn>;
  /** How long an idle loop waits for a wake-up before it looks by itself. */
  readonly pollMs: number;
  /**
   * The largest share of its time that the loop works while it keeps up with much: after a turn it rests the longer the more
   * that cost, half a second at most. For work that nobody waits for: a turn for many costs little more than a turn for few.
   * A turn for few is followed by as much less rest, so that what comes alone is soon done. Default 1, a moment's rest.
   */
  readonly shareMax?: number;
}

/**
 * A loop that works while there is work and otherwise sleeps until it is woken or `pollMs` have passed.
 *
 *     stopped ──start──▶ waiting ──wake or timer──▶ running ──idle──▶ waiting
 *                                                   running ──again──▶ running
 *                                                   running ──worked, or woken meanwhile──▶ resting ──▶ running
 *                                                   running ──error──▶ resting (backoff, wake-ups don't count) ──▶ running
 */
export interface Loop {
  start(): void;
  /** Makes an idle loop look now, and a busy one look once more. */
  wake(): void;
  /** Resolves when the turn under way has ended; there will be no other. */
  stop(): Promise<void>;
}

/** After work a loop rests for at least so long, whoever wakes it, so that what comes meanwhile is done in one turn. */
const restMsMin = 10;
const restMsMax = 500;
/** From so many items a turn on it rests in full. */
const itemsMany = 16;
/** `shareMax` of relays and consumers: what they spare, orders have. */
export const backgroundShareMax = 0.05;
const errorDelayMsMin = 50;
const errorDelayMsMax = 5_000;

export function createLoop(options: LoopOptions): Loop {
  const { name, clock, timers, random, log, turn, pollMs, shareMax = 1 } = options;
  let state: 'stopped' | 'waiting' | 'running' | 'resting' = 'stopped';
  let woken = false;
  let stopping = false;
  let failures = 0;
  let cancelTimer: Cancel = () => {};
  let current: Promise<void> = Promise.resolve();

  function wait(delayMs: number, next: 'waiting' | 'resting'): void {
    state = next;
    cancelTimer = timers.after(delayMs, run);
  }

  function run(): void {
    cancelTimer();
    state = 'running';
    current = work();
  }

  async function work(): Promise<void> {
    while (!stopping) {
      woken = false;
      let outcome: Turn;
      const startMs = clock.monotonicMs();
      try {
        outcome = await turn();
        failures = 0;
      } catch (error) {
        if (!stopping) rest(error);
        return;
      }
      if (outcome === 'again') continue;
      if (stopping) return;
      const worked = outcome !== 'idle' && 'worked' in outcome ? outcome.worked : 0;
      const afterMs = outcome !== 'idle' && 'afterMs' in outcome ? outcome.afterMs : pollMs;
      if (woken || worked > 0) wait(restAfter(clock.monotonicMs() - startMs, worked), 'resting');
      else wait(Math.min(afterMs, pollMs), 'waiting');
      return;
    }
  }

  function restAfter(turnMs: number, items: number): number {
    const wantedMs = turnMs * (1 / shareMax - 1) * Math.min(1, items / itemsMany);
    return Math.min(restMsMax, Math.max(restMsMin, wantedMs));
  }

  function rest(error: unknown): void {
    failures += 1;
    // An outage would otherwise write a line for each turn of each loop.
    const level = failures === 1 || failures % 20 === 0 ? 'warn' : 'debug';
    log[level]('loop failed, trying again', { loop: name, failures, error });
    const ceilingMs = Math.min(errorDelayMsMax, errorDelayMsMin * 2 ** Math.min(failures, 10));
    wait(errorDelayMsMin + random.next() * ceilingMs, 'resting');
  }

  return {
    start() {
      if (state !== 'stopped' || stopping) return;
      run();
    },
    wake() {
      woken = true;
      if (state === 'waiting') run();
    },
    async stop() {
      stopping = true;
      cancelTimer();
      await current;
      state = 'stopped';
    },
  };
}

/** Whether a read stopped at its limit in any of the places it read from, so that there may be more. */
export function isAnyFull<Row>(rows: readonly Row[], placeOf: (row: Row) => unknown, placeMax: number): boolean {
  const counts = new Map<unknown, number>();
  for (const row of rows) {
    const place = placeOf(row);
    const count = (counts.get(place) ?? 0) + 1;
    if (count >= placeMax) return true;
    counts.set(place, count);
  }
  return false;
}
