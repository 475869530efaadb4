import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inventory as inventoryContract } from '#contracts/inventory';
import { orders as ordersContract } from '#contracts/orders';
import { payments as paymentsContract } from '#contracts/payments';
import { type CallContext, type Caller, createClient, createLocalTransport, type Served } from '#kit/contract';
import { createOutbox, createPostgresLog, logMigrations, outboxMigrations } from '#kit/messaging';
import { createHost, type Database, type Host, type Logger, systemWorld } from '#kit/runtime';
import { createDatabase, migrate } from '#kit/store';
import { createTestDatabase } from '#kit/store/embedded/testing';
import { createInventory, inventoryMigrations } from '#services/inventory';
import { createOrders, ordersMigrations } from '#services/orders';
import { createPayments, paymentsMigrations } from '#services/payments';
import { createSandboxProvider } from '#services/payments/provider';
import { createMemoryJournal, createSandbox, doubleCharges, type Sandbox } from '#services/payments/sandbox';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);

interface Shop {
  readonly host: Host;
  readonly orders: ReturnType<typeof createClient<typeof ordersContract>>;
  readonly inventory: ReturnType<typeof createClient<typeof inventoryContract>>;
  readonly payments: ReturnType<typeof createClient<typeof paymentsContract>>;
  readonly sandbox: Sandbox;
  readonly ordersDatabase: Database;
}

let shop: Shop;

beforeAll(async () => {
  const databaseOf = async (migrations: Parameters<typeof migrate>[1]) => {
    const { url } = await createTestDatabase();
    await migrate(url, migrations);
    return createDatabase({ url, ...world });
  };
  const [ordersDatabase, inventoryDatabase, paymentsDatabase, logDatabase] = await Promise.all([
    databaseOf([...ordersMigrations, outboxMigrations]),
    databaseOf(inventoryMigrations),
    databaseOf(paymentsMigrations),
    databaseOf([logMigrations]),
  ]);
  const sandbox = await createSandbox({ ...world, journal: createMemoryJournal({ keep: true }) });
  const provider = createSandboxProvider({ sandbox, ...world, webhookSecret: 'whsec_test' });
  const transport = createLocalTransport(world.timers);
  const client = { transport, clock: world.clock };
  const log = createPostgresLog({ database: logDatabase, world });
  const outbox = createOutbox({ source: 'orders', database: ordersDatabase, log, world });
  const server = {
    checkReplies: true,
    onServed: ({ problem }: Served) => {
      if (problem?.category === 'internal') process.stderr.write(`${inspect(problem.cause ?? problem)}\n`);
    },
  };
  const inventory = createInventory({ world, database: inventoryDatabase, server });
  const payments = createPayments({ world, database: paymentsDatabase, provider, server });
  const orders = createOrders({
    world,
    database: ordersDatabase,
    inventory: createClient(inventoryContract, client),
    payments: createClient(paymentsContract, client),
    priceOf: async (skus) =>
      new Map(skus.filter((sku) => sku !== 'NONE').map((sku) => [sku, { name: sku, unitPriceMinor: 250 }])),
    publish: async (tx, events) => void (await outbox.publish(tx, events)),
    server,
  });
  const host = createHost({ log: quiet, timers: world.timers });
  for (const part of [inventory, payments, orders]) {
    transport.attach(part.server);
    host.add(part.component);
  }
  await host.start();
  shop = {
    host,
    sandbox,
    ordersDatabase,
    orders: createClient(ordersContract, client),
    inventory: createClient(inventoryContract, client),
    payments: createClient(paymentsContract, client),
  };
});

afterAll(async () => {
  await shop?.host.stop();
});

let keys = 0;
function as(caller: Caller, waitMs = 10_000): CallContext {
  return {
    caller,
    correlationId: 'test',
    step: 0,
    traceparent: undefined,
    idempotencyKey: undefined,
    deadlineAtMs: world.clock.monotonicMs() + waitMs,
    signal: new AbortController().signal,
    headers: {},
  };
}
const staff: Caller = { kind: 'staff', id: 'usr_1' };
const guest: Caller = { kind: 'anonymous', id: 'anonymous' };
const newKey = () => `key-${++keys}`;

async function receive(sku: string, quantity: number): Promise<void> {
  await shop.inventory.receive({ key: newKey(), body: { lines: [{ sku, quantity }] } }, as(staff));
}

function orderFor(sku: string, quantity = 1, method = 'pm_card_visa') {
  return { email: 'ada@example.com', currency: 'EUR', lines: [{ sku, quantity }], payment: { method } };
}

