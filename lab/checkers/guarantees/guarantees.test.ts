import { expect, test } from 'vitest';
import { type Check, runChecks } from '../check.ts';
import type { Evidence, Operation } from '../history/evidence.ts';
import { acceptedOrdersStay, oneOrderAKey } from './accepted.ts';
import { accessesOf } from './accesses.ts';
import { allChecks } from './all.ts';
import { causesComeFirst } from './causality.ts';
import { everythingEnds } from './ends.ts';
import { eventsAppliedOnce, eventsAreRelayed, eventsMatchOrders } from './events.ts';
import { copiesConverge, viewsConverge } from './models.ts';
import { chargedOnce, paymentsMatchProvider } from './money.ts';
import { repeatsAgree } from './repeats.ts';
import { holdsAreLinearizable, registersAreLinearizable } from './searched.ts';
import { monotonicReads, ordersDoNotGoBack, readYourWrites } from './sessions.ts';
import { operation, sound } from './sound.testing.ts';
import { stockIsLinearizable } from './stock-answers.ts';
import { transactionsAreIsolated } from './transactions.ts';
import { unitsAreConserved } from './units.ts';

const found = (check: Check, change: Partial<Evidence>): string[] => [...check.find({ ...sound, ...change })];
const withThese = (...more: Operation[]): Partial<Evidence> => ({ operations: [...sound.operations, ...more] });
const only = (...operations: Operation[]): Partial<Evidence> => ({ operations });
/** The sound rows with one of them changed. */
const patch = <T extends object>(rows: readonly T[], at: number, change: Partial<T>): T[] =>
  rows.map((row, index) => (index === at ? { ...row, ...change } : row));

test('a sound run passes every check, and every check looks at something in it', () => {
  for (const result of runChecks(sound, allChecks)) {
    expect(result).toMatchObject({ status: 'passed', violations: [] });
    expect(result.looked, result.name).toBeGreaterThan(0);
  }
});

test('without what it needs a check is not applicable, and says why', () => {
  const bare = runChecks({ operations: [] }, allChecks);
  expect(new Set(bare.map(({ status }) => status))).toEqual(new Set(['not-applicable']));
  expect(bare.find(({ name }) => name === paymentsMatchProvider.name)?.reason).toBe('without payments, ledger');
  expect(bare.find(({ name }) => name === repeatsAgree.name)?.reason).toBe('nothing to look at');
});

test('violations are counted beyond those that are kept', () => {
  const stock = Array.from({ length: 150 }, () => ({ ...sound.stock[0]!, held: 1 }));
  const [result] = runChecks({ operations: [], stock }, [unitsAreConserved]);
  expect(result).toMatchObject({ status: 'violated', count: 150 });
  expect(result?.violations).toHaveLength(100);
});

test('an acknowledged order that is gone, undecided or turned round is found', () => {
  expect(found(acceptedOrdersStay, { orders: sound.orders.slice(1) })).toHaveLength(1);
  expect(found(acceptedOrdersStay, { orders: patch(sound.orders, 0, { state: 'received' }) })).toHaveLength(1);
  expect(found(acceptedOrdersStay, { orders: patch(sound.orders, 0, { state: 'refused' }) })).toHaveLength(1);
  expect(found(acceptedOrdersStay, { orders: patch(sound.orders, 1, { state: 'confirmed' }) })).toHaveLength(1);
});

test('a second order under one key is found, in the table and in the answers', () => {
  const second = { ...sound.orders[0]!, id: 'ord_9' };
  expect(found(oneOrderAKey, { orders: [...sound.orders, second] })).toHaveLength(1);
  expect(found(oneOrderAKey, withThese(operation('place', { id: 'ord_9' }, { idempotencyKey: 'k1' })))).toHaveLength(1);
});

test('money taken twice, too much, too little, or kept for nothing is found', () => {
  const charge = (orderId: string, kind: 'authorized' | 'captured') => ({
    ...sound.ledger[0]!,
    intentId: 'pi_9',
    orderId,
    kind,
  });
  const more = (...rows: ReturnType<typeof charge>[]) => ({ ledger: [...sound.ledger, ...rows] });
  expect(found(chargedOnce, more(charge('ord_1', 'authorized'), charge('ord_1', 'captured')))).toContain(
    'ord_1 was charged 2 times',
  );
  expect(found(chargedOnce, more(charge('ord_2', 'authorized')))).toEqual([
    '500 still set aside for ord_2, which is refused',
  ]);
  expect(found(chargedOnce, more(charge('ord_2', 'authorized'), charge('ord_2', 'captured')))).toHaveLength(1);
  expect(found(chargedOnce, more(charge('ord_8', 'authorized'), charge('ord_8', 'captured')))).toEqual([
    '500 kept of ord_8, which does not exist',
  ]);
  expect(found(chargedOnce, { ledger: [] })).toHaveLength(1);
  expect(found(chargedOnce, { orders: patch(sound.orders, 0, { refundedMinor: 100 }) })).toHaveLength(1);
  // The ledger alone tells a double charge.
  const twice = [...sound.ledger, charge('ord_1', 'authorized'), charge('ord_1', 'captured')];
  expect([...chargedOnce.find({ operations: [], ledger: twice })]).toHaveLength(1);
});

