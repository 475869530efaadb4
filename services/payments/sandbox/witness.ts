import type { Movement } from './ledger-types.ts';

/** What the provider did for one order, summed from its movements. */
export interface OrderMoney {
  readonly orderId: string;
  readonly intents: ReadonlySet<string>;
  /** Intents that took money. More than one is a double charge unless the surplus was refunded in full. */
  readonly charged: ReadonlySet<string>;
  readonly currency: string;
  readonly authorizedMinor: number;
  readonly capturedMinor: number;
  /** Given back without having been taken: voided authorizations and released rests. */
  readonly releasedMinor: number;
  readonly refundedMinor: number;
  /** Still set aside on the card. */
  readonly heldMinor: number;
  /** Taken and kept. */
  readonly netMinor: number;
}

interface Sums {
  intents: Set<string>;
  charged: Set<string>;
  currency: string;
  authorizedMinor: number;
  capturedMinor: number;
  releasedMinor: number;
  refundedMinor: number;
}

/** Sums movements by order. Movements without an order are left out: they are not the shop's. */
export function moneyByOrder(movements: Iterable<Movement>): Map<string, OrderMoney> {
  const sums = new Map<string, Sums>();
  for (const movement of movements) {
    if (movement.orderId !== undefined) add(sumsOf(sums, movement.orderId, movement.currency), movement);
  }
  const result = new Map<string, OrderMoney>();
  for (const [orderId, sum] of sums) {
    const heldMinor = sum.authorizedMinor - sum.capturedMinor - sum.releasedMinor;
    result.set(orderId, { orderId, ...sum, heldMinor, netMinor: sum.capturedMinor - sum.refundedMinor });
  }
  return result;
}

function sumsOf(sums: Map<string, Sums>, orderId: string, currency: string): Sums {
  let found = sums.get(orderId);
  if (!found) {
    found = {
      intents: new Set(),
      charged: new Set(),
      currency,
      authorizedMinor: 0,
      capturedMinor: 0,
      releasedMinor: 0,
      refundedMinor: 0,
    };
    sums.set(orderId, found);
  }
  return found;
}

function add(sum: Sums, { kind, intentId, amountMinor }: Movement): void {
  sum.intents.add(intentId);
  switch (kind) {
    case 'authorized':
      sum.authorizedMinor += amountMinor;
      break;
    case 'captured':
      sum.capturedMinor += amountMinor;
      sum.charged.add(intentId);
      break;
    case 'released':
    case 'voided':
      sum.releasedMinor += amountMinor;
      break;
    case 'refunded':
      sum.refundedMinor += amountMinor;
      break;
  }
}

/** Orders for which more than one intent took money: the promise «nobody is charged twice», broken. */
export function doubleCharges(movements: Iterable<Movement>): OrderMoney[] {
  return [...moneyByOrder(movements).values()].filter((money) => money.charged.size > 1);
}
