import { expect, test } from 'vitest';
import type { Check } from './check.ts';
import * as all from './checks.ts';
import { checks, isQuiet } from './checks.ts';
import type { Facts } from './facts.ts';
import * as followers from './follower-checks.ts';
import type { Attempt } from './history.ts';

const order = {
  id: 'ord_1',
  state: 'confirmed',
  totalMinor: 500,
  refundedMinor: 0,
  lines: [{ sku: 'A', quantity: 2 }],
  returns: [],
  scope: 'guest:a',
  businessKey: 'place-1',
};
const movement = { seq: 1, atMs: 1, intentId: 'pi_1', orderId: 'ord_1', amountMinor: 500, currency: 'EUR', key: 'k' };
const answered = (kind: string, body: unknown, more: Partial<Attempt> = {}): Attempt => ({
  operation: 1,
  kind,
  key: undefined,
  startMs: 1,
  endMs: 2,
  outcome: { status: 200, body },
  ...more,
});

const data = {
  channel: 'web',
  totalMinor: 500,
  lines: [{ kind: 'goods', sku: 'A', name: 'A', quantity: 2, unitPriceMinor: 250, totalMinor: 500 }],
} as const;

/** A run in which all went well: one order of two units, paid, published, read, told of and counted. */
const sound: Facts = {
  orders: [order],
  sagas: [{ id: 'ord_1', orderId: 'ord_1', definition: 'place-order', status: 'completed', step: 5 }],
  claims: [{ database: 'orders', scope: 'guest:a', key: 'place-1', done: true, reference: 'ord_1' }],
  outbox: [],
  stock: [{ sku: 'A', received: 5, onHand: 3, held: 0, sold: 2, writtenOff: 0, version: 3 }],
  movements: [
    { sku: 'A', version: 1, kind: 'receive', quantity: 5, reference: 'r' },
    { sku: 'A', version: 2, kind: 'hold', quantity: 2, reference: 'ord_1' },
    { sku: 'A', version: 3, kind: 'commit', quantity: 2, reference: 'ord_1' },
  ],
  holds: [{ orderId: 'ord_1', status: 'sold', lines: [['A', 2, 3]] }],
  returns: [],
  payments: [{ orderId: 'ord_1', status: 'captured', capturedMinor: 500, refundedMinor: 0 }],
  refunds: [],
  log: [
    { partition: 1, offset: 0, eventId: 'e1', type: 'order.received', orderId: 'ord_1', data },
    { partition: 1, offset: 1, eventId: 'e2', type: 'order.confirmed', orderId: 'ord_1', data },
  ],
  applied: [
    { id: 1, eventId: 'e1', type: 'order.received', orderId: 'ord_1' },
    { id: 2, eventId: 'e2', type: 'order.confirmed', orderId: 'ord_1' },
  ],
  views: [{ orderId: 'ord_1', state: 'confirmed', events: 2 }],
  deadLetters: [],
  money: [
    { ...movement, kind: 'authorized' },
    { ...movement, seq: 2, kind: 'captured' },
  ],
  attempts: [
    answered('place', { id: 'ord_1', state: 'confirmed' }, { key: 'place-1' }),
    answered('read', { id: 'ord_1', state: 'confirmed' }, { startMs: 3, endMs: 4 }),
    answered('look', { items: [{ sku: 'A', available: 3, version: 3 }] }, { startMs: 3, endMs: 4 }),
  ],
  letters: [{ id: 'ntf_1', eventId: 'e2', template: 'order.confirmed', status: 'sent' }],
  mails: [{ messageId: 'ntf_1@shop', recipient: 'a@example.com', subject: 'Your order ord_1 is confirmed' }],
  sales: {
    orders: 1,
    units: 2,
    grossMinor: 500,
    refundedMinor: 0,
    returnedUnits: 0,
    cancelledOrders: 0,
    refusedOrders: 0,
  },
  productSales: [{ sku: 'A', units: 2, grossMinor: 500, returnedUnits: 0 }],
  givenUp: [],
  followers: { reader: true, notifications: true, analytics: true },
  messaging: true,
};

const found = (check: Check, change: Partial<Facts>): string[] => [...check.find({ ...sound, ...change })];

test('a sound run passes every check, and every check looks at something in it', () => {
  for (const check of checks) {
    expect([check.name, ...check.find(sound)]).toEqual([check.name]);
    expect(check.size(sound), check.name).toBeGreaterThan(0);
  }
  expect(isQuiet(sound)).toBe(true);
});

test('every check is among those that are run', () => {
  const named = Object.values({ ...all, ...followers }).filter((value) => typeof value === 'object' && 'size' in value);
  expect(new Set(named)).toEqual(new Set(checks));
});

