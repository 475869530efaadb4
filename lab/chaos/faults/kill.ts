import { endProcess } from '../os.ts';
import type { Rig, RigProcess } from '../rig.ts';
import { type Fault, processNames } from './fault.ts';

export const kill: Fault = {
  name: 'kill',
  class: 'process',
  does: 'ends a process with SIGKILL in the middle of whatever it does; its supervisor starts it again',
  durationMs: [500, 500],
  targets: processNames,
  async inject(rig, target) {
    const victim = victimOf(rig, target);
    const before = victim.restarts;
    endProcess(await victim.alive());
    return { effects: () => victim.restarts - before, heal() {} };
  },
};

export interface Victim {
  readonly restarts: number;
  /** The pid, once there is one: it may just be waiting for its next start. */
  alive(): Promise<number>;
}

const aliveWithinMs = 10_000;
const lookEveryMs = 20;

export function victimOf({ processes, world }: Rig, name: string): Victim {
  const process = processes.get(name) as RigProcess;
  return {
    get restarts() {
      return process.restarts;
    },
    async alive() {
      for (let waitedMs = 0; waitedMs < aliveWithinMs; waitedMs += lookEveryMs) {
        if (process.pid !== undefined) return process.pid;
        await world.timers.sleep(lookEveryMs);
      }
      throw new Error(`${name} was not running for ${aliveWithinMs} ms`);
    },
  };
}
