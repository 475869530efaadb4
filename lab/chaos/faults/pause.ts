import { signal, stateOf } from '../os.ts';
import { type Fault, processNames } from './fault.ts';
import { victimOf } from './kill.ts';

export const pause: Fault = {
  name: 'pause',
  class: 'process',
  does: 'stops a process in its tracks with SIGSTOP and lets it go on: it never notices that others took over',
  durationMs: [1_500, 6_000],
  targets: processNames,
  async inject(rig, target) {
    const pid = await victimOf(rig, target).alive();
    signal(pid, 'SIGSTOP');
    let seen = 0;
    return {
      effects: () => {
        if (seen === 0 && stateOf(pid) === 'T') seen = 1;
        return seen;
      },
      heal: () => void signal(pid, 'SIGCONT'),
    };
  },
};
