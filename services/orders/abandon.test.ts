import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { inventoryProblems } from '#contracts/inventory';
import { paymentsProblems } from '#contracts/payments';
import type { EventDraft } from '#kit/messaging';
import { openTestDatabase, until, quietWorld as world } from '#kit/messaging/testing';
import type { Database, Reply } from '#kit/runtime';
import { abandonChange } from './abandon.ts';
import { fulfil } from './fulfil.ts';
import { createOrders, ordersMigrations } from './index.ts';
import { type Change, startChange } from './model.ts';
import { confirmedOrder } from './testing.ts';

const named = (changeId: string) => ({ changeId, key: changeId, reason: '', occurredAt: '2030-01-01T00:00:00Z' });
const cup = [{ sku: 'CUP', quantity: 1 }];
const back: Change = {
  ...named('ret_1'),
  kind: 'return',
  lines: cup,
  sellable: true,
  refundMinor: undefined,
  onlyUnsent: false,
};

test('units that were not to be sent any more are to be sent after all when their return is refused', () => {
  const mugs = {
    shipmentId: 'shp_1',
    key: 's',
    occurredAt: '2030-01-01T00:00:00Z',
    lines: [{ sku: 'MUG', quantity: 4 }],
  };
  const started = startChange(confirmedOrder, back).order;
  const sent = fulfil(started, { kind: 'fulfil', shipment: mugs });
  expect(sent.state).toBe('fulfilled');
  const abandoned = abandonChange(sent, back, 'restock');
  expect(abandoned).toMatchObject({ state: 'confirmed', refundedMinor: 0, returns: [{ state: 'refused' }] });
  expect(fulfil(abandoned, { kind: 'fulfil', shipment: { ...mugs, lines: cup } }).state).toBe('fulfilled');
});

test('what has happened can not be given up: the money of a cancellation is back, so it has to end as one', () => {
  const cancel: Change = { ...named('can_1'), kind: 'cancel' };
  const { order } = startChange(confirmedOrder, cancel);
  expect(abandonChange(order, cancel, 'give-money-back')).toMatchObject({ state: 'confirmed', cancellation: null });
  expect(() => abandonChange(order, cancel, 'release-stock')).toThrow('the cancel has got to release-stock: resume it');
});

// biome-ignore lint/suspicious/noExplicitAny: tests read replies of every shape
type AnyReply = Reply & { readonly body: any };

let database: Database;
let orders: ReturnType<typeof createOrders>;
let told: EventDraft[] = [];
/** What the others refuse. */
const refuses = { restock: false, refund: false, void: false, capture: false };
/** Payments does not answer captures. */
let isCaptureLost = false;
let isCaptured = false;
let keys = 0;

beforeAll(async () => {
  database = await openTestDatabase(ordersMigrations);
  const done = async () => ({ status: 200, body: {} });
  const refusing = (what: keyof typeof refuses, problem: () => Error) => async () => {
    if (refuses[what]) throw problem();
    return done();
  };
  const restock = refusing('restock', () => inventoryProblems['not-sold']());
  const refund = refusing('refund', () => paymentsProblems[isCaptured ? 'not-captured' : 'capture-pending']());
  const voiding = refusing('void', () => paymentsProblems['provider-refused']());
  const capture = refusing('capture', () => paymentsProblems['provider-refused']());
  orders = createOrders({
    world,
    database,
    inventory: { hold: done, commit: done, release: done, restock } as never,
    payments: {
      authorize: done,
      void: voiding,
      refund,
      async capture() {
        if (isCaptureLost) throw paymentsProblems['provider-unavailable']();
        const reply = await capture();
        isCaptured = true;
        return reply;
      },
    } as never,
    priceOf: async (skus) => new Map(skus.map((sku) => [sku, { name: sku, unitPriceMinor: 500 }])),
    publish: async (_tx, events) => void told.push(...events),
    server: { checkReplies: true },
  });
  await orders.component.start?.();
});
afterAll(async () => {
  await orders.component.drain?.();
  await orders.component.stop?.();
  await database.close();
});
beforeEach(() => {
  told = [];
  Object.assign(refuses, { restock: false, refund: false, void: false, capture: false });
  isCaptured = false;
  isCaptureLost = false;
});

function call(operation: string, params: Record<string, string>, body?: unknown, key?: string): Promise<AnyReply> {
  keys += 1;
  const headers = {
    'holdfast-caller': 'admin:usr_1',
    'idempotency-key': key ?? `key-${keys}`,
    'holdfast-answer-ms': '50',
  };
  const request = { service: 'orders', operation, params, query: {}, headers, ...(body === undefined ? {} : { body }) };
  return orders.server.handle(request, new AbortController().signal) as Promise<AnyReply>;
}