test('an order that was abandoned to people may be half paid', () => {
  const sagas = patch(sound.sagas, 0, { status: 'abandoned' });
  expect(found(chargedOnce, { sagas, ledger: sound.ledger.slice(2) })).toEqual([]);
});

test('payments that differ from the provider are found', () => {
  expect(found(paymentsMatchProvider, { payments: sound.payments.slice(1) })).toEqual([
    'ord_1: payments says 0, the provider 500',
  ]);
  expect(found(paymentsMatchProvider, { payments: patch(sound.payments, 1, { refundedMinor: 0 }) })).toHaveLength(1);
});

const shares: Pick<typeof sound, 'orders' | 'stock' | 'movements'> = {
  orders: [],
  stock: [
    {
      sku: 'ROPE',
      holder: 'main',
      received: 10,
      onHand: 6,
      held: 0,
      sold: 0,
      writtenOff: 0,
      sent: 5,
      arrived: 1,
      version: 3,
    },
    {
      sku: 'ROPE',
      holder: 'till_1',
      received: 0,
      onHand: 2,
      held: 0,
      sold: 2,
      writtenOff: 0,
      sent: 1,
      arrived: 5,
      version: 3,
    },
  ],
  movements: [
    ...(['receive', 'send', 'arrive'] as const).map((kind, i) => ({
      ...{ sku: 'ROPE', holder: 'main', version: i + 1, kind, quantity: [10, 5, 1][i] ?? 0, reference: `r${i}` },
    })),
    ...(['arrive', 'sell', 'send'] as const).map((kind, i) => ({
      ...{ sku: 'ROPE', holder: 'till_1', version: i + 1, kind, quantity: [5, 2, 1][i] ?? 0, reference: `t${i}` },
    })),
  ],
};

test('over all holders nothing is lost: units that were sent and never arrived are found, and shares that do not add up', () => {
  expect(found(unitsAreConserved, shares)).toEqual([]);
  const lost = patch(shares.stock, 1, { arrived: 4, onHand: 1 });
  expect(found(unitsAreConserved, { ...shares, stock: lost })).toContain('ROPE: holders sent 6, and 5 arrived');
  expect(found(unitsAreConserved, { ...shares, stock: patch(shares.stock, 1, { sold: 1 }) })).toEqual([
    'ROPE of till_1: 5 received, places sum to another number',
  ]);
  expect(found(unitsAreConserved, { ...shares, movements: patch(shares.movements, 4, { quantity: 3 }) })).toContain(
    'ROPE of till_1: 2 on hand, the journal says 1',
  );
});

test('units that are lost, invented, oversold, or missing from the journal are found', () => {
  expect(found(unitsAreConserved, { stock: patch(sound.stock, 0, { onHand: 7 }) })).not.toEqual([]);
  expect(found(unitsAreConserved, { stock: patch(sound.stock, 0, { onHand: -1, sold: 11 }) })).not.toEqual([]);
  expect(found(unitsAreConserved, { stock: patch(sound.stock, 0, { onHand: 7, inTransfer: 1 }) })).toEqual([
    'ROPE: 7 on hand, the journal says 8',
  ]);
  expect(found(unitsAreConserved, { orders: [] })).toEqual(['ROPE: 2 sold, standing orders bought 0']);
  expect(found(unitsAreConserved, { movements: sound.movements.slice(0, 5) })).not.toEqual([]);
  const withoutThird = sound.movements.filter(({ version }) => version !== 3);
  expect(found(unitsAreConserved, { movements: withoutThird })).toContain(
    'ROPE: version 3 is missing from the journal, or there twice',
  );
  expect(found(unitsAreConserved, { movements: patch(sound.movements, 1, { quantity: 12 }) })).toContain(
    'ROPE: sold below zero at version 2',
  );
});

