import { allChecks, causesComeFirst, copiesConverge, everythingEnds } from '#lab/checkers';
import type { Check } from './check.ts';
import type { Facts } from './facts.ts';
import { lettersMatchEvents } from './letters-check.ts';
import type { Plan } from './plan.ts';

/** Those that every laboratory shares, and that of a service which only the simulator runs. */
export const checks: readonly Check[] = [...allChecks, lettersMatchEvents];

/** As `createHybridClock` has it by default. */
const skewMsMax = 500;

/**
 * The checks that a run has to pass. Logical time promises order among clocks that are off by no more than its bound:
 * beyond it messages are refused, but nothing refuses a row that another instance of the same service has stamped
 * (seed 44: an instance two seconds ahead takes an order and dies, and who takes it over stamps the next event earlier).
 */
export function checksOf({ nemesis }: Pick<Plan, 'nemesis'>): readonly Check[] {
  const isBeyondBound = nemesis.some(
    (event) => event.kind === 'clock-step' && !event.node.startsWith('db-') && Math.abs(event.byMs) > skewMsMax,
  );
  return isBeyondBound ? checks.filter((check) => check !== causesComeFirst) : checks;
}

/** Whether a run may end: nothing is on its way any more. */
export function isQuiet(facts: Facts): boolean {
  for (const check of [everythingEnds, copiesConverge, lettersMatchEvents]) {
    for (const _ of check.find(facts)) return false;
  }
  if (facts.outbox.length > 0) return false;
  const { applied = [], deadLetters = [] } = facts;
  return !facts.followers.reader || applied.length + deadLetters.length >= facts.log.length;
}
