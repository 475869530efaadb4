import { expect, test } from 'vitest';
import {
  type Accepted,
  type Books,
  checkAccepted,
  checkBooks,
  checkEvents,
  checkIdempotency,
  checkJournal,
  checkLiveness,
  checkMoney,
  checkUnits,
} from './books.ts';

/** Three orders that went as they should: bought, refused for want of stock, bought and called off. */
const books: Books = {
  orders: [
    {
      id: 'ord_1',
      state: 'confirmed',
      totalMinor: 500,
      refundedMinor: 0,
      scope: 'guest:a',
      businessKey: 'k1',
      goods: [{ sku: 'ROPE', quantity: 2 }],
    },
    {
      id: 'ord_2',
      state: 'refused',
      totalMinor: 9900,
      refundedMinor: 0,
      scope: 'guest:a',
      businessKey: 'k2',
      goods: [{ sku: 'ROPE', quantity: 99 }],
    },
    {
      id: 'ord_3',
      state: 'cancelled',
      totalMinor: 250,
      refundedMinor: 250,
      scope: 'guest:b',
      businessKey: 'k1',
      goods: [{ sku: 'ROPE', quantity: 1 }],
    },
  ],
  sagas: [
    { id: 'ord_1', status: 'completed' },
    { id: 'ord_2', status: 'refused' },
    { id: 'ord_3', status: 'completed' },
  ],
  stock: [{ sku: 'ROPE', received: 10, onHand: 8, held: 0, sold: 2, writtenOff: 0, version: 6 }],
  holds: [
    { orderId: 'ord_1', status: 'sold', lines: [{ sku: 'ROPE', quantity: 2 }] },
    { orderId: 'ord_2', status: 'refused', lines: [] },
    { orderId: 'ord_3', status: 'released', lines: [{ sku: 'ROPE', quantity: 1 }] },
  ],
  movements: [
    { sku: 'ROPE', version: 1, kind: 'receive', quantity: 10, reference: 'r' },
    { sku: 'ROPE', version: 2, kind: 'hold', quantity: 2, reference: 'ord_1' },
    { sku: 'ROPE', version: 3, kind: 'commit', quantity: 2, reference: 'ord_1' },
    { sku: 'ROPE', version: 4, kind: 'hold', quantity: 1, reference: 'ord_3' },
    { sku: 'ROPE', version: 5, kind: 'commit', quantity: 1, reference: 'ord_3' },
    { sku: 'ROPE', version: 6, kind: 'release', quantity: 1, reference: 'ord_3' },
  ],
  payments: [
    { orderId: 'ord_1', status: 'captured', amountMinor: 500, capturedMinor: 500, refundedMinor: 0 },
    { orderId: 'ord_3', status: 'captured', amountMinor: 250, capturedMinor: 250, refundedMinor: 250 },
  ],
  events: [
    { type: 'order.received', orderId: 'ord_1' },
    { type: 'order.received', orderId: 'ord_2' },
    { type: 'order.refused', orderId: 'ord_2' },
    { type: 'order.confirmed', orderId: 'ord_1' },
    { type: 'order.received', orderId: 'ord_3' },
    { type: 'order.confirmed', orderId: 'ord_3' },
    { type: 'order.cancelled', orderId: 'ord_3' },
  ],
  unrelayed: 0,
  provider: [
    money(1, 'authorized', 'pi_1', 'ord_1', 500),
    money(2, 'captured', 'pi_1', 'ord_1', 500),
    money(3, 'authorized', 'pi_3', 'ord_3', 250),
    money(4, 'captured', 'pi_3', 'ord_3', 250),
    money(5, 'refunded', 'pi_3', 'ord_3', 250),
  ],
};

function money(
  seq: number,
  kind: Books['provider'][number]['kind'],
  intentId: string,
  orderId: string,
  amountMinor: number,
): Books['provider'][number] {
  return { seq, atMs: seq, kind, intentId, orderId, amountMinor, currency: 'EUR', key: undefined };
}

const accepted: Accepted[] = [
  { key: 'k1', orderId: 'ord_1', state: 'confirmed' },
  { key: 'k2', orderId: 'ord_2', state: 'refused' },
];

const patch = <Key extends keyof Books>(key: Key, change: (rows: Books[Key]) => Books[Key]): Books => ({
  ...books,
  [key]: change(books[key]),
});

