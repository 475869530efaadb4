import { rmSync, writeFileSync } from 'node:fs';
import type { RigProcess } from '../rig.ts';
import { type ClockError, readingOf } from '../seams.ts';
import { drawBetween, drawOne, type Fault, type Shape } from './fault.ts';

/** Those that read the wall clock while they work: the others would not notice. */
const readsTheClock = new Set(['orders', 'inventory', 'payments', 'payment-sandbox']);

export const skew: Fault = {
  name: 'skew',
  class: 'clock',
  does: 'sets the wall clock of a process wrong, ahead, behind or at another rate; elapsed time stays true',
  durationMs: [2_000, 6_000],
  targets: clockTargets,
  async inject(rig, target, random) {
    const process = rig.processes.get(target) as RigProcess;
    const error: ClockError = {
      offsetMs: drawOne(random, [-1, 1]) * drawOne(random, [80, 400, 3_000, 60_000, 3_600_000]),
      rate: drawOne(random, [1, 1, 1, 0.9, 1.5]),
      sinceMs: rig.world.clock.now() - drawBetween(random, 0, 1_000),
    };
    const before = readingOf(process.readingsFile)?.wrong ?? 0;
    writeFileSync(process.clockFile, JSON.stringify(error));
    return {
      detail: `${error.offsetMs > 0 ? '+' : ''}${error.offsetMs / 1_000} s, rate ${error.rate}`,
      effects: () => Math.max(0, (readingOf(process.readingsFile)?.wrong ?? 0) - before),
      heal: () => rmSync(process.clockFile, { force: true }),
    };
  },
};

/** Processes to whom the time matters while they work. */
export function clockTargets({ processes }: Shape): string[] {
  return processes.filter(({ services }) => services.some((each) => readsTheClock.has(each))).map(({ name }) => name);
}