test('an answer about stock that never was, or is older than one given before, is found', () => {
  const look = (available: number, version: number, startMs: number) =>
    operation('look', { items: [{ sku: 'ROPE', available, version }] }, { startMs, endMs: startMs + 1 });
  expect(found(stockIsLinearizable, only(look(4, 3, 1)))).toEqual([
    expect.stringMatching(/ROPE at version 3: op\d+ answered 4, the journal says 8/),
  ]);
  expect(found(stockIsLinearizable, only(look(8, 3, 1), look(10, 1, 5)))).toHaveLength(1);
  // At the same time either may come first.
  expect(found(stockIsLinearizable, only(look(8, 3, 1), look(10, 1, 2)))).toEqual([]);
});

test('a repeat that gets the first answer again is no stale answer', () => {
  const receive = (startMs: number) =>
    operation(
      'receive',
      { stock: [{ sku: 'ROPE', available: 10, version: 1 }] },
      { idempotencyKey: 'r', startMs, endMs: startMs + 1 },
    );
  const look = operation('look', { items: [{ sku: 'ROPE', available: 8, version: 3 }] }, { startMs: 5, endMs: 6 });
  expect(accessesOf([receive(1), look, receive(9)])).toHaveLength(2);
  expect(found(stockIsLinearizable, only(receive(1), look, receive(9)))).toEqual([]);
});

test('a hold that takes what is not there is found by search, and told', () => {
  const oversold = operation(
    'stock.hold',
    { held: true },
    { key: 'ROPE', input: { quantity: 2 }, startMs: 5, endMs: 6 },
  );
  const [told = ''] = found(holdsAreLinearizable, withThese(oversold));
  expect(told).toContain(`no place for: hold 2 → held   [${oversold.id}, 5 to 6]`);
  const lost = { ...oversold, outcome: { type: 'info' } as const };
  expect(found(holdsAreLinearizable, withThese(lost))).toEqual([]);
  expect(found(registersAreLinearizable, withThese(operation('register.read', 'b', { key: 'title' })))).toHaveLength(1);
});

test('another answer to a repeat, and another payload that is accepted, are found', () => {
  const again = (state: string) => operation('place', { state, id: 'ord_1' }, { idempotencyKey: 'k1' });
  expect(found(repeatsAgree, withThese(again('confirmed')))).toEqual([]);
  expect(found(repeatsAgree, withThese(again('cancelled')))).toHaveLength(1);
  expect(found(repeatsAgree, only(operation('place-mismatch', {}, { idempotencyKey: 'k1' })))).toHaveLength(1);
});

const access = (kind: string, version: number, startMs: number, more: Partial<Operation> = {}): Operation =>
  operation(kind, undefined, {
    key: 'basket',
    session: 'eve',
    startMs,
    endMs: startMs + 1,
    outcome: { type: 'ok', version },
    ...more,
  });

test('a session that does not see its own write, or sees less than before, is found', () => {
  expect(found(readYourWrites, only(access('write', 2, 1), access('get', 1, 3)))).toHaveLength(1);
  expect(found(readYourWrites, only(access('write', 2, 1), access('get', 1, 2)))).toEqual([]);
  expect(found(readYourWrites, only(access('write', 2, 1), access('get', 1, 3, { session: 'bob' })))).toEqual([]);
  expect(found(readYourWrites, only(access('write', 2, 1), access('get', 1, 3, { key: 'other' })))).toEqual([]);
  expect(found(monotonicReads, only(access('get', 2, 1), access('get', 1, 3)))).toHaveLength(1);
  expect(found(monotonicReads, only(access('get', 2, 1), access('get', 2, 3)))).toEqual([]);
});

test('an order that was decided and is read undecided, or gone, is found', () => {
  const read = (more: Partial<Operation>) =>
    withThese(operation('read', { id: 'ord_1', state: 'received' }, { session: 'ann', startMs: 5, endMs: 6, ...more }));
  expect(found(ordersDoNotGoBack, read({}))).toHaveLength(1);
  expect(found(ordersDoNotGoBack, read({ outcome: { type: 'fail', problem: 'orders/not-found' } }))).toHaveLength(1);
  expect(found(ordersDoNotGoBack, read({ outcome: { type: 'info' } }))).toEqual([]);
  expect(found(ordersDoNotGoBack, read({ startMs: 1 }))).toEqual([]);
});