test('an acknowledged order that is gone, undecided or turned round is found', () => {
  expect(found(all.acceptedOrdersStay, { orders: [] })).toHaveLength(1);
  expect(found(all.acceptedOrdersStay, { orders: [{ ...order, state: 'received' }] })).toHaveLength(1);
  expect(found(all.acceptedOrdersStay, { orders: [{ ...order, state: 'refused' }] })).toHaveLength(1);
  const refused = answered('place', { id: 'ord_1', state: 'refused' }, { key: 'place-1' });
  expect(found(all.acceptedOrdersStay, { attempts: [refused] })).toHaveLength(1);
});

test('a second order under one key is found, in the table and in the answers', () => {
  expect(found(all.oneOrderAKey, { orders: [order, { ...order, id: 'ord_2' }] })).toHaveLength(1);
  const other = answered('place', { id: 'ord_2', state: 'confirmed' }, { key: 'place-1' });
  expect(found(all.oneOrderAKey, { attempts: [...sound.attempts, other] })).toHaveLength(1);
});

test('money taken twice, too much, too little, or kept for nothing is found', () => {
  const [authorized, captured] = sound.money as [(typeof sound.money)[0], (typeof sound.money)[0]];
  const second = { ...captured, intentId: 'pi_2' };
  expect(
    found(all.chargedOnce, { money: [authorized, captured, { ...authorized, intentId: 'pi_2' }, second] }),
  ).not.toEqual([]);
  expect(found(all.chargedOnce, { money: [authorized] })).toHaveLength(2);
  expect(found(all.chargedOnce, { money: [] })).toHaveLength(1);
  expect(found(all.chargedOnce, { orders: [{ ...order, refundedMinor: 100 }] })).toHaveLength(1);
  expect(found(all.chargedOnce, { orders: [{ ...order, state: 'refused' }] })).toHaveLength(1);
  expect(found(all.chargedOnce, { orders: [] })).toHaveLength(1);
});

test('units that are lost, invented, oversold, or missing from the journal are found', () => {
  const [row] = sound.stock as [(typeof sound.stock)[0]];
  expect(found(all.unitsAreConserved, { stock: [{ ...row, onHand: 4 }] })).not.toEqual([]);
  expect(found(all.unitsAreConserved, { stock: [{ ...row, onHand: -1, sold: 6 }] })).not.toEqual([]);
  expect(found(all.unitsAreConserved, { orders: [] })).toEqual(['A: 2 sold, standing orders bought 0']);
  expect(found(all.unitsAreConserved, { movements: sound.movements.slice(0, 2) })).toHaveLength(1);
  const oversold = sound.movements.map((one) => (one.version === 2 ? { ...one, quantity: 6 } : one));
  expect(found(all.unitsAreConserved, { movements: oversold })).toContain('A: sold below zero at version 2');
});

test('an answer about stock that never was, or is older than one given before, is found', () => {
  const look = (available: number, version: number, startMs: number) =>
    answered('look', { items: [{ sku: 'A', available, version }] }, { startMs, endMs: startMs + 1 });
  expect(found(all.stockIsLinearizable, { attempts: [look(4, 3, 1)] })).toHaveLength(1);
  expect(found(all.stockIsLinearizable, { attempts: [look(3, 3, 1), look(5, 1, 5)] })).toHaveLength(1);
  // At the same time either may come first.
  expect(found(all.stockIsLinearizable, { attempts: [look(3, 3, 1), look(5, 1, 2)] })).toEqual([]);
});

test('another answer to a repeat, and another payload that is accepted, are found', () => {
  const again = (state: string) => answered('place', { state, id: 'ord_1' }, { key: 'place-1' });
  expect(found(all.repeatsAgree, { attempts: [...sound.attempts, again('confirmed')] })).toEqual([]);
  expect(found(all.repeatsAgree, { attempts: [...sound.attempts, again('cancelled')] })).toHaveLength(1);
  const mismatch = answered('place-mismatch', { id: 'ord_1' }, { key: 'place-1' });
  expect(found(all.repeatsAgree, { attempts: [mismatch] })).toHaveLength(1);
});

test('a read that goes back in time is found', () => {
  const read = (state: string) => answered('read', { id: 'ord_1', state }, { startMs: 3, endMs: 4 });
  expect(found(all.readsDoNotGoBack, { attempts: [sound.attempts[0] as Attempt, read('received')] })).toHaveLength(1);
  const gone = { ...read('x'), outcome: { problem: 'orders/not-found', status: 404, final: true } };
  expect(found(all.readsDoNotGoBack, { attempts: [sound.attempts[0] as Attempt, gone] })).toHaveLength(1);
});

