import type { Clock, Random, Timers } from '#kit/runtime';
import { type BackoffOptions, backoffMs } from './backoff.ts';
import type { Breaker, Outcome } from './breaker.ts';
import type { RetryBudget } from './budget.ts';
import type { Bulkhead } from './bulkhead.ts';
import { type Bound, createDeadline, type Deadline, sleepWithin, withinDeadline } from './deadline.ts';
import { categoryOf, isDependencyFailure } from './errors.ts';
import { firstAnswer } from './hedge.ts';
import { createLatencies } from './latencies.ts';

/**
 * One attempt at the work. It should stop when `deadline.signal` aborts: its answer is not waited for after that.
 * Every attempt carries the same idempotency key.
 */
export type Work<T> = (deadline: Deadline, attempt: number) => Promise<T>;

/** Something worth counting or logging happened. Calls that go well make no event. */
export type PolicyEvent =
  /** Attempt number `attempt` failed and another one follows in `delayMs`. */
  | { readonly kind: 'retry'; readonly attempt: number; readonly delayMs: number; readonly error: unknown }
  /** The error could have been retried, but not any more. */
  | {
      readonly kind: 'gave-up';
      readonly why: 'attempts' | 'budget' | 'deadline';
      readonly attempt: number;
      readonly error: unknown;
    }
  /** A second try was started for a slow read. */
  | { readonly kind: 'hedge' }
  /** The second try answered first. */
  | { readonly kind: 'hedge-won' };

export interface PolicyOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Longest time for all attempts together; a caller's shorter deadline counts. Default 10,000 ms. */
  readonly timeoutMs?: number;
  /** Longest time for one attempt, so that there is time left for another. Default: none but the deadline. */
  readonly attemptTimeoutMs?: number;
  /** Attempts in all. Default 3. 1 turns retries off. */
  readonly attemptsMax?: number;
  readonly backoff?: BackoffOptions;
  /** Shared by all operations of a dependency. Without one there are no retries and no hedges. */
  readonly budget?: RetryBudget;
  /** Shared by all operations of a dependency. */
  readonly breaker?: Breaker;
  /** Shared by all operations of a dependency. */
  readonly bulkhead?: Bulkhead;
  /**
   * For reads that may be made twice: a second try is started when the first takes longer than this percentile of
   * recent calls, the first answer counts and the other try is aborted (Dean, Barroso: "The Tail at Scale", CACM 2013).
   */
  readonly hedge?: {
    /** Default 0.95. */
    readonly percentile?: number;
    /** Never sooner than this. Default 2 ms. */
    readonly delayMsMin?: number;
  };
  /**
   * A time-out after less than this says more about a caller in a hurry than about the dependency, and doesn't count
   * against it: else a slow service opens the breakers behind it, which are fine. No retry is made with less time left
   * than this either. Default 20 ms.
   */
  readonly blameAfterMs?: number;
  /** Whether an error says nothing of how the dependency is, so that the breaker doesn't count it. Default: none does. */
  readonly isExcused?: (error: unknown) => boolean;
  /** Must not throw. */
  readonly onEvent?: (event: PolicyEvent) => void;
}

/** How one operation of one dependency is called: deadline → budgeted retry → breaker → bulkhead → hedged call. */
export interface Policy {
  /** Rejects with the error of the last attempt, a `RefusalError`, or the reason of the caller's signal. */
  run<T>(work: Work<T>, bound?: Bound): Promise<T>;
}

/** A tenth above the percentile: where latencies lie close together, the percentile itself is an ordinary latency. */
const hedgeSlack = 1.1;

