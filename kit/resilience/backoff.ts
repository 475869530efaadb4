import type { Random } from '#kit/runtime';
import { retryOf } from './errors.ts';

export interface BackoffOptions {
  /** Upper bound of the first delay. Default 50 ms. */
  readonly baseMs?: number;
  /** Upper bound of any delay. Default 2,000 ms. */
  readonly capMs?: number;
}

/**
 * Milliseconds to wait before attempt number `attempt + 1`: exponential with full jitter, which of the jitters compared
 * by Brooker ("Exponential Backoff And Jitter", AWS Architecture Blog 2015) causes the fewest calls. Undefined when
 * the error is one that repeating doesn't change. `afterMs` advice is honoured, with jitter on top so that those who
 * were told the same don't all come back at once.
 */
export function backoffMs(
  error: unknown,
  attempt: number,
  random: Random,
  options: BackoffOptions = {},
): number | undefined {
  const { baseMs = 50, capMs = 2_000 } = options;
  const retry = retryOf(error);
  if (retry === 'never') return undefined;
  const jitterMs = random.next() * Math.min(capMs, baseMs * 2 ** (attempt - 1));
  return retry === 'same-key' ? jitterMs : retry.afterMs + jitterMs;
}
