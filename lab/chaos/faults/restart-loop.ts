import { endProcess } from '../os.ts';
import { drawBetween, type Fault, processNames } from './fault.ts';
import { victimOf } from './kill.ts';

export const restartLoop: Fault = {
  name: 'restart-loop',
  class: 'process',
  does: 'ends a process with SIGKILL again and again, whenever it has been up for a moment',
  durationMs: [3_000, 8_000],
  targets: processNames,
  async inject(rig, target, random) {
    const process = rig.processes.get(target);
    const victim = victimOf(rig, target);
    const before = victim.restarts;
    const lifeMs = drawBetween(random, 50, 1_500);
    const stop = rig.world.timers.every(lifeMs, () => void endProcess(process?.pid));
    return { detail: `${lifeMs} ms of life`, effects: () => victim.restarts - before, heal: stop };
  },
};