export function createPolicy(options: PolicyOptions): Policy {
  const { clock, timers, random, timeoutMs = 10_000, attemptTimeoutMs, attemptsMax = 3, backoff } = options;
  const { budget, breaker, bulkhead, hedge, blameAfterMs = 20, isExcused, onEvent } = options;
  const latencies = hedge && createLatencies(hedge);
  const hedgeDelayMsMin = hedge?.delayMsMin ?? 2;

  async function run<T>(work: Work<T>, bound?: Bound): Promise<T> {
    const deadline = createDeadline({ clock, timers, budgetMs: timeoutMs, bound });
    try {
      deadline.check('the call');
      budget?.deposit();
      for (let attempt = 1; ; attempt++) {
        try {
          return await (latencies ? hedged(work, deadline, attempt) : one(work, deadline, attempt));
        } catch (error) {
          const delayMs = retryDelayMs(error, attempt, deadline);
          if (delayMs === undefined) throw error;
          onEvent?.({ kind: 'retry', attempt, delayMs, error });
          await sleepWithin(deadline, timers, delayMs);
        }
      }
    } finally {
      deadline.end();
    }
  }

  /** Undefined when there is to be no further attempt. */
  function retryDelayMs(error: unknown, attempt: number, deadline: Deadline): number | undefined {
    if (!budget || attemptsMax <= 1) return undefined;
    const delayMs = backoffMs(error, attempt, random, backoff);
    if (delayMs === undefined) return undefined;
    const giveUp = (why: 'attempts' | 'budget' | 'deadline') => {
      onEvent?.({ kind: 'gave-up', why, attempt, error });
      return undefined;
    };
    if (attempt >= attemptsMax) return giveUp('attempts');
    // Waiting for a moment at which there is no time left for an attempt would only hide the error.
    if (delayMs + blameAfterMs >= deadline.remainingMs()) return giveUp('deadline');
    if (!budget.withdraw()) return giveUp('budget');
    return delayMs;
  }

  /** One try through breaker and bulkhead, with its own time-out if there is one. */
  async function one<T>(work: Work<T>, whole: Deadline, attempt: number): Promise<T> {
    const permit = breaker?.enter() ?? 0;
    let outcome: Outcome = 'abandoned';
    let startMs: number | undefined;
    const deadline = attemptTimeoutMs === undefined ? whole : whole.shorten(attemptTimeoutMs);
    try {
      const place = bulkhead?.enter(deadline);
      if (place) await place;
      startMs = clock.monotonicMs();
      const value = await withinDeadline(deadline, () => work(deadline, attempt));
      outcome = 'success';
      return value;
    } catch (error) {
      if (startMs !== undefined) outcome = outcomeOf(error, deadline, clock.monotonicMs() - startMs);
      throw error;
    } finally {
      if (deadline !== whole) deadline.end();
      breaker?.leave(permit, outcome);
      if (startMs !== undefined) bulkhead?.leave(clock.monotonicMs() - startMs);
    }
  }

  function outcomeOf(error: unknown, deadline: Deadline, tookMs: number): Outcome {
    if (deadline.cancelled || isExcused?.(error)) return 'abandoned';
    if (!isDependencyFailure(error)) return 'success';
    return categoryOf(error) === 'timeout' && tookMs < blameAfterMs ? 'abandoned' : 'failure';
  }

  /** One try, and a second when the first is slow and there is room for it; the first answer counts. */
  async function hedged<T>(work: Work<T>, whole: Deadline, attempt: number): Promise<T> {
    const startMs = clock.monotonicMs();
    const slowMs = latencies?.percentileMs;
    const value =
      slowMs === undefined
        ? await one(work, whole, attempt)
        : await firstAnswer({
            timers,
            deadline: whole,
            afterMs: Math.max(slowMs * hedgeSlack, hedgeDelayMsMin),
            attempt: (deadline) => one(work, deadline, attempt),
            mayHedge,
            onHedgeWon: () => onEvent?.({ kind: 'hedge-won' }),
          });
    latencies?.record(clock.monotonicMs() - startMs);
    return value;
  }

  function mayHedge(): boolean {
    if (breaker && breaker.state.kind !== 'closed') return false;
    if (bulkhead && !bulkhead.free) return false;
    if (!budget?.withdraw()) return false;
    onEvent?.({ kind: 'hedge' });
    return true;
  }

  return { run };
}
