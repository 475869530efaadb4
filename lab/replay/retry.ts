/** Repeats what may be repeated, with the same business key, after exponential backoff with full jitter. */
import type { Random, Timers } from '#kit/runtime';
import { ShopError } from './shop-api.ts';

export interface RetryOptions {
  readonly timers: Timers;
  readonly random: Random;
  /** Tries in all. Default 14: about a minute, so that a restart of the shop is waited out. */
  readonly attemptsMax?: number;
  /** Upper bound of the first wait; doubles with each try. Default 50. */
  readonly backoffMs?: number;
  /** Upper bound of every wait. Default 10,000. */
  readonly backoffMsMax?: number;
  /** Ends the waiting at once. */
  readonly signal?: AbortSignal;
}

/** All tries are used up: the shop is away, and going on makes no sense. */
export class ShopUnavailable extends Error {
  override readonly name = 'ShopUnavailable';
}

export async function withRetry<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { timers, random, attemptsMax = 14, backoffMs = 50, backoffMsMax = 10_000, signal } = options;
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ShopError) || error.retry === 'never') throw error;
      if (tries >= attemptsMax) {
        throw new ShopUnavailable(`gave up after ${tries} tries: ${error.message}`, { cause: error });
      }
      const jitterMs = random.next() * Math.min(backoffMsMax, backoffMs * 2 ** (tries - 1));
      const askedMs = typeof error.retry === 'number' ? Math.min(error.retry, backoffMsMax) : 0;
      await timers.sleep(askedMs + jitterMs, signal);
    }
  }
}
