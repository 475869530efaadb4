import type { Random } from '#kit/runtime';
import type { BoundedFault } from '../provider-control.ts';
import type { Fault } from './fault.ts';

/** What the faults of the payment provider have in common: it is told to misbehave, and counts how often it did. */
export const provider = 'payment-sandbox';

/** So many calls are struck at most. */
const callsMax = 1_000_000;

export function providerFault(
  about: Pick<Fault, 'name' | 'does' | 'durationMs'>,
  draw: (random: Random) => readonly [(next: number) => BoundedFault, string],
): Fault {
  return {
    ...about,
    class: 'dependency',
    targets: () => [provider],
    async inject(rig, _target, random) {
      const [make, detail] = draw(random);
      const injected = await rig.provider.inject(make(callsMax));
      return { detail, effects: () => injected.strikes(), heal: () => injected.heal() };
    },
  };
}
