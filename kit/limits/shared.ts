import type { Clock, Component, Logger, Timers } from '#kit/runtime';
import type { Adjustable } from './limiter.ts';

/** What several limiters have spent together, wherever it is kept. Times are durations: no clock is compared with another. */
export interface SharedSpending {
  /** Adds what was spent, in ms of each key's allowance, and answers how far ahead each key is now. All or none. */
  add(spent: readonly Spent[]): Promise<readonly number[]>;
}

export interface Spent {
  readonly key: string;
  readonly spentMs: number;
  /** How long ago it began to be spent: allowance that came back since is not lost. */
  readonly agoMs: number;
}

export interface ShareOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  readonly store: SharedSpending;
  /** How often what was spent here is told to the others. Default 50 ms. Smaller is more exact and asks more of the store. */
  readonly syncMs?: number;
  /** Keys told at a time. Default 2,000; the others follow with the next. */
  readonly batchMax?: number;
  /** Keys that wait to be told; while there are more, the newest are limited here alone. Default 200,000. */
  readonly waitingMax?: number;
}

export interface Sharing<Policy extends string> {
  readonly component: Component;
  readonly onSpent: (policy: Policy, key: string, spentMs: number) => void;
  /** The store answered last time; while it does not, each limiter should take its part of the allowance only. */
  readonly connected: boolean;
  follow(limiter: Adjustable): void;
}

interface Waiting {
  readonly policy: string;
  readonly name: string;
  readonly sinceMs: number;
  spentMs: number;
}

/**
 * Lets several limiters keep one allowance without asking anybody before a request: each decides by what it knows, tells
 * what it let pass, and learns how far ahead the key is over all. What passed too much is paid back, because it stays
 * spent; so the rate over time is exact, and the overshoot once is at most (n − 1) · (burst + rate · syncMs) for n
 * limiters. Asking the store first would be exact to the request, at the price of a round trip for each.
 */
export function shareSpending<Policy extends string>(options: ShareOptions): Sharing<Policy> {
  const { clock, timers, log, store, syncMs = 50, batchMax = 2_000, waitingMax = 200_000 } = options;
  const waiting = new Map<string, Waiting>();
  let limiter: Adjustable | undefined;
  let connected = false;
  let turn: Promise<void> | undefined;
  let cancel = () => {};

  async function sync(): Promise<void> {
    if (waiting.size === 0 && connected) return;
    const batch: [string, Waiting][] = [];
    for (const entry of waiting) {
      if (batch.length >= batchMax) break;
      batch.push(entry);
    }
    // What is spent while the store is asked waits for the next turn under an entry of its own.
    for (const [key] of batch) waiting.delete(key);
    try {
      const ahead = await store.add(
        batch.map(([key, { spentMs, sinceMs }]) => ({ key, spentMs, agoMs: clock.monotonicMs() - sinceMs })),
      );
      if (!connected) log.info('limits are shared', { keys: batch.length });
      connected = true;
      for (const [i, [key, { policy, name }]] of batch.entries()) {
        limiter?.adjust(policy, name, (ahead[i] ?? 0) + (waiting.get(key)?.spentMs ?? 0));
      }
    } catch (error) {
      if (connected) log.warn('limits can not be shared, each gateway keeps to its part', { error });
      connected = false;
    }
  }

  return {
    get connected() {
      return connected;
    },
    follow(target) {
      limiter = target;
    },
    onSpent(policy, name, spentMs) {
      const key = `${policy}:${name}`;
      const known = waiting.get(key);
      if (known) known.spentMs += spentMs;
      else if (waiting.size < waitingMax) waiting.set(key, { policy, name, spentMs, sinceMs: clock.monotonicMs() });
    },
    component: {
      name: 'shared limits',
      async start() {
        await sync();
        cancel = timers.every(syncMs, () => {
          turn = sync();
          return turn;
        });
      },
      async stop() {
        cancel();
        await turn;
      },
    },
  };
}
