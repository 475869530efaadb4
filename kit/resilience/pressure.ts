import type { Cancel, Clock, Random, Timers } from '#kit/runtime';
import type { Priority } from './limit.ts';

/**
 * How much a process has to refuse so that it keeps up with the rest. What it looks at is how late its own timers are:
 * that is how long everything waits for its turn, and it rises with nothing but too much work. A slow database or a slow
 * neighbour does not move it, so their bad day is not answered by refusing what could be done (`createAdaptiveLimit`, one
 * for each service, sees to those).
 *
 * Queueing time as the sign of overload, and refusing by priority in small steps until it is back, is DAGOR's way (Zhou et
 * al., "Overload Control for Scaling WeChat Microservices", SoCC 2018). The level rises by the share that is too much and
 * falls slowly:
 *
 *     0 ─────── 1 ─────── 2 ─────── 3
 *       a share    all low,   all low and normal,
 *       of low     a share    a share of critical
 *                  of normal
 */
export interface Pressure {
  /** 0: everything is taken; 3: nothing. */
  readonly level: number;
  /** Whether there is time for one more request. */
  admits(priority: Priority): boolean;
  start(): void;
  stop(): void;
}

export interface PressureOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Timers may be this late. Default 60 ms. Less keeps answers quicker and refuses bursts that would have been served. */
  readonly lateMsMax?: number;
  /** The level is looked at so often. Default 100 ms. */
  readonly everyMs?: number;
}

const levelMax = 3;
/** In one step it rises by no more, so that a pause (a garbage collection, a stopped machine) refuses little. */
const riseMax = 0.25;
const fall = 0.05;
/** Beyond two, checkouts are refused: the level rises there only while timers are this many times too late. */
const criticalLateTimes = 8;
const ranks: Readonly<Record<Priority, number>> = { low: 0, normal: 1, critical: 2 };

export function createPressure(options: PressureOptions): Pressure {
  const { clock, timers, random, lateMsMax = 60, everyMs = 100 } = options;
  let level = 0;
  let cancel: Cancel = () => {};

  function look(lateMs: number): void {
    if (lateMs <= lateMsMax) level = Math.max(0, level - fall);
    else if (level < 2 || lateMs > criticalLateTimes * lateMsMax) {
      const rise = Math.min(riseMax, 0.1 * (lateMs / lateMsMax - 1) + fall);
      level = Math.min(levelMax, level + rise);
    }
  }

  return {
    get level() {
      return level;
    },
    admits(priority) {
      if (level === 0) return true;
      return random.next() >= level - ranks[priority];
    },
    start() {
      let dueMs = clock.monotonicMs() + everyMs;
      const beat = () => {
        const nowMs = clock.monotonicMs();
        look(nowMs - dueMs);
        dueMs = nowMs + everyMs;
        cancel = timers.after(everyMs, beat);
      };
      cancel = timers.after(everyMs, beat);
    },
    stop: () => cancel(),
  };
}
