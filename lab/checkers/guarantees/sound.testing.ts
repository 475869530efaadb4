import type { Evidence, Operation } from '../history/evidence.ts';
import type { Row, Sections } from '../history/sections.ts';

/** A hand-made run in which all went well: an order that was bought, one refused, one bought and called off. */

let count = 0;
export function operation(kind: string, value: unknown, more: Partial<Operation> = {}): Operation {
  count += 1;
  const id = `op${count}`;
  return { id, process: id, session: id, kind, startMs: 1, endMs: 2, outcome: { type: 'ok', value }, ...more };
}

const money = (seq: number, kind: Row<'ledger'>['kind'], order: number, amountMinor: number): Row<'ledger'> => ({
  seq,
  kind,
  intentId: `pi_${order}`,
  orderId: `ord_${order}`,
  amountMinor,
  currency: 'EUR',
});
const order = (number: number, state: string, quantity: number, totalMinor: number, refundedMinor = 0) => ({
  id: `ord_${number}`,
  state,
  totalMinor,
  refundedMinor,
  scope: 'guest:a',
  businessKey: `k${number}`,
  lines: [{ sku: 'ROPE', quantity }, { quantity: 1 }],
  returns: [],
});
const movement = (version: number, kind: string, quantity: number, reference: string) => ({
  sku: 'ROPE',
  version,
  kind,
  quantity,
  reference,
});
const event = (offset: number, type: string, number: number) => ({
  eventId: `e${offset}`,
  type,
  orderId: `ord_${number}`,
  partition: 0,
  offset,
  hlc: `0190a4c2e3f0-000${offset}`,
});

const log = [
  event(0, 'order.received', 1),
  event(1, 'order.received', 2),
  event(2, 'order.refused', 2),
  event(3, 'order.confirmed', 1),
  event(4, 'order.received', 3),
  event(5, 'order.confirmed', 3),
  event(6, 'order.cancelled', 3),
];
const applied = log.map(({ eventId, orderId }) => ({ eventId, orderId }));
const hlc = (counter: number) => `0190a4c2e3f1-000${counter}`;

export const sound: Evidence & Sections = {
  isolation: 'serializable',
  orders: [order(1, 'confirmed', 2, 500), order(2, 'refused', 99, 9_900), order(3, 'cancelled', 1, 250, 250)],
  sagas: [
    { id: 'ord_1', orderId: 'ord_1', definition: 'place-order', status: 'completed', step: 5 },
    { id: 'ord_2', orderId: 'ord_2', definition: 'place-order', status: 'refused', step: 1 },
    { id: 'sag_3', orderId: 'ord_3', definition: 'cancel-order', status: 'completed', step: 3 },
  ],
  claims: [{ database: 'orders', scope: 'guest:a', key: 'k1', done: true, reference: 'ord_1' }],
  outbox: [],
  stock: [{ sku: 'ROPE', received: 10, onHand: 8, held: 0, sold: 2, writtenOff: 0, version: 6 }],
  movements: [
    movement(1, 'receive', 10, 'r'),
    movement(2, 'hold', 2, 'ord_1'),
    movement(3, 'commit', 2, 'ord_1'),
    movement(4, 'hold', 1, 'ord_3'),
    movement(5, 'commit', 1, 'ord_3'),
    movement(6, 'release', 1, 'ord_3'),
  ],
  holds: [
    { orderId: 'ord_1', status: 'sold', lines: [['ROPE', 2, 8]] },
    { orderId: 'ord_2', status: 'refused', lines: [] },
    { orderId: 'ord_3', status: 'released', lines: [['ROPE', 1, 7]] },
  ],
  returns: [],
  payments: [
    { orderId: 'ord_1', status: 'captured', capturedMinor: 500, refundedMinor: 0 },
    { orderId: 'ord_3', status: 'captured', capturedMinor: 250, refundedMinor: 250 },
  ],
  refunds: [{ refundId: 'ref_1', orderId: 'ord_3', amountMinor: 250, status: 'done' }],
  log,
  applied: [
    ...applied.map((row) => ({ ...row, consumer: 'analytics' })),
    ...applied.map((row) => ({ ...row, consumer: 'notifications' })),
  ],
  views: [
    { orderId: 'ord_1', state: 'confirmed' },
    { orderId: 'ord_2', state: 'refused' },
    { orderId: 'ord_3', state: 'cancelled' },
  ],
  models: [{ model: 'sales', key: 'ROPE', source: { units: 2, orders: 1 }, copy: { orders: 1, units: 2 } }],
  deadLetters: [],
  ledger: [
    money(1, 'authorized', 1, 500),
    money(2, 'captured', 1, 500),
    money(3, 'authorized', 3, 250),
    money(4, 'captured', 3, 250),
    money(5, 'refunded', 3, 250),
  ],
  operations: [
    operation('place', { id: 'ord_1', state: 'confirmed' }, { idempotencyKey: 'k1', session: 'ann' }),
    operation('place', { id: 'ord_2', state: 'refused' }, { idempotencyKey: 'k2', session: 'bob' }),
    operation('read', { id: 'ord_1', state: 'confirmed' }, { session: 'ann', startMs: 3, endMs: 4 }),
    operation('look', { items: [{ sku: 'ROPE', available: 8, version: 3 }] }, { session: 'ann', startMs: 3, endMs: 4 }),
    operation('write', undefined, {
      key: 'basket',
      session: 'ann',
      startMs: 3,
      endMs: 4,
      outcome: { type: 'ok', version: 1, hlc: hlc(1) },
    }),
    operation('get', undefined, {
      key: 'basket',
      session: 'ann',
      startMs: 5,
      endMs: 6,
      outcome: { type: 'ok', version: 1, hlc: hlc(2) },
    }),
    operation('register.write', null, { key: 'title', input: { value: 'a' } }),
    operation('register.read', 'a', { key: 'title', startMs: 3, endMs: 4 }),
    operation('stock.receive', {}, { key: 'ROPE', input: { quantity: 3 } }),
    operation(
      'stock.hold',
      { held: true, available: 1 },
      { key: 'ROPE', input: { quantity: 2 }, startMs: 3, endMs: 4 },
    ),
    operation('transaction', [['append', 'x', 1]], { input: [['append', 'x', 1]] }),
    operation('transaction', [['read', 'x', [1]]], { input: [['read', 'x']] }),
  ],
};