test('an effect that is stamped before its cause is found', () => {
  const stamped = (kind: string, stamp: string, startMs: number, session = 'eve') =>
    access(kind, 7, startMs, { session, outcome: { type: 'ok', version: 7, hlc: stamp } });
  const [early, late] = ['0190a4c2e3f0-0001', '0190a4c2e3f0-0002'];
  expect(found(causesComeFirst, only(stamped('write', late, 1), stamped('get', early, 3)))).toHaveLength(2);
  expect(found(causesComeFirst, only(stamped('write', late, 1), stamped('get', early, 3, 'bob')))).toHaveLength(1);
  expect(found(causesComeFirst, only(stamped('write', early, 1), stamped('get', late, 3)))).toEqual([]);
  // What reads while the answer to the write is on its way owes nothing to its stamp.
  expect(found(causesComeFirst, only(stamped('write', late, 1), stamped('get', early, 2, 'bob')))).toEqual([]);
  expect(found(causesComeFirst, { log: patch(sound.log, 3, { hlc: '0190a4c2e3ef-0000' }) })).toHaveLength(1);
  expect(found(causesComeFirst, { log: patch(sound.log, 1, { causedBy: 'e6' }) })).toHaveLength(1);
});

test('an event that is missing, doubled, out of order, or of nothing is found', () => {
  const [first] = sound.log;
  expect(found(eventsMatchOrders, { log: sound.log.slice(0, 6) })).toEqual([
    'ord_3 is cancelled, order.cancelled is missing',
  ]);
  expect(found(eventsMatchOrders, { outbox: [first!] })).toContain('e0 was published twice');
  expect(found(eventsMatchOrders, { outbox: [{ ...first!, eventId: 'e9' }] })).toEqual([
    'ord_1: order.received was published more than once',
  ]);
  expect(found(eventsMatchOrders, { log: patch(sound.log, 0, { offset: 9 }) })).toEqual([
    'ord_1: order.confirmed was published before order.received',
  ]);
  expect(found(eventsMatchOrders, { orders: sound.orders.slice(1) })).toHaveLength(1);
  expect(found(eventsMatchOrders, { orders: patch(sound.orders, 0, { state: 'refused' }) }).length).toBeGreaterThan(1);
  expect(found(eventsAreRelayed, { outbox: [first!] })).toHaveLength(1);
});

test('an event applied twice, out of order or not at all by one consumer is found', () => {
  const { applied } = sound;
  expect(found(eventsAppliedOnce, { applied: [...applied, applied[0]!] })).toEqual([
    'analytics: ord_1: the log has e0 e3, applied was e0 e3 e0',
  ]);
  expect(found(eventsAppliedOnce, { applied: [applied[3]!, ...applied.toSpliced(3, 1)] })).toHaveLength(1);
  expect(found(eventsAppliedOnce, { applied: applied.slice(1) })).toHaveLength(1);
  const dead = { eventId: 'e0', orderId: 'ord_1', consumer: 'analytics' };
  expect(found(eventsAppliedOnce, { applied: applied.slice(1), deadLetters: [dead] })).toEqual([]);
  expect(found(eventsAppliedOnce, { applied: [] })).toHaveLength(3);
});

test('a read model that has not caught up is found', () => {
  expect(found(viewsConverge, { views: sound.views.slice(1) })).toHaveLength(1);
  expect(found(viewsConverge, { views: patch(sound.views, 0, { state: 'received' }) })).toHaveLength(1);
  expect(found(copiesConverge, { models: patch(sound.models, 0, { copy: { units: 3, orders: 1 } }) })).toHaveLength(1);
});

test('a transaction that breaks its promise is found, and what was not promised is not', () => {
  const dirty = operation('transaction', [['read', 'x', [1, 2]]]);
  const aborted = operation('transaction', undefined, { input: [['append', 'x', 2]], outcome: { type: 'fail' } });
  const [told = ''] = found(transactionsAreIsolated, withThese(dirty, aborted));
  expect(told).toMatch(/^G1a:/);
  expect(found(transactionsAreIsolated, { ...withThese(dirty, aborted), isolation: 'read-uncommitted' })).toEqual([]);
});

test('whatever is left hanging is found', () => {
  for (const change of [
    { sagas: patch(sound.sagas, 0, { status: 'compensating' }) },
    { holds: patch(sound.holds, 0, { status: 'held' }) },
    { holds: patch(sound.holds, 0, { status: 'released' }) },
    { holds: patch(sound.holds, 2, { status: 'sold' }) },
    { payments: patch(sound.payments, 0, { status: 'voiding' }) },
    { claims: patch(sound.claims, 0, { done: false }) },
    { orders: patch(sound.orders, 2, { state: 'cancelling' }) },
    { refunds: patch(sound.refunds, 0, { status: 'requested' }) },
    { stock: patch(sound.stock, 0, { held: 1 }) },
  ]) {
    expect(found(everythingEnds, change)).toHaveLength(1);
  }
});
