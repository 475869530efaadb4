import { allChecks, copiesConverge, everythingEnds } from '#lab/checkers';
import type { Check } from './check.ts';
import { auditTellsAll, revokedKeysStayOut, secretsAreInNoTable } from './door/books-checks.ts';
import {
  changesOfProductsStay,
  ordersCostWhatGoodsCost,
  ordersHaveTheirOwners,
  refreshTokensWorkOnce,
} from './door/checks.ts';
import { cartsLoseNothing, knowledgeIsAsOld, tillsCountOnce } from './errand-checks.ts';
import type { Facts } from './fact-rows.ts';
import { lettersMatchEvents } from './letters-check.ts';
import { deliveriesEnd, eventsReachEndpoints } from './webhooks/check.ts';

/** Those that every laboratory shares, and those of services which only the simulator runs. */
export const checks: readonly Check[] = [
  ...allChecks,
  lettersMatchEvents,
  cartsLoseNothing,
  tillsCountOnce,
  knowledgeIsAsOld,
  ordersHaveTheirOwners,
  refreshTokensWorkOnce,
  changesOfProductsStay,
  ordersCostWhatGoodsCost,
  auditTellsAll,
  revokedKeysStayOut,
  secretsAreInNoTable,
  eventsReachEndpoints,
  deliveriesEnd,
];

/** What takes its time, and is well in the end. */
const untilThen: readonly Check[] = [
  ...[everythingEnds, copiesConverge, lettersMatchEvents, cartsLoseNothing, tillsCountOnce],
  ...[eventsReachEndpoints, deliveriesEnd, auditTellsAll],
];

/** Whether a run may end: nothing is on its way any more. */
export function isQuiet(facts: Facts): boolean {
  for (const check of untilThen) {
    for (const _ of check.find(facts)) return false;
  }
  if (facts.outbox.length > 0 || facts.waiting > 0) return false;
  const { applied = [], deadLetters = [] } = facts;
  return !facts.followers.reader || applied.length + deadLetters.length >= facts.log.length;
}
