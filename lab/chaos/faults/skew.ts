import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { RigProcess } from '../rig.ts';
import type { ClockError } from '../seams.ts';
import { drawBetween, drawOne, type Fault } from './fault.ts';

/** Those that read the wall clock while they work: the others would not notice. */
const readsTheClock = new Set(['orders', 'inventory', 'payments', 'payment-sandbox']);

export const skew: Fault = {
  name: 'skew',
  class: 'clock',
  does: 'sets the wall clock of a process wrong, ahead, behind or at another rate; elapsed time stays true',
  durationMs: [2_000, 6_000],
  targets: ({ processes }) =>
    processes.filter(({ services }) => services.some((service) => readsTheClock.has(service))).map(({ name }) => name),
  async inject(rig, target, random) {
    const process = rig.processes.get(target) as RigProcess;
    const error: ClockError = {
      offsetMs: drawOne(random, [-1, 1]) * drawOne(random, [80, 400, 3_000, 60_000, 3_600_000]),
      rate: drawOne(random, [1, 1, 1, 0.9, 1.5]),
      sinceMs: rig.world.clock.now() - drawBetween(random, 0, 1_000),
    };
    const before = readings(process);
    writeFileSync(process.clockFile, JSON.stringify(error));
    return {
      detail: `${error.offsetMs > 0 ? '+' : ''}${error.offsetMs / 1_000} s, rate ${error.rate}`,
      effects: () => Math.max(0, readings(process) - before),
      heal: () => rmSync(process.clockFile, { force: true }),
    };
  },
};

function readings({ readingsFile }: RigProcess): number {
  try {
    return Number(readFileSync(readingsFile, 'utf8')) || 0;
  } catch {
    return 0;
  }
}