test('an order is confirmed, its units are sold and its amount is captured', async () => {
  await receive('ROPE', 10);
  const reply = await shop.orders.place({ key: newKey(), body: orderFor('ROPE', 2) }, as(guest));
  expect(reply).toMatchObject({ status: 201, body: { state: 'confirmed', totalMinor: 500 } });
  const { id } = reply.body;
  await expect
    .poll(async () => (await shop.payments.get({ params: { orderId: id } }, as(staff))).body)
    .toMatchObject({ status: 'captured', capturedMinor: 500 });
  const levels = await shop.inventory.levels({ query: { sku: ['ROPE'] } }, as(staff));
  expect(levels.body.items).toMatchObject([{ received: 10, onHand: 8, held: 0, sold: 2 }]);
});

test('a repeat with the same key gives the same order, another payload is refused', async () => {
  await receive('KNOT', 10);
  const key = newKey();
  const first = await shop.orders.place({ key, body: orderFor('KNOT') }, as(guest));
  const again = await shop.orders.place({ key, body: orderFor('KNOT') }, as(guest));
  expect(again).toEqual(first);
  await expect(shop.orders.place({ key, body: orderFor('KNOT', 2) }, as(guest))).rejects.toMatchObject({
    code: 'contract/idempotency-key-reused',
    status: 422,
  });
});

test('concurrent twins make one order', async () => {
  await receive('TWIN', 10);
  const key = newKey();
  const replies = await Promise.all(
    Array.from({ length: 8 }, () => shop.orders.place({ key, body: orderFor('TWIN') }, as(guest))),
  );
  expect(new Set(replies.map((reply) => reply.body.id)).size).toBe(1);
  const levels = await shop.inventory.levels({ query: { sku: ['TWIN'] } }, as(staff));
  expect(levels.body.items).toMatchObject([{ onHand: 9, sold: 1 }]);
});

test('two hundred buyers of fifty units get fifty orders', async () => {
  await receive('HOT', 50);
  const replies = await Promise.all(
    Array.from({ length: 200 }, () => shop.orders.place({ key: newKey(), body: orderFor('HOT') }, as(guest))),
  );
  const states = replies.map((reply) => reply.body.state);
  expect(states.filter((state) => state === 'confirmed')).toHaveLength(50);
  expect(states.filter((state) => state === 'refused')).toHaveLength(150);
  const refused = replies.find((reply) => reply.body.state === 'refused');
  expect(refused?.body).toMatchObject({ reason: { code: 'inventory/out-of-stock' } });
  const { body } = await shop.inventory.conservation({}, as(staff));
  expect(body.violations).toEqual([]);
});

test('a declined card refuses the order with the reason and gives the units back', async () => {
  await receive('DEAR', 1);
  const reply = await shop.orders.place(
    { key: newKey(), body: orderFor('DEAR', 1, 'pm_card_chargeDeclined') },
    as(guest),
  );
  expect(reply).toMatchObject({ status: 201, body: { state: 'refused', reason: { code: 'payments/declined' } } });
  const levels = await shop.inventory.levels({ query: { sku: ['DEAR'] } }, as(staff));
  expect(levels.body.items).toMatchObject([{ onHand: 1, held: 0, sold: 0 }]);
});

test('a cancelled order gives money and units back', async () => {
  await receive('SOON', 3);
  const { body } = await shop.orders.place({ key: newKey(), body: orderFor('SOON', 3) }, as(guest));
  const cancelled = await shop.orders.cancel({ key: newKey(), params: { orderId: body.id }, body: {} }, as(guest));
  expect(cancelled).toMatchObject({ status: 200, body: { state: 'cancelled', refundedMinor: 750 } });
  const levels = await shop.inventory.levels({ query: { sku: ['SOON'] } }, as(staff));
  expect(levels.body.items).toMatchObject([{ onHand: 3, sold: 0 }]);
  const paid = await shop.payments.get({ params: { orderId: body.id } }, as(staff));
  expect(paid.body.capturedMinor - paid.body.refundedMinor).toBe(0);
});

test('a return puts units back and refunds their price, once', async () => {
  await receive('BACK', 5);
  const { body } = await shop.orders.place({ key: newKey(), body: orderFor('BACK', 3) }, as(guest));
  const key = newKey();
  const wanted = { key, params: { orderId: body.id }, body: { lines: [{ sku: 'BACK', quantity: 2 }] } };
  const first = await shop.orders.return(wanted, as(staff));
  expect(first).toMatchObject({ status: 200, body: { state: 'confirmed', refundedMinor: 500 } });
  expect(await shop.orders.return(wanted, as(staff))).toEqual(first);
  await expect(shop.orders.return({ ...wanted, key: newKey() }, as(staff))).rejects.toMatchObject({
    code: 'orders/not-possible',
  });
  const levels = await shop.inventory.levels({ query: { sku: ['BACK'] } }, as(staff));
  expect(levels.body.items).toMatchObject([{ onHand: 4, sold: 1 }]);
});

