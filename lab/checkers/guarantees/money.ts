import { doubleCharges, type Movement, moneyByOrder, type OrderMoney } from '#services/payments/sandbox';
import { defineCheck } from '../check.ts';
import type { Evidence } from '../history/evidence.ts';
import type { Row } from '../history/sections.ts';
import { leftToPeople, openStates, paidStates } from './people.ts';

/** Charged once, and exactly when the order stands: by the provider's own books. Nothing is kept for nothing. */
export const chargedOnce = defineCheck({
  name: 'nobody is charged twice, and charged means confirmed',
  needs: ['ledger'],
  size: ({ ledger }) => ledger.length,
  *find(evidence) {
    // The provider's movements carry more than is needed here.
    const movements = evidence.ledger as readonly Movement[];
    for (const { orderId, charged } of doubleCharges(movements)) yield `${orderId} was charged ${charged.size} times`;
    if (evidence.orders) yield* chargesFit(evidence, evidence.orders, moneyByOrder(movements));
  },
});

function* chargesFit(
  evidence: Evidence,
  orders: readonly Row<'orders'>[],
  money: ReadonlyMap<string, OrderMoney>,
): Iterable<string> {
  const known = new Set(orders.map(({ id }) => id));
  for (const [orderId, sums] of money) {
    if (!known.has(orderId)) yield* moneyKept(orderId, sums, 'which does not exist');
  }
  const left = leftToPeople(evidence);
  for (const order of orders) {
    if (left.has(order.id)) continue;
    const sums = money.get(order.id);
    if (paidStates.has(order.state)) yield* paidInFull(order, sums);
    else if (sums && !openStates.has(order.state) && order.state !== 'cancelling') {
      yield* moneyKept(order.id, sums, `which is ${order.state}`);
    }
  }
}

function* moneyKept(orderId: string, { netMinor, heldMinor }: OrderMoney, why: string): Iterable<string> {
  if (netMinor !== 0) yield `${netMinor} kept of ${orderId}, ${why}`;
  if (heldMinor !== 0) yield `${heldMinor} still set aside for ${orderId}, ${why}`;
}

function* paidInFull(order: Row<'orders'>, sums: OrderMoney | undefined): Iterable<string> {
  const wanted = order.totalMinor - order.refundedMinor;
  const net = sums?.netMinor ?? 0;
  if (net !== wanted) yield `${order.id} is ${order.state}: ${wanted} to be kept, the provider has ${net}`;
  if (sums && sums.heldMinor !== 0) yield `${order.id} is ${order.state} and ${sums.heldMinor} is still set aside`;
}

/** Money is conserved between the shop's books and the provider's. */
export const paymentsMatchProvider = defineCheck({
  name: 'payments agree with the provider',
  needs: ['payments', 'ledger'],
  size: ({ payments }) => payments.length,
  *find(evidence) {
    const money = moneyByOrder(evidence.ledger as readonly Movement[]);
    const left = leftToPeople(evidence);
    const booked = new Map(evidence.payments.map((row) => [row.orderId, row.capturedMinor - row.refundedMinor]));
    for (const orderId of new Set([...booked.keys(), ...money.keys()])) {
      const [ours = 0, theirs = 0] = [booked.get(orderId), money.get(orderId)?.netMinor];
      if (ours !== theirs && !left.has(orderId)) yield `${orderId}: payments says ${ours}, the provider ${theirs}`;
    }
  },
});
