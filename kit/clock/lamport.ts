import { ClockFormatError } from './errors.ts';

/** Far beyond what counting can reach, far below where adding 1 loses precision. */
const valueMax = 2 ** 52;

/**
 * A Lamport clock (Lamport: "Time, Clocks, and the Ordering of Events in a Distributed System", CACM 1978): a number
 * that is less for a cause than for its effect. It says nothing about wall time; use it where only the order matters,
 * for instance the step number of a hop.
 */
export interface LamportClock {
  /** The number of the latest event. */
  readonly latest: number;
  /** A new event here, or a message about to be sent. */
  tick(): number;
  /** The event of receiving a message numbered `remote`. Throws `ClockFormatError`, and doesn't move, on nonsense. */
  receive(remote: number): number;
}

/** `start` is the highest number known from before a restart. */
export function createLamportClock({ start = 0 }: { readonly start?: number } = {}): LamportClock {
  let latest = start;
  return {
    get latest() {
      return latest;
    },
    tick() {
      latest++;
      return latest;
    },
    receive(remote) {
      if (!Number.isSafeInteger(remote) || remote < 0 || remote > valueMax)
        throw new ClockFormatError(remote, `whole number from 0 to ${valueMax}`);
      latest = Math.max(latest, remote) + 1;
      return latest;
    },
  };
}