test('books that are in order have no violations', () => {
  expect(checkBooks(books, accepted)).toEqual([]);
});

const planted: [string, (broken: Books) => unknown[], Books][] = [
  [
    'an acknowledged order that is gone',
    (broken) => checkAccepted(broken, accepted),
    patch('orders', (rows) => rows.slice(1)),
  ],
  [
    'an acknowledged order that never ends',
    (broken) => checkAccepted(broken, accepted),
    patch('orders', (rows) => rows.map((row) => ({ ...row, state: row.id === 'ord_1' ? 'received' : row.state }))),
  ],
  [
    'an order told to be confirmed that was refused',
    (broken) => checkAccepted(broken, accepted),
    patch('orders', (rows) => rows.map((row) => ({ ...row, state: row.id === 'ord_1' ? 'refused' : row.state }))),
  ],
  [
    'a key that made two orders',
    (broken) => checkIdempotency(broken, accepted),
    patch('orders', (rows) => [...rows, { ...(rows[0] as (typeof rows)[number]), id: 'ord_9' }]),
  ],
  [
    'an order charged twice',
    checkMoney,
    patch('provider', (rows) => [
      ...rows,
      money(6, 'authorized', 'pi_9', 'ord_1', 500),
      money(7, 'captured', 'pi_9', 'ord_1', 500),
    ]),
  ],
  [
    'a confirmed order that was never charged',
    checkMoney,
    patch('provider', (rows) => rows.filter((row) => row.orderId !== 'ord_1')),
  ],
  [
    'a refused order that was charged',
    checkMoney,
    patch('provider', (rows) => [
      ...rows,
      money(6, 'authorized', 'pi_2', 'ord_2', 9900),
      money(7, 'captured', 'pi_2', 'ord_2', 9900),
    ]),
  ],
  [
    'an amount left set aside',
    checkMoney,
    patch('provider', (rows) => [...rows, money(6, 'authorized', 'pi_2', 'ord_2', 9900)]),
  ],
  [
    'a charge without an order',
    checkMoney,
    patch('provider', (rows) => [...rows, money(6, 'captured', 'pi_8', 'ord_8', 1)]),
  ],
  [
    'units that do not add up',
    checkUnits,
    patch('stock', (rows) => rows.map((row) => ({ ...row, onHand: row.onHand - 1 }))),
  ],
  [
    'a unit sold twice',
    checkUnits,
    patch('stock', (rows) => rows.map((row) => ({ ...row, onHand: row.onHand - 2, sold: row.sold + 2 }))),
  ],
  [
    'a hold left behind',
    checkUnits,
    patch('stock', (rows) => rows.map((row) => ({ ...row, onHand: row.onHand - 1, held: 1 }))),
  ],
  [
    'a gap in the versions of a SKU',
    checkJournal,
    patch('movements', (rows) => rows.filter((row) => row.version !== 4)),
  ],
  [
    'more taken than there was',
    checkJournal,
    patch('movements', (rows) => rows.map((row) => (row.version === 2 ? { ...row, quantity: 12 } : row))),
  ],
  [
    'a saga that never ends',
    checkLiveness,
    patch('sagas', (rows) => rows.map((row) => ({ ...row, status: 'running' }))),
  ],
  [
    'a hold that outlives its order',
    checkLiveness,
    patch('holds', (rows) => rows.map((row) => ({ ...row, status: 'held' }))),
  ],
  ['an event that was not relayed', checkLiveness, { ...books, unrelayed: 1 }],
  [
    'an event that was lost',
    checkEvents,
    patch('events', (rows) => rows.filter((row) => row.type !== 'order.refused')),
  ],
  [
    'an event published twice',
    checkEvents,
    patch('events', (rows) => [...rows, { type: 'order.confirmed', orderId: 'ord_1' }]),
  ],
  ['events out of order', checkEvents, patch('events', (rows) => [...rows].reverse())],
];

test.each(planted)('%s is found', (_title, check, broken) => {
  expect(check(broken)).not.toEqual([]);
});

test('a repeat that was answered with another order is found', () => {
  const twice: Accepted[] = [...accepted, { key: 'k1', orderId: 'ord_3', state: 'confirmed' }];
  expect(checkIdempotency(books, twice)).not.toEqual([]);
});
