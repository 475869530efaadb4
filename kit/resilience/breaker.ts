import type { Clock } from '#kit/runtime';
import { breakerOpen } from './errors.ts';

/**
 * Closed: calls pass and are counted over a rolling window. When there were enough of them and too large a share
 * failed → open.
 * Open: calls are refused without being made, until `untilMs` → half-open with the next call. Sooner after `tryAgain`.
 * Half-open: one call is let through as a probe, others are refused. It succeeds → closed, with a clean window; it
 * fails → open again; it is abandoned (its caller left) → the next call is the probe.
 */
export type BreakerState =
  | { readonly kind: 'closed' }
  | { readonly kind: 'open'; readonly untilMs: number; readonly failures: number; readonly calls: number }
  | { readonly kind: 'half-open'; readonly probing: boolean };

/** How a call ended: `abandoned` says nothing about the dependency. */
export type Outcome = 'success' | 'failure' | 'abandoned';

/** Names the period in which a call was let through; what it says of an earlier period is old news. */
export type Permit = number;

export interface Breaker {
  readonly name: string;
  readonly state: BreakerState;
  /** Lets a call through, or throws the refusal. Every permit must be given back by `leave`. */
  enter(): Permit;
  leave(permit: Permit, outcome: Outcome): void;
  /** The dependency is not what it was, as by a new instance: if open, the next call probes it. */
  tryAgain(): void;
}

export interface BreakerOptions {
  readonly clock: Clock;
  /** The dependency, for errors and events. */
  readonly name: string;
  /** Share of failed calls at which it opens. Default 0.5. */
  readonly failureShareMax?: number;
  /** Calls are counted over this long. Default 10,000 ms. Shorter reacts sooner, and to noise. */
  readonly windowMs?: number;
  /** Fewer calls than this in the window never open it. Default 20. */
  readonly callsMin?: number;
  /** How long it stays open. Default 30,000 ms. */
  readonly openMs?: number;
  /** Told of each change, for logs and metrics. Must not throw. */
  readonly onChange?: (to: BreakerState, from: BreakerState) => void;
}

const closed: BreakerState = { kind: 'closed' };
/** How soon to come back while a probe is under way: it will have ended or its deadline will. */
const probeWaitMs = 1_000;

export function createBreaker(options: BreakerOptions): Breaker {
  const { clock, name, failureShareMax = 0.5, windowMs = 10_000, callsMin = 20, openMs = 30_000, onChange } = options;
  const window = createWindow(windowMs);
  let state: BreakerState = closed;
  let period = 0;

  function change(to: BreakerState): void {
    const from = state;
    state = to;
    if (to.kind === from.kind) return;
    period++;
    onChange?.(to, from);
  }

  function open(failures: number, calls: number): void {
    change({ kind: 'open', untilMs: clock.monotonicMs() + openMs, failures, calls });
  }

  function leaveClosed(outcome: Outcome): void {
    const failed = outcome === 'failure';
    window.count(clock.monotonicMs(), failed);
    if (failed && window.calls >= callsMin && window.failures >= failureShareMax * window.calls) {
      open(window.failures, window.calls);
    }
  }

  function leaveHalfOpen(outcome: Outcome): void {
    switch (outcome) {
      case 'success':
        window.clear();
        change(closed);
        break;
      case 'failure':
        open(1, 1);
        break;
      case 'abandoned':
        change({ kind: 'half-open', probing: false });
    }
  }

  return {
    name,
    get state() {
      return state;
    },
    enter() {
      if (state.kind === 'closed') return period;
      if (state.kind === 'open') {
        const leftMs = state.untilMs - clock.monotonicMs();
        if (leftMs > 0) throw breakerOpen(name, Math.ceil(leftMs));
      } else if (state.probing) {
        throw breakerOpen(name, probeWaitMs);
      }
      change({ kind: 'half-open', probing: true });
      return period;
    },
    leave(permit, outcome) {
      if (permit !== period) return;
      if (state.kind === 'half-open') leaveHalfOpen(outcome);
      else if (outcome !== 'abandoned') leaveClosed(outcome);
    },
    tryAgain() {
      if (state.kind === 'open') change({ kind: 'half-open', probing: false });
    },
  };
}

const slotCount = 10;

/** Counts over a rolling window, in ten slots that are forgotten one by one. */
function createWindow(windowMs: number) {
  const slotMs = windowMs / slotCount;
  const callsBySlot = new Uint32Array(slotCount);
  const failuresBySlot = new Uint32Array(slotCount);
  let slotNow = 0;
  let calls = 0;
  let failures = 0;

  function forget(index: number): void {
    calls -= callsBySlot[index] as number;
    failures -= failuresBySlot[index] as number;
    callsBySlot[index] = 0;
    failuresBySlot[index] = 0;
  }

  return {
    get calls() {
      return calls;
    },
    get failures() {
      return failures;
    },
    count(nowMs: number, failed: boolean): void {
      const slot = Math.floor(nowMs / slotMs);
      for (let i = Math.max(slotNow + 1, slot - slotCount + 1); i <= slot; i++) forget(i % slotCount);
      slotNow = slot;
      const index = slot % slotCount;
      callsBySlot[index] = (callsBySlot[index] as number) + 1;
      calls++;
      if (!failed) return;
      failuresBySlot[index] = (failuresBySlot[index] as number) + 1;
      failures++;
    },
    clear(): void {
      for (let i = 0; i < slotCount; i++) forget(i);
    },
  };
}
