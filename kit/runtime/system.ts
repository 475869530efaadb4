import { createIds } from './ids.ts';
import { originals } from './originals.ts';
import type { Cancel, Clock, Logger, Random, Timers, World } from './ports.ts';

const { setTimeout, clearTimeout, setImmediate } = originals;

export const systemClock: Clock = {
  now: () => originals.now(),
  monotonicMs: originals.monotonicMs,
};

export const systemRandom: Random = {
  next: originals.random,
  bytes: (size) => originals.fill(new Uint8Array(size)),
};

/** Longest delay that Node takes; anything longer would fire at once. */
const delayMsMax = 2 ** 31 - 1;

export const systemTimers: Timers = {
  after(delayMs, task) {
    // What is due already, as what is left of a deadline may be, is due next; Node would warn of a delay below zero.
    const timer = setTimeout(task, Math.min(Math.max(delayMs, 0), delayMsMax));
    return () => clearTimeout(timer);
  },
  every(periodMs, task) {
    let timer: NodeJS.Timeout | undefined;
    let stopped = false;
    const schedule = () => {
      timer = setTimeout(async () => {
        try {
          await task();
        } finally {
          if (!stopped) schedule();
        }
      }, periodMs);
    };
    schedule();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  },
  sleep(delayMs, signal) {
    return sleepOn(systemTimers, delayMs, signal);
  },
  soon(task) {
    setImmediate(task);
  },
};

/** `Timers.sleep` in terms of `Timers.after`, for every implementation of the port. */
export function sleepOn(timers: Pick<Timers, 'after'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    let cancel: Cancel = () => {};
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    cancel = timers.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** The real world, for production. */
export function systemWorld(log: Logger): World {
  return {
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    ids: createIds(systemClock, systemRandom),
    log,
  };
}
