import type { Clock, Random } from '#kit/runtime';
import { createSpendTable, type SpendTableOptions } from './table.ts';

/** How much of something one key may have. */
export interface Rate {
  /** In a period. */
  readonly quota: number;
  /** Default 1 s. */
  readonly periodSec?: number;
  /**
   * At once, after a rest. Default: the quota, so that whoever rested may have a period's worth at once and twice the quota in
   * the first period. Smaller smooths more and refuses clients that send in bursts.
   */
  readonly burst?: number;
}

export interface Verdict {
  readonly allowed: boolean;
  /** What is left at this moment. */
  readonly remaining: number;
  /** Until the whole allowance is there again. */
  readonly resetMs: number;
  /** 0 when allowed; else when the same may be asked for again. */
  readonly retryAfterMs: number;
}

export interface Limiter<Policy extends string> {
  /** Spends `cost` (default 1) of the key's allowance, or refuses and spends nothing. */
  check(policy: Policy, key: string, cost?: number): Verdict;
  /** What a check of 1 would say, without spending. */
  look(policy: Policy, key: string): Verdict;
  readonly rateOf: (policy: Policy) => Rate;
  readonly sizeBytes: number;
  readonly forgotten: number;
}

export interface LimiterOptions<Policy extends string> {
  readonly clock: Clock;
  readonly random: Random;
  readonly policies: Readonly<Record<Policy, Rate>>;
  /** How many limiters divide each allowance among them; asked at each check. Default 1. */
  readonly instances?: () => number;
  readonly table?: Pick<SpendTableOptions, 'slots' | 'slotsMax'>;
  /** Told of everything spent, for a store that several limiters share (`shareSpending`). */
  readonly onSpent?: (policy: Policy, key: string, spentMs: number) => void;
}

/** What `shareSpending` needs besides: to write down what others have spent. */
export interface Adjustable {
  /** Notes that the key has spent until `aheadMs` from now, whatever was known. */
  adjust(policy: string, key: string, aheadMs: number): void;
}

/** Rounding of sums of fractions of a millisecond must not cost a request. */
const epsilonMs = 1e-6;

interface Plan {
  readonly rate: Rate;
  /** Keeps the keys of policies apart. */
  readonly space: number;
  readonly emissionMs: number;
  readonly burstMs: number;
}

/**
 * GCRA (ITU-T I.371, the leaky bucket as a meter): of each key one time is kept, until when it has spent its allowance. A
 * request moves it on by `period / quota` and is refused when it would run ahead of now by more than the burst. So there
 * are no windows at whose edges twice the quota passes, no timers, and in any stretch of time t at most burst + t · rate.
 */
export function createLimiter<Policy extends string>(options: LimiterOptions<Policy>): Limiter<Policy> & Adjustable {
  const { clock, random, policies, instances = () => 1, onSpent } = options;
  const table = createSpendTable({ random, ...options.table });
  const plans = new Map<string, Plan>();
  for (const [index, [name, rate]] of Object.entries<Rate>(policies).entries())
    plans.set(name, planOf(rate, index, name));

  function planFor(policy: string): Plan {
    const plan = plans.get(policy);
    if (!plan) throw new Error(`limits: there is no policy ${policy}: name one of ${[...plans.keys()].join(', ')}`);
    return plan;
  }

  function decide(policy: Policy, key: string, cost: number, spends: boolean): Verdict {
    const plan = planFor(policy);
    const shares = instances();
    const emissionMs = plan.emissionMs * shares;
    const nowMs = clock.monotonicMs();
    const slot = table.find(plan.space, key, nowMs);
    const aheadMs = Math.max(table.untilMs(slot) - nowMs, 0);
    const nextMs = aheadMs + cost * emissionMs;
    const roomMs = plan.burstMs - nextMs + epsilonMs;
    if (roomMs < 0) {
      const remaining = Math.max(Math.floor((plan.burstMs - aheadMs) / emissionMs), 0);
      return { allowed: false, remaining, resetMs: aheadMs, retryAfterMs: epsilonMs - roomMs };
    }
    if (spends) {
      table.set(slot, nowMs + nextMs);
      onSpent?.(policy, key, cost * plan.emissionMs);
    }
    return { allowed: true, remaining: Math.floor(roomMs / emissionMs), resetMs: nextMs, retryAfterMs: 0 };
  }

  return {
    check: (policy, key, cost = 1) => decide(policy, key, cost, true),
    look: (policy, key) => decide(policy, key, 1, false),
    adjust(policy, key, aheadMs) {
      const nowMs = clock.monotonicMs();
      table.set(table.find(planFor(policy).space, key, nowMs), nowMs + aheadMs);
    },
    rateOf: (policy) => planFor(policy).rate,
    get sizeBytes() {
      return table.sizeBytes;
    },
    get forgotten() {
      return table.forgotten;
    },
  };
}

function planOf(rate: Rate, space: number, name: string): Plan {
  const { quota, periodSec = 1, burst = quota } = rate;
  if (!(quota > 0) || !(periodSec > 0) || !(burst >= 1)) {
    throw new Error(`limits: policy ${name} needs a quota and a period above 0 and a burst of 1 or more`);
  }
  const emissionMs = (periodSec * 1_000) / quota;
  return { rate, space, emissionMs, burstMs: burst * emissionMs };
}
