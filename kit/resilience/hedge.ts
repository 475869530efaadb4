import type { Timers } from '#kit/runtime';
import type { Deadline } from './deadline.ts';

/** Reason with which the slower of two tries is aborted. */
export class HedgeLost extends Error {
  override readonly name = 'HedgeLost';
}

const lost = new HedgeLost('another try has answered first');

export interface HedgeOptions<T> {
  readonly timers: Timers;
  readonly deadline: Deadline;
  /** How long the first try has before it gets company. */
  readonly afterMs: number;
  /** One try, which stops when its own deadline is over. */
  readonly attempt: (deadline: Deadline) => Promise<T>;
  /** Asked once, when the time has come: is there room and budget for a second try? */
  readonly mayHedge: () => boolean;
  /** The second try answered first. */
  readonly onHedgeWon: () => void;
}

/**
 * The first answer of one try or two; the other is aborted. Rejects when every try that was started has failed: a first
 * try that fails before the second has started is not hedged, because failures are for retries to deal with.
 */
export function firstAnswer<T>(options: HedgeOptions<T>): Promise<T> {
  const { timers, deadline, afterMs, attempt, mayHedge, onHedgeWon } = options;
  return new Promise<T>((resolve, reject) => {
    const tries: Deadline[] = [];
    let failed = 0;
    let settled = false;

    function settle(winner?: Deadline): void {
      settled = true;
      stopTimer();
      for (const one of tries) {
        if (one !== winner) one.cancel(lost);
        one.end();
      }
    }

    function start(): void {
      const own = deadline.shorten(Number.POSITIVE_INFINITY);
      const isHedge = tries.push(own) > 1;
      attempt(own).then(
        (value) => {
          if (settled) return;
          settle(own);
          if (isHedge) onHedgeWon();
          resolve(value);
        },
        (error) => {
          failed++;
          if (settled || failed < tries.length) return;
          settle();
          reject(error);
        },
      );
    }

    const stopTimer = timers.after(afterMs, () => {
      if (mayHedge()) start();
    });
    start();
  });
}