async function placed(): Promise<{ readonly orderId: string }> {
  const lines = [{ sku: 'MUG', quantity: 2 }];
  const body = { email: 'ada@example.org', currency: 'EUR', lines, payment: { method: 'pm_card_visa' } };
  const params = { orderId: (await call('place', {}, body)).body.id as string };
  await until(async () => (await call('get', params)).body.state === 'confirmed');
  return params;
}

/** The saga of the only change of an order, once it is stuck. */
async function stuck(id: string): Promise<{ readonly sagaId: string }> {
  const params = { sagaId: id };
  await until(async () => (await call('inspectSaga', params)).body.status === 'stuck');
  return params;
}

const wanted = { lines: [{ sku: 'MUG', quantity: 1 }] };
const reason = { reason: 'settled by hand' };

test('a return whose units were never taken back is refused once it is given up, and can be asked for again', async () => {
  const order = await placed();
  refuses.restock = true;
  await call('return', order, wanted, 'back-1');
  const [{ returnId }] = (await call('get', order)).body.returns;
  const saga = await stuck(returnId);
  expect((await call('abandonSaga', saga, reason)).body.status).toBe('abandoned');
  const { body } = await call('get', order);
  expect(body).toMatchObject({ state: 'confirmed', refundedMinor: 0, returns: [{ state: 'refused' }] });
  expect((await call('return', order, wanted, 'back-1')).body).toEqual(body);
  expect((await call('abandonSaga', saga, reason)).status).toBe(409);

  refuses.restock = false;
  await call('return', order, { lines: [{ sku: 'MUG', quantity: 2 }] });
  await until(async () => (await call('get', order)).body.state === 'returned');
  expect((await call('get', order)).body.refundedMinor).toBe(1_000);
});

test('a return whose units are back ends without money when its refund is given up, and the money can be refunded later', async () => {
  const order = await placed();
  refuses.refund = true;
  await call('return', order, wanted);
  const [{ returnId }] = (await call('get', order)).body.returns;
  await call('abandonSaga', await stuck(returnId), reason);
  const { body } = await call('get', order);
  expect(body).toMatchObject({ refundedMinor: 0, returns: [{ state: 'done', refundMinor: 0 }] });
  const events = told.filter(({ type }) => type === 'order.returned');
  expect(events.map(({ data }) => data)).toMatchObject([{ refundMinor: 0, returned: wanted.lines }]);

  refuses.refund = false;
  await call('refund', order, { amountMinor: 1_000 });
  await until(async () => (await call('get', order)).body.refunds[0].state === 'done');
});

test('a refund or a cancellation that is given up leaves the order as it was before', async () => {
  const order = await placed();
  Object.assign(refuses, { refund: true, void: true });
  await call('refund', order, { amountMinor: 300 });
  const [{ refundId }] = (await call('get', order)).body.refunds;
  await call('abandonSaga', await stuck(refundId), reason);
  expect((await call('get', order)).body).toMatchObject({ refundedMinor: 0, refunds: [{ state: 'refused' }] });

  await call('cancel', order, {});
  const { cancelId } = (await call('get', order)).body.cancellation;
  await call('abandonSaga', await stuck(cancelId), reason);
  expect((await call('get', order)).body).toMatchObject({ state: 'confirmed' });
  expect((await call('get', order)).body.cancellation).toBeUndefined();
});

test('an order is not given up while nobody knows whether its capture has happened', async () => {
  isCaptureLost = true;
  const order = await placed();
  const saga = { sagaId: order.orderId };
  const refused = await call('abandonSaga', saga, reason);
  expect(refused).toMatchObject({
    status: 409,
    body: { detail: 'capture is under way, and place-order ends by itself' },
  });
  isCaptureLost = false;
  await until(async () => (await call('inspectSaga', saga)).body.status === 'completed');
});

test('an order whose capture was refused can be given up, and then a return of it does not wait for its money', async () => {
  refuses.capture = true;
  const order = await placed();
  await call('abandonSaga', await stuck(order.orderId), reason);
  expect((await call('get', order)).body.state).toBe('confirmed');

  refuses.refund = true;
  await call('return', order, wanted);
  const [{ returnId }] = (await call('get', order)).body.returns;
  const saga = await stuck(returnId);
  const { cause, journal } = (await call('inspectSaga', saga)).body;
  expect(cause).toMatchObject({
    reason: 'payments/capture-pending',
    detail: expect.stringContaining(`saga ${order.orderId} was abandoned`),
  });
  expect(journal.at(-1)).toMatchObject({ step: 'refund', event: 'failed', attempts: 1 });
  await call('abandonSaga', saga, reason);
  expect((await call('get', order)).body.returns).toMatchObject([{ state: 'done', refundMinor: 0 }]);
});
