import type { CallContext } from '#kit/contract';
import {
  type BreakerOptions,
  type BulkheadOptions,
  categoryOf,
  createBreaker,
  createBulkhead,
  createDeadline,
  type Deadline,
  isDependencyFailure,
  type Outcome,
  RefusalError,
} from '#kit/resilience';
import type { Clock, Logger, Timers } from '#kit/runtime';
import type { Span, Telemetry } from '#kit/telemetry';
import { isProviderError, notSentError, ProviderError } from './errors.ts';

export interface ProviderGuardOptions {
  /** Of the provider, for errors, logs and spans. */
  readonly name: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  /** Default: see `createBreaker`. */
  readonly breaker?: Omit<BreakerOptions, 'clock' | 'name' | 'onChange'>;
  /** Default 256 calls at a time and 2,048 that wait. */
  readonly bulkhead?: Omit<BulkheadOptions, 'name'>;
}

type Context = Pick<CallContext, 'deadlineAtMs' | 'signal' | 'traceparent'>;

/**
 * Stands before every call to the provider: leaves a provider alone that fails, bounds how many calls are under way, and
 * begins none whose caller no longer waits. What it refuses was never sent: a `ProviderError` with outcome `not-done`.
 * What was sent ends as the adapter says, so an unknown outcome stays unknown. Nothing is repeated here: sagas do that.
 *
 * Breaker and bulkhead are used without `createPolicy`: its timer and signal for each call would double those that the
 * caller and the adapter have (10 µs a call against 2 on one core of the development machine, twice an order).
 */
export interface ProviderGuard {
  run<T>(operation: string, context: Context, call: (signal: AbortSignal) => Promise<T>): Promise<T>;
}

export function createProviderGuard(options: ProviderGuardOptions): ProviderGuard {
  const { name, clock, timers, log, telemetry } = options;
  const breaker = createBreaker({
    ...options.breaker,
    clock,
    name,
    onChange: ({ kind: state }) => log.warn('breaker changed', { provider: name, state }),
  });
  const bulkhead = createBulkhead({ concurrencyMax: 256, queueMax: 2_048, ...options.bulkhead, name });

  async function guarded<T>(context: Context, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { deadlineAtMs, signal } = context;
    const deadline = createDeadline({ clock, timers, budgetMs: deadlineAtMs - clock.monotonicMs(), bound: context });
    const permit = enter(() => breaker.enter());
    let outcome: Outcome = 'abandoned';
    let startMs: number | undefined;
    try {
      const place = enter(() => bulkhead.enter(deadline));
      if (place) await place.catch(notSent);
      startMs = clock.monotonicMs();
      checkTime(deadline);
      const value = await call(signal);
      outcome = 'success';
      return value;
    } catch (error) {
      if (startMs !== undefined) outcome = outcomeOf(error, deadline);
      throw error;
    } finally {
      deadline.end();
      breaker.leave(permit, outcome);
      if (startMs !== undefined) bulkhead.leave(clock.monotonicMs() - startMs);
    }
  }

  return {
    async run(operation, context, call) {
      const span = telemetry.span(`provider ${operation}`, context.traceparent, undefined, 'client');
      if (!span.recording) return guarded(context, call);
      span.set('service', 'payments');
      span.set('provider', name);
      span.set('operation', operation);
      try {
        const answer = await guarded(context, call);
        span.set('outcome', answerOf(answer));
        return answer;
      } catch (error) {
        tellFailure(span, error);
        throw error;
      } finally {
        span.end();
      }
    },
  };
}

/** A refusal of breaker or bulkhead, in the provider's words: the handlers know what to make of those. */
function enter<T>(take: () => T): T {
  try {
    return take();
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error;
    const { category, retry, detail } = error;
    throw new ProviderError({
      code: 'left_alone',
      outcome: 'not-done',
      category,
      retry,
      message: detail,
      cause: error,
    });
  }
}

function notSent(reason: unknown): never {
  throw notSentError('aborted', reason);
}

function checkTime(deadline: Deadline): void {
  if (deadline.over) throw notSentError('aborted');
}

/** A caller that left, or had little time, says nothing of the provider: the adapter's own time-out does. */
function outcomeOf(error: unknown, deadline: Deadline): Outcome {
  if (!isDependencyFailure(error)) return 'success';
  return deadline.over ? 'abandoned' : 'failure';
}

/** In one word, and never more than that: answers carry references of the provider. */
function answerOf(answer: unknown): string {
  const { kind, status } = (answer ?? { kind: 'not-found' }) as { readonly kind?: string; readonly status?: string };
  return kind ?? status ?? 'answered';
}

/** A refusal is an answer, and not a fault. Its message may quote the provider, so the code must do. */
function tellFailure(span: Span, error: unknown): void {
  if (!isProviderError(error)) {
    span.fail(error);
    return;
  }
  span.set('outcome', error.outcome);
  span.set('code', error.code);
  if (error.outcome !== 'refused') span.fail(new Error(`${categoryOf(error)}: ${error.code}`));
}
