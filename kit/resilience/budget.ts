import type { Clock } from '#kit/runtime';

/**
 * Caps retries (and hedges) at a share of the calls, so that they can't multiply the load on a dependency that is
 * already in trouble: with 3 attempts a call, an outage would otherwise triple the traffic, and over 3 layers of
 * services make it 27 times as much. The design and the defaults are Finagle's RetryBudget (2016): a token bucket whose
 * deposits expire, with a reserve for clients that call rarely.
 */
export interface RetryBudget {
  /** A first attempt is made. */
  deposit(): void;
  /** True, and the budget less, if one more attempt may be made. */
  withdraw(): boolean;
  /** Further attempts that could be made now. */
  readonly balance: number;
}

export interface RetryBudgetOptions {
  readonly clock: Clock;
  /** Retries per call. Default 0.2: at most 20 % more load. Larger recovers more calls and prolongs an overload. */
  readonly share?: number;
  /** Retries a second that are allowed on top, for clients that call rarely. Default 10. */
  readonly minPerSecond?: number;
  /** How long a call is remembered. Default 10,000 ms. */
  readonly windowMs?: number;
}

const slotCount = 10;

export function createRetryBudget(options: RetryBudgetOptions): RetryBudget {
  const { clock, share = 0.2, minPerSecond = 10, windowMs = 10_000 } = options;
  const reserve = (minPerSecond * windowMs) / 1_000;
  const slotMs = windowMs / slotCount;
  // Deposits minus withdrawals, in retries, by slot of time; both expire with their slot.
  const slots = new Float64Array(slotCount);
  let slotNow = Math.floor(clock.monotonicMs() / slotMs);
  let sum = 0;

  function turn(): number {
    const slot = Math.floor(clock.monotonicMs() / slotMs);
    if (slot !== slotNow) {
      for (let i = Math.max(slotNow + 1, slot - slotCount + 1); i <= slot; i++) slots[i % slotCount] = 0;
      slotNow = slot;
      sum = slots.reduce((total, value) => total + value, 0);
    }
    return slot % slotCount;
  }

  function add(amount: number): void {
    const slot = turn();
    slots[slot] = (slots[slot] as number) + amount;
    sum += amount;
  }

  return {
    get balance() {
      turn();
      return Math.max(0, Math.floor(reserve + sum + rounding));
    },
    deposit() {
      add(share);
    },
    withdraw() {
      turn();
      if (reserve + sum + rounding < 1) return false;
      add(-1);
      return true;
    },
  };
}

/** Five deposits of 0.2 are one retry, also in floating point. */
const rounding = 1e-9;
