import { certificateLifetimeMs } from '../credentials.ts';
import type { Fault } from './fault.ts';
import { connectAnew, meshTargets, shownUntilMs } from './mesh.ts';

const lookEveryMs = 500;

export const expiredIdentity: Fault = {
  name: 'expired-identity',
  class: 'process',
  does: 'lets the certificate of a process expire: the authority signs no other one until healed, and nobody talks to it',
  // It was renewed after half of its lifetime at the latest, and then has to be expired for a while.
  durationMs: [certificateLifetimeMs * 0.7, certificateLifetimeMs],
  targets: meshTargets,
  async inject(rig, target) {
    const { clock, timers } = rig.world;
    const refusal = rig.authority.refuse(target);
    let isExpired = false;
    let isKeptOut = false;
    const look = async () => {
      // Killed by another fault meanwhile, it can't even start.
      isKeptOut ||= refusal.strikes() > 0 && rig.processes.get(target)?.down() !== undefined;
      const untilMs = await shownUntilMs(rig, target);
      if (isExpired || untilMs === undefined || untilMs > clock.now()) return;
      isExpired = true;
      // What was connected before would go on for a time.
      connectAnew(rig, target);
    };
    const stop = timers.every(lookEveryMs, look);
    return {
      effects: () => (isExpired || isKeptOut ? 1 : 0),
      heal() {
        stop();
        refusal.heal();
      },
    };
  },
};