test('an event that is missing, doubled, or of nothing is found', () => {
  expect(found(all.eventsMatchOrders, { log: sound.log.slice(0, 1) })).toHaveLength(1);
  expect(found(all.eventsMatchOrders, { outbox: sound.log.slice(0, 1) })).toEqual(['e1 was published twice']);
  expect(found(all.eventsMatchOrders, { orders: [] })).toHaveLength(1);
  expect(found(all.eventsMatchOrders, { orders: [{ ...order, state: 'refused' }] }).length).toBeGreaterThan(1);
});

test('an event applied twice, out of order or not at all is found', () => {
  const [one, two] = sound.applied as [(typeof sound.applied)[0], (typeof sound.applied)[0]];
  expect(found(all.eventsAppliedOnce, { applied: [one, two, two] })).toHaveLength(1);
  expect(found(all.eventsAppliedOnce, { applied: [two, one] })).toHaveLength(1);
  expect(found(all.eventsAppliedOnce, { applied: [one] })).toHaveLength(1);
  expect(found(all.eventsAppliedOnce, { applied: [one], deadLetters: [{ eventId: 'e2', orderId: 'ord_1' }] })).toEqual(
    [],
  );
  expect(found(all.eventsAppliedOnce, { outbox: sound.log.slice(0, 1) })).toHaveLength(1);
});

test('a read model that has not caught up is found', () => {
  expect(found(all.viewsConverge, { views: [] })).toHaveLength(1);
  expect(found(all.viewsConverge, { views: [{ orderId: 'ord_1', state: 'received', events: 1 }] })).toHaveLength(1);
});

test('a letter that was not written, written twice, not sent, or sent under two names is found', () => {
  const check = followers.lettersMatchEvents;
  const [letter] = sound.letters as [(typeof sound.letters)[0]];
  const [mail] = sound.mails as [(typeof sound.mails)[0]];
  expect(found(check, { letters: [], mails: [] })).toHaveLength(1);
  expect(found(check, { letters: [{ ...letter, status: 'pending' }] })).toHaveLength(1);
  expect(found(check, { mails: [] })).toHaveLength(1);
  expect(found(check, { mails: [mail, mail] })).toEqual([]);
  const twin = { letters: [letter, { ...letter, id: 'ntf_2' }], mails: [mail, { ...mail, messageId: 'ntf_2@shop' }] };
  expect(found(check, twin)).toHaveLength(2);
  expect(
    found(check, { mails: [mail, { ...mail, messageId: 'ntf_9@shop', recipient: 'b@example.com' }] }),
  ).toHaveLength(1);
  expect(found(check, { letters: [letter, { ...letter, id: 'ntf_2', eventId: 'e9' }] })).toHaveLength(2);
  expect(found(check, { givenUp: [{ service: 'notifications', eventId: 'e2' }] })).toHaveLength(1);
});

test('figures that count an event twice, or not at all, are found', () => {
  const check = followers.salesMatchEvents;
  expect(found(check, { sales: { ...sound.sales, orders: 2, units: 4, grossMinor: 1000 } })).toHaveLength(3);
  expect(found(check, { productSales: [] })).toHaveLength(1);
  expect(
    found(check, { productSales: [...sound.productSales, { sku: 'B', units: 1, grossMinor: 1, returnedUnits: 0 }] }),
  ).toHaveLength(1);
  const [received, confirmed] = sound.log as [(typeof sound.log)[0], (typeof sound.log)[0]];
  const cancelled = {
    ...confirmed,
    offset: 2,
    eventId: 'e3',
    type: 'order.cancelled',
    data: { ...data, refundMinor: 500 },
  };
  expect(found(check, { log: [received, confirmed, cancelled] })).toHaveLength(4);
  expect(found(check, { givenUp: [{ service: 'analytics', eventId: 'e2' }] })).toHaveLength(1);
});

test('whatever is left hanging is found', () => {
  const [saga] = sound.sagas as [(typeof sound.sagas)[0]];
  const [hold] = sound.holds as [(typeof sound.holds)[0]];
  const [payment] = sound.payments as [(typeof sound.payments)[0]];
  const [claim] = sound.claims as [(typeof sound.claims)[0]];
  for (const change of [
    { sagas: [{ ...saga, status: 'compensating' }] },
    { holds: [{ ...hold, status: 'held' }] },
    { payments: [{ ...payment, status: 'voiding' }] },
    { claims: [{ ...claim, done: false }] },
    { orders: [{ ...order, state: 'cancelling' }] },
    { refunds: [{ refundId: 'r', orderId: 'ord_1', amountMinor: 1, status: 'requested' }] },
  ]) {
    expect(found(all.everythingEnds, change)).toHaveLength(1);
    expect(isQuiet({ ...sound, ...change })).toBe(false);
  }
});
