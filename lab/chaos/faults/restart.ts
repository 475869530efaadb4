import { type Fault, processNames } from './fault.ts';
import { victimOf } from './kill.ts';

export const restart: Fault = {
  name: 'restart',
  class: 'process',
  does: 'tells a process to end what it does and go, and starts it again: no successor stands beside it meanwhile',
  durationMs: [500, 500],
  targets: processNames,
  async inject(rig, target) {
    const before = await victimOf(rig, target).alive();
    const process = rig.processes.get(target);
    // It goes on by itself, and may take as long as the slowest call.
    const gone = process?.restart().catch(() => {});
    return { effects: () => (process?.pid !== before ? 1 : 0), heal: () => gone };
  },
};
