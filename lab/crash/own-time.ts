import type { Clock, Timers } from '#kit/runtime';

export interface OwnTime {
  /** How long this process has run, from an arbitrary beginning. */
  ranMs(): number;
  /** How long it stood still meanwhile. */
  stoodStillMs(): number;
  stop(): void;
}

const lookEveryMs = 100;
/** Busy machines make a process as late as this. Whoever is later did not run. */
const lateMsMax = 2_000;

/**
 * Time by which a laboratory that waits for others may lose its patience: without that in which it stood still itself. Whoever
 * stops all of it (SIGSTOP, a machine that has no time for it) has stopped those, too, that it waits for.
 */
export function createOwnTime({ clock, timers }: { readonly clock: Clock; readonly timers: Timers }): OwnTime {
  let lastMs = clock.monotonicMs();
  let stoodStillMs = 0;

  function look(): void {
    const nowMs = clock.monotonicMs();
    if (nowMs - lastMs > lateMsMax) stoodStillMs += nowMs - lastMs - lookEveryMs;
    lastMs = nowMs;
  }

  const cancel = timers.every(lookEveryMs, look);
  return {
    ranMs() {
      look();
      return lastMs - stoodStillMs;
    },
    stoodStillMs() {
      look();
      return stoodStillMs;
    },
    stop: cancel,
  };
}
