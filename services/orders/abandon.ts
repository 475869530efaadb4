import { leftOf, toSend } from '#contracts/order-goods';
import { ordersProblems } from '#contracts/orders';
import { completeKeys } from '#kit/idempotency';
import type { Transaction } from '#kit/runtime';
import type { SagaDefinition, SagaRecord } from '#kit/saga';
import { eventDraft, type Publishing } from './commands.ts';
import { type Change, changeOf, eventOf, finishChange, type OrderRecord } from './model.ts';
import { type ChangeOrderInput, causeOf, type PlaceOrderInput } from './sagas.ts';
import { lockOrders, updateOrders } from './store.ts';
import { viewOf } from './view.ts';

/**
 * Ends a change that people gave up at the step that was refused: what came before it has happened and stands; it and what
 * comes after it never will, so what they would have taken is free again. A return whose goods are back so ends without
 * money. Throws where too much has happened for an end other than the intended one.
 */
export function abandonChange(
  order: OrderRecord,
  change: { readonly kind: Change['kind']; readonly changeId: string },
  step: string,
): OrderRecord {
  switch (`${change.kind} at ${step}`) {
    case 'cancel at give-money-back':
      return { ...order, state: 'confirmed', cancellation: null };
    case 'refund at refund':
      return refuseRefund(order, change.changeId);
    case 'return at restock':
      return refuseReturn(order, change.changeId);
    case 'return at refund':
      return finishChange(withoutMoney(order, change.changeId), change);
    default:
      throw ordersProblems['saga-not-possible']({ detail: `the ${change.kind} has got to ${step}: resume it` });
  }
}

function refuseRefund(order: OrderRecord, refundId: string): OrderRecord {
  const amountMinor = order.refunds.find((entry) => entry.refundId === refundId)?.amountMinor ?? 0;
  const refunds = order.refunds.map((entry) =>
    entry.refundId === refundId ? { ...entry, state: 'refused' as const } : entry,
  );
  return { ...order, refunds, refundedMinor: order.refundedMinor - amountMinor };
}

function refuseReturn(order: OrderRecord, returnId: string): OrderRecord {
  const freed = withoutMoney(order, returnId);
  const returns = freed.returns.map((entry) =>
    entry.returnId === returnId ? { ...entry, state: 'refused' as const } : entry,
  );
  const next = { ...freed, returns };
  // Units that were not to be sent any more are to be sent after all.
  const isOpenAgain = (order.state === 'fulfilled' || order.state === 'completed') && leftOf(next, toSend).length > 0;
  return isOpenAgain ? { ...next, state: 'confirmed' } : next;
}

function withoutMoney(order: OrderRecord, returnId: string): OrderRecord {
  const refundMinor = order.returns.find((entry) => entry.returnId === returnId)?.refundMinor ?? 0;
  const returns = order.returns.map((entry) => (entry.returnId === returnId ? { ...entry, refundMinor: 0 } : entry));
  return { ...order, returns, refundedMinor: order.refundedMinor - refundMinor };
}

/**
 * Records in the order that a saga of it was given up, in the transaction that closes the saga: the change, the answer to
 * whoever repeats the request, and the event where goods are back. Throws unless the saga is stuck: what is under way ends
 * by itself, and until then nobody knows what has happened. Whoever settled a capture by hand whose answer was lost would
 * charge a customer twice.
 */
export async function recordAbandoned(
  tx: Transaction,
  { publish, logicalClock }: Publishing,
  saga: SagaRecord,
  definition: SagaDefinition<never>,
): Promise<void> {
  const step = definition.steps[saga.step]?.name ?? '';
  if (saga.status !== 'stuck') {
    throw ordersProblems['saga-not-possible']({
      detail: `${step} is under way, and ${saga.definition} ends by itself`,
    });
  }
  const input = saga.input as ChangeOrderInput | PlaceOrderInput;
  // An order past its pivot is confirmed, whatever becomes of its saga.
  if (!('changeId' in input)) return;
  const { orderId, changeId, claim, origin } = input;
  const [order] = await lockOrders(tx, [orderId]);
  if (!order) throw ordersProblems['not-found']();
  const abandoned = abandonChange(order, input, step);
  const isBack = abandoned.returns.some((entry) => entry.returnId === changeId && entry.state === 'done');
  const hlc = isBack ? logicalClock?.tick(order.hlc ?? undefined) : undefined;
  const next = hlc === undefined ? abandoned : { ...abandoned, hlc };
  await updateOrders(tx, [next]);
  await completeKeys(tx, [{ ...claim, result: { status: 200, body: viewOf(next) } }]);
  if (!isBack) return;
  const data = eventOf(next, { refundMinor: 0, ...changeOf(next, changeId) });
  await publish(tx, [{ ...eventDraft('order.returned', next, causeOf(origin)), id: `evt_${saga.id}`, data, hlc }]);
}
