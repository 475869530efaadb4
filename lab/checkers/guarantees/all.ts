import type { Check } from '../check.ts';
import { acceptedOrdersStay, oneOrderAKey } from './accepted.ts';
import { causesComeFirst } from './causality.ts';
import { everythingEnds } from './ends.ts';
import { eventsAppliedOnce, eventsAreRelayed, eventsMatchOrders } from './events.ts';
import { copiesConverge, viewsConverge } from './models.ts';
import { chargedOnce, paymentsMatchProvider } from './money.ts';
import { repeatsAgree } from './repeats.ts';
import { holdsAreLinearizable, registersAreLinearizable } from './searched.ts';
import { monotonicReads, ordersDoNotGoBack, readYourWrites } from './sessions.ts';
import { stockIsLinearizable } from './stock-answers.ts';
import { transactionsAreIsolated } from './transactions.ts';
import { unitsAreConserved } from './units.ts';

/** Every check there is: simulator, crash lab, fault lab and `holdfast check` run these. */
export const allChecks: readonly Check[] = [
  acceptedOrdersStay,
  oneOrderAKey,
  chargedOnce,
  paymentsMatchProvider,
  unitsAreConserved,
  stockIsLinearizable,
  holdsAreLinearizable,
  registersAreLinearizable,
  repeatsAgree,
  readYourWrites,
  monotonicReads,
  ordersDoNotGoBack,
  causesComeFirst,
  eventsMatchOrders,
  eventsAreRelayed,
  eventsAppliedOnce,
  viewsConverge,
  copiesConverge,
  transactionsAreIsolated,
  everythingEnds,
];
