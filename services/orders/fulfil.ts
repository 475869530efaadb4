import { goodsIn, leftOf, toSend } from '#contracts/order-goods';
import { ordersProblems, type ShipmentRecord } from '#contracts/orders';
import type { ProblemPlace } from '#kit/contract';
import type { OrderRecord } from './model.ts';

/** What becomes of a confirmed order's goods. Nothing is to be asked of anyone, so each is one commit. */
export type Fulfilment =
  | {
      readonly kind: 'fulfil';
      /** Without `lines`: all that is left to send. */
      readonly shipment: Omit<ShipmentRecord, 'lines'> & { readonly lines?: ShipmentRecord['lines'] };
    }
  | { readonly kind: 'complete'; readonly key: string; readonly occurredAt: string };

/** All of them are kept with the order. */
const shipmentsMax = 100;

/** Sends goods, or closes an order whose goods are sent. Throws when it can't be done with the order as it stands. */
export function fulfil(order: OrderRecord, fulfilment: Fulfilment): OrderRecord {
  if (order.state === 'received') throw ordersProblems['not-decided-yet']();
  return fulfilment.kind === 'fulfil' ? send(order, fulfilment.shipment) : complete(order);
}

function send(order: OrderRecord, wanted: Extract<Fulfilment, { kind: 'fulfil' }>['shipment']): OrderRecord {
  const { state } = order;
  if (state !== 'confirmed') throw notPossible(`the order is ${state}`);
  const shipments = order.shipments ?? [];
  if (shipments.length >= shipmentsMax) throw notPossible(`it has ${shipmentsMax} shipments, and no more are kept`);
  const { lines = leftOf(order, toSend), ...shipment } = wanted;
  if (lines.length === 0) throw notPossible('nothing is left to send');
  checkLeft(order, lines);
  const next = { ...order, shipments: [...shipments, { ...shipment, lines }] };
  return leftOf(next, toSend).length > 0 ? next : { ...next, state: 'fulfilled' };
}

function checkLeft(order: OrderRecord, lines: ShipmentRecord['lines']): void {
  const left = new Map([...goodsIn(order)].map(([sku, goods]) => [sku, toSend(goods)]));
  const errors: ProblemPlace[] = [];
  lines.forEach(({ sku, quantity }, i) => {
    const open = left.get(sku) ?? 0;
    if (quantity > open) errors.push({ pointer: `/lines/${i}`, detail: `${sku}: ${open} left to send` });
    left.set(sku, open - quantity);
  });
  const [first] = errors;
  if (first) throw ordersProblems['not-possible']({ detail: first.detail, errors });
}

function complete(order: OrderRecord): OrderRecord {
  const left = leftOf(order, toSend);
  if (order.state === 'confirmed' && left.length > 0) {
    const units = left.reduce((sum, { quantity }) => sum + quantity, 0);
    throw notPossible(`${units} units are still to be sent`);
  }
  if (order.state !== 'confirmed' && order.state !== 'fulfilled') throw notPossible(`the order is ${order.state}`);
  return { ...order, state: 'completed' };
}

const notPossible = (detail: string) => ordersProblems['not-possible']({ detail });
