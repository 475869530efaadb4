import type { Clock, Random, Reply, Request, Timers, Transport } from '#kit/runtime';
import { type BreakerOptions, createBreaker } from './breaker.ts';
import { createRetryBudget } from './budget.ts';
import { type BulkheadOptions, createBulkhead } from './bulkhead.ts';
import { deadlineHeader } from './deadline.ts';
import type { Category, Retry } from './errors.ts';
import { createPolicy, type Policy, type PolicyEvent } from './policy.ts';

export interface ResilientTransportOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Attempts of a request that may be repeated. Default 2: sagas and clients repeat on top of it. */
  readonly attemptsMax?: number;
  readonly breaker?: Omit<BreakerOptions, 'clock' | 'name'>;
  readonly bulkhead?: Omit<BulkheadOptions, 'name'>;
  /** Told of retries, open breakers and refused calls, for logs and metrics. */
  readonly onEvent?: (service: string, event: PolicyEvent | BreakerEvent) => void;
}

export interface BreakerEvent {
  readonly kind: 'breaker';
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

const timeoutMsDefault = 30_000;

/**
 * Every call of another service through a deadline, a budget for retries, a breaker and a bulkhead of that service.
 * Reads and requests that carry an idempotency key are repeated where the answer allows it; anything else never is.
 */
export function createResilientTransport(options: ResilientTransportOptions): Transport {
  const { transport, clock, timers, random, attemptsMax = 2, onEvent } = options;
  const policies = new Map<string, { readonly repeatable: Policy; readonly once: Policy }>();

  function policiesFor(service: string) {
    const breaker = createBreaker({
      ...options.breaker,
      clock,
      name: service,
      onChange: (to) => onEvent?.(service, { kind: 'breaker', state: to.kind }),
    });
    const common = {
      clock,
      timers,
      random,
      timeoutMs: timeoutMsDefault,
      breaker,
      bulkhead: createBulkhead({ concurrencyMax: 512, queueMax: 4096, ...options.bulkhead, name: service }),
      onEvent: (event: PolicyEvent) => onEvent?.(service, event),
    };
    return {
      repeatable: createPolicy({ ...common, attemptsMax, budget: createRetryBudget({ clock }) }),
      once: createPolicy({ ...common, attemptsMax: 1 }),
    };
  }

  return {
    async send(request, signal) {
      let known = policies.get(request.service);
      if (!known) {
        known = policiesFor(request.service);
        policies.set(request.service, known);
      }
      const { repeatable, once } = known;
      const deadlineMs = Number(request.headers[deadlineHeader] ?? timeoutMsDefault);
      const bound = { deadlineAtMs: clock.monotonicMs() + deadlineMs, signal };
      try {
        return await (mayRepeat(request) ? repeatable : once).run(async (deadline) => {
          const reply = await transport.send(request, deadline.signal);
          if (reply.status >= 500) throw new FailedReply(reply);
          return reply;
        }, bound);
      } catch (error) {
        if (error instanceof FailedReply) return error.reply;
        throw error;
      }
    },
  };
}

function mayRepeat(request: Request): boolean {
  return request.headers['idempotency-key'] !== undefined || request.body === undefined;
}
