import type { Clock, Random, Reply, Request, Timers, Transport } from '#kit/runtime';
import { type Breaker, type BreakerOptions, createBreaker } from './breaker.ts';
import { createRetryBudget, type RetryBudget } from './budget.ts';
import { type Bulkhead, createBulkhead } from './bulkhead.ts';
import { deadlineHeader, millisecondsIn } from './deadline.ts';
import { type Category, faultHeader, type Retry } from './errors.ts';
import { createPolicy, type Policy, type PolicyEvent } from './policy.ts';

/** How one operation is called. Everything may be left out. */
export interface OperationPolicy {
  /** Longest time for one try; then another instance is tried. Default 2,000 ms; no limit but the deadline for streams. */
  readonly tryTimeoutMs?: number;
  /** Tries of a request that may be repeated. Default 3. */
  readonly triesMax?: number;
  /** A second try beside a slow first one, for idempotent reads. Default false. */
  readonly hedge?: boolean;
  /** Calls under way at a time. Default 512; four times as many may wait. */
  readonly concurrencyMax?: number;
  /** Its request or reply is a stream: it takes its time, and can't be repeated. */
  readonly streams?: boolean;
}

/** Carries one try. `tried` is one set for all tries of a call: whoever chooses instances notes there which it took. */
export interface TryTransport {
  send(request: Request, signal: AbortSignal, tried: Set<string>): Promise<Reply>;
}

export interface ResilientTransportOptions {
  readonly transport: TryTransport;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Asked once for each operation. Default: the defaults. */
  readonly policyOf?: (service: string, operation: string) => OperationPolicy;
  readonly breaker?: Omit<BreakerOptions, 'clock' | 'name'>;
  /** Told of retries, open breakers and refused calls, for logs and metrics. */
  readonly onEvent?: (service: string, event: PolicyEvent | BreakerEvent) => void;
  /** Told once of the bulkhead of each operation that is called, to look at from then on. */
  readonly onBulkhead?: (service: string, operation: string, bulkhead: Bulkhead, concurrencyMax: number) => void;
}

export interface BreakerEvent {
  readonly kind: 'breaker';
  readonly operation: string;
  readonly state: string;
}

/** An answer that says that the service is not well, on its way through the policy as an error. */
class FailedReply extends Error {
  readonly reply: Reply;
  readonly category: Category;
  readonly retry: Retry;

  constructor(reply: Reply) {
    super(`status ${reply.status}`);
    const body = reply.body as { category?: Category; retry?: Retry } | undefined;
    this.reply = reply;
    this.category = body?.category ?? 'internal';
    this.retry = body?.retry ?? 'never';
  }
}

/**
 * The service says that it is well itself: it has too much to do, which its own limits see to, or waits for what it needs,
 * for which it has a breaker. One here would refuse all that it still serves, and stay open after the one behind it has
 * closed. Whether a service may say so for ever is looked at by instance (`noteCall` of kit/mesh).
 */
const isTakenCareOf = (error: unknown): boolean =>
  error instanceof FailedReply && error.reply.headers[faultHeader] !== undefined;

export interface ResilientTransport extends Transport {
  /** An instance of the service has come: what was not called any more is tried again. */
  tryAgain(service: string): void;
}

const timeoutMsDefault = 30_000;
const tryTimeoutMsDefault = 2_000;
/** So that a service that fails gets at most 1.2 times its load, from 40 calls a second on. */
const budgetOptions = { share: 0.15, minPerSecond: 2 };

/**
 * Every call of another service through a deadline, tries within a retry budget, a breaker and a bulkhead. The budget is
 * the service's, as it is the service that retries would overload; breaker and bulkhead are the operation's, so that one
 * that waits for something slow takes no other along. Reads and requests that carry an idempotency key are repeated
 * where the answer allows it; anything else never is.
 */
export function createResilientTransport(options: ResilientTransportOptions): ResilientTransport {
  const { transport, clock, timers, random, policyOf = () => defaults, onEvent } = options;
  const policies = new Map<string, OperationPolicies>();
  const budgets = new Map<string, RetryBudget>();
  /** By service. */
  const breakers = new Map<string, Breaker[]>();

  function budgetOf(service: string): RetryBudget {
    const budget = budgets.get(service) ?? createRetryBudget({ clock, ...budgetOptions });
    budgets.set(service, budget);
    return budget;
  }

  function policiesFor(service: string, operation: string): OperationPolicies {
    const { tryTimeoutMs, triesMax = 3, hedge, concurrencyMax = 512, streams } = policyOf(service, operation);
    const name = `${service}.${operation}`;
    const bulkhead = createBulkhead({ concurrencyMax, queueMax: concurrencyMax * 4, name });
    options.onBulkhead?.(service, operation, bulkhead, concurrencyMax);
    const breaker = createBreaker({
      ...options.breaker,
      clock,
      name,
      onChange: (to) => onEvent?.(service, { kind: 'breaker', operation, state: to.kind }),
    });
    breakers.set(service, [...(breakers.get(service) ?? []), breaker]);
    const common = {
      clock,
      timers,
      random,
      timeoutMs: timeoutMsDefault,
      breaker,
      bulkhead,
      isExcused: isTakenCareOf,
      onEvent: (event: PolicyEvent) => onEvent?.(service, event),
    };
    const once = createPolicy({ ...common, attemptsMax: 1 });
    if (streams) return { repeatable: once, once };
    const budget = budgetOf(service);
    const repeatable = createPolicy({
      ...common,
      attemptTimeoutMs: tryTimeoutMs ?? tryTimeoutMsDefault,
      attemptsMax: triesMax,
      budget,
      ...(hedge ? { hedge: {} } : {}),
    });
    return { repeatable, once };
  }

  function knownPolicies(service: string, operation: string): OperationPolicies {
    const key = `${service}.${operation}`;
    let known = policies.get(key);
    if (!known) {
      known = policiesFor(service, operation);
      policies.set(key, known);
    }
    return known;
  }

  return {
    async send(request, signal) {
      const { repeatable, once } = knownPolicies(request.service, request.operation);
      const leftMs = millisecondsIn(request.headers[deadlineHeader], timeoutMsDefault);
      const bound = { deadlineAtMs: clock.monotonicMs() + leftMs, signal };
      const tried = new Set<string>();
      try {
        return await (mayRepeat(request) ? repeatable : once).run(async (deadline) => {
          const reply = await transport.send(request, deadline.signal, tried);
          if (reply.status >= 500) throw new FailedReply(reply);
          return reply;
        }, bound);
      } catch (error) {
        if (error instanceof FailedReply) return error.reply;
        throw error;
      }
    },
    tryAgain(service) {
      for (const breaker of breakers.get(service) ?? []) breaker.tryAgain();
    },
  };
}

const defaults: OperationPolicy = {};

interface OperationPolicies {
  readonly repeatable: Policy;
  readonly once: Policy;
}

function mayRepeat(request: Request): boolean {
  return request.headers['idempotency-key'] !== undefined || request.body === undefined;
}
