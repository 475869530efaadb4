import type { Offline } from '#contracts/tills';

/** What is known of the connection when somebody wants to pay. */
export interface Alone {
  /** Whether the shop answered when it was last asked. */
  readonly isOnline: boolean;
  /** Sum of the sales that have not been told. */
  readonly untoldMinor: number;
  /** How long the shop has not been reached. */
  readonly aloneMs: number;
}

/** Why no sale of `totalMinor` may be made now; undefined when it may. */
export function heldBackBy(totalMinor: number, alone: Alone, bounds: Offline): 'amount' | 'age' | undefined {
  if (alone.isOnline) return undefined;
  if (alone.aloneMs > bounds.ageMsMax) return 'age';
  return alone.untoldMinor + totalMinor > bounds.amountMinorMax ? 'amount' : undefined;
}

/**
 * Time that has passed, by whichever clock says more: the wall clock sees a device sleep or switched off, the monotonic one
 * sees the wall clock set back.
 */
export function passedMs(wallMs: number, wallBeforeMs: number, monotonicMs: number): number {
  return Math.max(0, wallMs - wallBeforeMs, monotonicMs);
}
