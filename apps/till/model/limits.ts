import type { Offline } from '#contracts/tills';

/** What is known of the connection when somebody wants to pay. */
export interface Alone {
  /** Whether the shop answered when it was last asked. */
  readonly isOnline: boolean;
  /** Sum of the sales that have not been told. */
  readonly untoldMinor: number;
  readonly lastOnlineMs: number;
  readonly nowMs: number;
}

/** Why no sale of `totalMinor` may be made now; undefined when it may. */
export function heldBackBy(totalMinor: number, alone: Alone, bounds: Offline): 'amount' | 'age' | undefined {
  if (alone.isOnline) return undefined;
  if (alone.nowMs - alone.lastOnlineMs > bounds.ageMsMax) return 'age';
  return alone.untoldMinor + totalMinor > bounds.amountMinorMax ? 'amount' : undefined;
}

/** The latest time ever seen: a clock that is set back makes no time offline unhappen. */
export function latest(nowMs: number, seenMs: number): number {
  return Math.max(nowMs, seenMs);
}
