import type { Clock } from '#kit/runtime';
import { ClockSkewError } from './errors.ts';
import {
  compareTimestamps,
  counterMax,
  formatTimestamp,
  type HybridTimestamp,
  parseTimestamp,
  wallMsMax,
} from './timestamp.ts';

/** Something is wrong with a clock, ours or a peer's: worth a metric, a log line and a look at the time daemon. */
export type ClockAlarm =
  /** A peer's timestamp was further ahead of our clock than the bound, and was refused. */
  | { readonly kind: 'remote-ahead'; readonly aheadMs: number; readonly remote: HybridTimestamp }
  /** Our wall clock moved by `byMs` (may be negative) against the monotonic clock: it was set, or the machine slept. */
  | { readonly kind: 'local-jump'; readonly byMs: number }
  /** What we had stamped was ahead of our wall clock, which peers agree with: we go on at that (`createRejoiningClock`). */
  | { readonly kind: 'rejoined'; readonly leadMs: number };

export interface HybridClockOptions {
  readonly clock: Clock;
  /**
   * How far a peer's timestamp may be ahead of our clock, or of what that had come to before it was set back. Default
   * 500 ms: machines that run a time daemon are within tens of milliseconds of each other, CockroachDB takes the same
   * figure for its maximum offset, and an ordering that is half a second ahead of wall time surprises nobody who reads
   * it. Smaller finds broken clocks sooner and refuses healthy peers during a leap smear or a slow start of the daemon;
   * larger lets one broken clock drag the timestamps of all others ahead by that much.
   */
  readonly skewMsMax?: number;
  /** Told of every refused timestamp and every jump beyond `skewMsMax`. Must not throw. */
  readonly onAlarm?: (alarm: ClockAlarm) => void;
  /** Highest timestamp known from before a restart; the clock starts after it. */
  readonly start?: HybridTimestamp;
}

/**
 * A hybrid logical clock (Kulkarni, Demirbas, Madappa, Avva, Leone: "Logical Physical Clocks", OPODIS 2014, figure 5).
 * If one event can have caused another, its timestamp is less, whatever the machines' clocks say; and timestamps stay
 * within `skewMsMax` of physical time while that is not set back, so that they also mean something to people.
 */
export interface HybridClock {
  /** The timestamp of the latest event. */
  readonly latest: HybridTimestamp;
  /** A new event here, or a message about to be sent: greater than everything seen so far. */
  tick(): HybridTimestamp;
  /**
   * The event of receiving a message stamped `remote`: greater than both. Throws `ClockSkewError`, and doesn't move,
   * when `remote` is further ahead than the bound.
   */
  receive(remote: HybridTimestamp): HybridTimestamp;
  /**
   * A new event that follows from a committed fact, stamped `cause` by whoever wrote it: greater than that and than
   * everything seen so far. What was committed can't be refused any more, so when `cause` is further ahead than the bound
   * the event comes right after it, and the clock doesn't follow: one wrong clock is not to make others wrong.
   */
  tickAfter(cause: HybridTimestamp): HybridTimestamp;
}

export function createHybridClock(options: HybridClockOptions): HybridClock {
  const { clock, skewMsMax = 500, onAlarm } = options;
  let latest: HybridTimestamp = options.start ?? { wallMs: 0, counter: 0 };
  let readMs = clock.now();
  let readAtMs = clock.monotonicMs();
  /** Wall minus monotonic time: constant unless the wall clock is set. */
  let driftMs = readMs - readAtMs;
  /** The latest that our wall clock has shown, or would have, had it not been set back. */
  let reachedMs = readMs;

  function physicalMs(): number {
    const nowMs = clock.now();
    const atMs = clock.monotonicMs();
    reachedMs = Math.max(reachedMs, nowMs, readMs + atMs - readAtMs);
    readMs = nowMs;
    readAtMs = atMs;
    const jumpMs = nowMs - atMs - driftMs;
    if (jumpMs > skewMsMax || jumpMs < -skewMsMax) {
      driftMs += jumpMs;
      onAlarm?.({ kind: 'local-jump', byMs: Math.round(jumpMs) });
    }
    return nowMs;
  }

  function receive(remote: HybridTimestamp): HybridTimestamp {
    const nowMs = physicalMs();
    // Not against `nowMs`: when the clock of a machine is set back, its processes go on at what it had come to, and
    // would refuse one another, and even themselves, for as long as it was set back by. Written so that NaN is refused too.
    if (!(remote.wallMs <= reachedMs + skewMsMax) || !isWithinBounds(remote)) {
      const aheadMs = remote.wallMs - nowMs;
      onAlarm?.({ kind: 'remote-ahead', aheadMs, remote });
      throw new ClockSkewError(aheadMs, skewMsMax);
    }
    const newest = compareTimestamps(remote, latest) > 0 ? remote : latest;
    latest = nowMs > newest.wallMs ? { wallMs: nowMs, counter: 0 } : successor(newest);
    return latest;
  }

  return {
    get latest() {
      return latest;
    },
    tick() {
      const nowMs = physicalMs();
      latest = nowMs > latest.wallMs ? { wallMs: nowMs, counter: 0 } : successor(latest);
      return latest;
    },
    receive,
    tickAfter(cause) {
      try {
        return receive(cause);
      } catch {
        return successor(compareTimestamps(cause, latest) > 0 ? cause : latest);
      }
    },
  };
}

/**
 * The paper leaves the counter unbounded; ours has 16 bits and carries into the milliseconds, which keeps the order
 * and moves the clock ahead by one millisecond for every 65,536 events it can't tell apart by time.
 */
function successor({ wallMs, counter }: HybridTimestamp): HybridTimestamp {
  return counter < counterMax ? { wallMs, counter: counter + 1 } : { wallMs: wallMs + 1, counter: 0 };
}

function isWithinBounds({ wallMs, counter }: HybridTimestamp): boolean {
  return wallMs >= 0 && wallMs <= wallMsMax && counter >= 0 && counter <= counterMax;
}

/** A hybrid clock as the text that travels in headers and stands in rows. */
export interface TextClock {
  /** A new event; with `cause`, the stamp of a committed fact, one that follows from it (`tickAfter`). */
  tick(cause?: string): string;
  /** Throws `ClockFormatError` on other text, `ClockSkewError` when it is too far ahead. */
  receive(remote: string): string;
}

export function createTextClock(clock: HybridClock): TextClock {
  return {
    tick: (cause) => formatTimestamp(cause === undefined ? clock.tick() : clock.tickAfter(parseTimestamp(cause))),
    receive: (remote) => formatTimestamp(clock.receive(parseTimestamp(remote))),
  };
}
