import type { Deadline } from './deadline.ts';
import { bulkheadFull } from './errors.ts';

/** Keeps one slow dependency from taking all there is: so many calls at a time, so many waiting, the rest refused. */
export interface Bulkhead {
  readonly name: string;
  /** Calls under way. */
  readonly active: number;
  /** Calls waiting for a place. */
  readonly queued: number;
  /** True when `enter` would take a place at once. */
  readonly free: boolean;
  /**
   * Takes a place: undefined at once if one is free, else a promise of one, which rejects with the deadline's reason.
   * Throws the refusal when too many wait already. Every place must be given back by `leave`.
   */
  enter(deadline: Deadline): Promise<void> | undefined;
  /** Gives the place back, to whoever has waited longest. `heldMs` is how long it was used, for the retry hint. */
  leave(heldMs: number): void;
}

export interface BulkheadOptions {
  /** The dependency, for errors and events. */
  readonly name: string;
  /** Calls at a time. Default 64. More lets a slow dependency take more memory and sockets; fewer adds waiting. */
  readonly concurrencyMax?: number;
  /** Calls that may wait. Default 256; 0 refuses at once. More waiting turns overload into time-outs. */
  readonly queueMax?: number;
}

/** Weight of the latest call in the moving average of service time. */
const averageWeight = 0.1;
const hintMsMin = 10;

export function createBulkhead({ name, concurrencyMax = 64, queueMax = 256 }: BulkheadOptions): Bulkhead {
  // A Set keeps the order of insertion and forgets from the middle in constant time.
  const waiting = new Set<() => void>();
  let active = 0;
  let averageMs = hintMsMin;

  /** When those ahead will have been served, at the present pace. */
  const hintMs = () => Math.max(hintMsMin, Math.ceil(((waiting.size + 1) * averageMs) / concurrencyMax));

  function wait(deadline: Deadline): Promise<void> {
    return new Promise((resolve, reject) => {
      const admit = () => {
        leaveDeadline();
        resolve();
      };
      waiting.add(admit);
      const leaveDeadline = deadline.onOver((reason) => {
        waiting.delete(admit);
        reject(reason);
      });
    });
  }

  return {
    name,
    get active() {
      return active;
    },
    get queued() {
      return waiting.size;
    },
    get free() {
      return active < concurrencyMax;
    },
    enter(deadline) {
      if (active < concurrencyMax) {
        active++;
        return undefined;
      }
      if (waiting.size >= queueMax) throw bulkheadFull(name, active, waiting.size, hintMs());
      return wait(deadline);
    },
    leave(heldMs) {
      averageMs += averageWeight * (heldMs - averageMs);
      for (const admit of waiting) {
        // The place changes hands without becoming free, so that no newcomer slips in.
        waiting.delete(admit);
        admit();
        return;
      }
      active--;
    },
  };
}