test('an order is sent in parts, each once under its key, and can be cancelled no more; then it is completed', async () => {
  await receive('PART', 3);
  const { body } = await shop.orders.place({ key: newKey(), body: orderFor('PART', 3) }, as(guest));
  const params = { orderId: body.id };
  const first = { params, key: newKey(), body: { lines: [{ sku: 'PART', quantity: 2 }], reference: 'RR 1' } };
  const twins = await Promise.all(Array.from({ length: 8 }, () => shop.orders.fulfil(first, as(staff))));
  expect(new Set(twins.map((twin) => JSON.stringify(twin.body))).size).toBe(1);
  expect(twins[0]?.body).toMatchObject({ state: 'confirmed', shipments: [{ reference: 'RR 1' }] });
  expect(await shop.orders.fulfil(first, as(staff))).toMatchObject({ body: twins[0]?.body });
  const other = { ...first, body: { lines: [{ sku: 'PART', quantity: 1 }] } };
  await expect(shop.orders.fulfil(other, as(staff))).rejects.toMatchObject({ status: 422 });
  const tooMany = { ...first, key: newKey() };
  await expect(shop.orders.fulfil(tooMany, as(staff))).rejects.toMatchObject({
    code: 'orders/not-possible',
    errors: [{ pointer: '/lines/0', detail: 'PART: 1 left to send' }],
  });
  // A key that was refused may be used again.
  const rest = await shop.orders.fulfil({ ...tooMany, body: {} }, as(staff));
  expect(rest.body).toMatchObject({ state: 'fulfilled', shipments: [{}, { lines: [{ sku: 'PART', quantity: 1 }] }] });
  await expect(shop.orders.cancel({ params, key: newKey(), body: {} }, as(guest))).rejects.toMatchObject({
    code: 'orders/not-possible',
  });
  const done = { params, key: newKey(), body: {} };
  expect((await shop.orders.complete(done, as(staff))).body.state).toBe('completed');
  expect((await shop.orders.complete(done, as(staff))).body.state).toBe('completed');
  const back = { params, key: newKey(), body: { lines: [{ sku: 'PART', quantity: 3 }] } };
  expect((await shop.orders.return(back, as(staff))).body).toMatchObject({ state: 'returned', refundedMinor: 750 });
  const { rows } = await shop.ordersDatabase.query<{ type: string; state: string; units: number | null }>(
    `select envelope ->> 'type' as type, envelope -> 'data' ->> 'state' as state,
       (envelope -> 'data' -> 'shipment' -> 'lines' -> 0 ->> 'quantity')::int as units
     from outbox where envelope ->> 'subject' = $1 order by id`,
    [body.id],
  );
  expect(rows.slice(2)).toEqual([
    { type: 'order.fulfilled', state: 'confirmed', units: 2 },
    { type: 'order.fulfilled', state: 'fulfilled', units: 1 },
    { type: 'order.completed', state: 'completed', units: null },
    { type: 'order.returned', state: 'returned', units: null },
  ]);
});

test('a refund of money that is gone is stuck with the reason, can be tried again, and be given up', async () => {
  await receive('GONE', 1);
  const { body } = await shop.orders.place({ key: newKey(), body: orderFor('GONE') }, as(guest));
  const ofOrder = { params: { orderId: body.id } };
  // Behind the back of orders: what was taken has been paid back.
  await shop.payments.void(ofOrder, as({ kind: 'service', id: 'orders' }));
  const refund = { ...ofOrder, key: newKey(), body: { amountMinor: 100 } };
  expect((await shop.orders.refund(refund, as(staff, 500))).status).toBe(202);
  const stuck = async () => (await shop.orders.listSagas({ query: { status: 'stuck' } }, as(staff))).body.items;
  await expect.poll(stuck).toMatchObject([{ definition: 'refund-order', cause: { reason: 'payments/not-captured' } }]);
  const [saga] = await stuck();
  const ofSaga = { params: { sagaId: saga?.id ?? '' } };
  await shop.orders.resumeSaga(ofSaga, as(staff));
  await expect.poll(stuck).toMatchObject([{ id: saga?.id }]);
  const admin: Caller = { kind: 'admin', id: 'usr_2' };
  const given = await shop.orders.abandonSaga({ ...ofSaga, body: { reason: 'paid back by hand' } }, as(admin));
  expect(given.body.status).toBe('abandoned');
  expect(await stuck()).toEqual([]);
});

test('the provider has charged no order twice, and what it took is what the orders say', async () => {
  expect(doubleCharges(shop.sandbox.ledger.entries())).toEqual([]);
  const events = await shop.ordersDatabase.query<{ n: number }>(
    `select count(*)::int as n from outbox where envelope ->> 'type' = 'order.confirmed'`,
  );
  const confirmed = await shop.ordersDatabase.query<{ n: number }>(
    `select count(*)::int as n from customer_order where state in ('confirmed', 'cancelled', 'returned')`,
  );
  expect(events.rows[0]?.n).toBe(confirmed.rows[0]?.n);
});
