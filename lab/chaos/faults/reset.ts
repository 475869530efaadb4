import type { Fault } from './fault.ts';
import { busyWays } from './network.ts';

export const reset: Fault = {
  name: 'reset',
  class: 'network',
  does: 'breaks every open connection of one way once; new ones work',
  durationMs: [0, 0],
  targets: busyWays,
  async inject({ ways }, target) {
    const strike = () => {
      const active = ways.injectTcp(target, { kind: 'reset' });
      active.heal();
      return active.strikes();
    };
    let broken = strike();
    return {
      // Where nobody was connected just then, the next ones who are.
      effects() {
        if (broken === 0) broken = strike();
        return broken;
      },
      heal() {},
    };
  },
};
