import { beforeAll, beforeEach, expect, test } from 'vitest';
import type { PricingRules } from '#contracts/carts';
import { inventory as inventoryContract } from '#contracts/inventory';
import { paymentsProblems } from '#contracts/payments';
import { type CallContext, contractProblems, createClient, createLocalTransport } from '#kit/contract';
import { openTestDatabase, quietWorld as world } from '#kit/messaging/testing';
import { type Database, type Reply, systemTimers } from '#kit/runtime';
import { createInventory, inventoryMigrations } from '../inventory/index.ts';
import type { TillDraft } from './events.ts';
import { createTills, tillsMigrations } from './index.ts';
import { paymentIdOf } from './settle.ts';

/** Tills on PostgreSQL with the real inventory beside them; carts and the payment provider do as they are told. */

// biome-ignore lint/suspicious/noExplicitAny: tests read replies of every shape
type AnyReply = Reply & { readonly body: any };

const rules: PricingRules = {
  taxes: [{ country: 'DE', name: 'VAT', included: true, rates: { standard: 190_000 } }],
  taxClasses: [],
  shippingMethods: [],
};
const neighbours = {
  cartsUp: true,
  inventoryUp: true,
  /** Sales that inventory falls over. */
  poison: new Set<unknown>(),
  /** What happens just before stock is handed over. */
  beforeTransfer: async () => {},
  captured: new Map<string, number>(),
  voided: new Set<string>(),
  refunds: new Map<string, number>(),
  /** Payments that take nothing back. */
  shut: new Set<string>(),
};

let database: Database;
let stock: Database;
let tills: ReturnType<typeof createTills>;
let told: TillDraft[] = [];
let inventory: ReturnType<typeof createClient<typeof inventoryContract>>;

beforeAll(async () => {
  [database, stock] = await Promise.all([openTestDatabase(tillsMigrations), openTestDatabase(inventoryMigrations)]);
  const transport = createLocalTransport(systemTimers);
  transport.attach(createInventory({ world, database: stock, server: { checkReplies: true } }).server);
  const { clock } = world;
  inventory = createClient(inventoryContract, {
    clock,
    transport: {
      async send(request, signal) {
        if (!neighbours.inventoryUp) throw contractProblems.unavailable();
        if (neighbours.poison.has((request.body as { reference?: unknown })?.reference))
          throw contractProblems.internal();
        if (request.operation === 'transfer') await neighbours.beforeTransfer();
        return transport.send(request, signal);
      },
    },
  });
  tills = createTills({
    world,
    database,
    inventory,
    carts: {
      rules: async () => {
        if (!neighbours.cartsUp) throw contractProblems.unavailable();
        return { status: 200, body: rules };
      },
    } as never,
    payments: paymentsFake() as never,
    publish: async (_tx, events) => void told.push(...events),
    products: {
      labels: async ({ body }: { body: { skus: string[] } }) => ({
        status: 200,
        body: {
          items: body.skus.map((sku) => ({ sku, name: `${sku} 9.8`, amountMinor: 1_000, gtin: '02900000000018' })),
        },
      }),
    } as never,
    server: { checkReplies: true },
  });
});

function paymentsFake() {
  const { captured, refunds, shut, voided } = neighbours;
  const view = (orderId: string) => ({ status: 200, body: { orderId, capturedMinor: captured.get(orderId) ?? 0 } });
  return {
    authorize: async ({ body }: { body: { orderId: string; amountMinor: number; method: string } }) => {
      if (!captured.has(body.orderId)) captured.set(body.orderId, body.amountMinor);
      return view(body.orderId);
    },
    void: async ({ params }: { params: { orderId: string } }) => {
      voided.add(params.orderId);
      return view(params.orderId);
    },
    capture: async ({ params }: { params: { orderId: string } }) => view(params.orderId),
    get: async ({ params }: { params: { orderId: string } }) => {
      if (!captured.has(params.orderId)) throw contractProblems['not-found']();
      return view(params.orderId);
    },
    refund: async ({
      params,
      body,
    }: {
      params: { orderId: string };
      body: { refundId: string; amountMinor: number };
    }) => {
      if (shut.has(params.orderId)) throw paymentsProblems['not-captured']();
      refunds.set(body.refundId, body.amountMinor);
      return { status: 200, body: {} };
    },
  };
}

const staff = { 'holdfast-caller': 'staff:usr_1' };
let keys = 0;

function call(
  operation: string,
  { params = {}, body, headers = staff }: { params?: object; body?: unknown; headers?: Record<string, string> } = {},
): Promise<AnyReply> {
  keys += 1;
  const request = {
    service: 'tills',
    operation,
    params: params as Record<string, string>,
    query: {},
    headers: { 'idempotency-key': `key-${keys}`, ...headers },
    ...(body === undefined ? {} : { body }),
  };
  return tills.server.handle(request, new AbortController().signal) as Promise<AnyReply>;
}

const asStaff = (key?: string): CallContext => ({
  caller: { kind: 'staff', id: 'usr_1' },
  correlationId: 'test',
  step: 0,
  traceparent: undefined,
  idempotencyKey: key,
  deadlineAtMs: world.clock.monotonicMs() + 10_000,
  signal: new AbortController().signal,
  headers: {},
});

interface Device {
  readonly tillId: string;
  readonly key: string;
  record(...entries: object[]): Promise<AnyReply>;
}

async function newTill(share = 0): Promise<Device> {
  const made = await call('create', { body: { name: 'Front', currency: 'EUR', country: 'DE' } });
  const { id: tillId } = made.body.till;
  const { body } = await call('enrol', { headers: {}, body: { code: made.body.code, device: 'tablet' } });
  if (share > 0)
    await call('restock', { params: { tillId }, body: { direction: 'in', lines: [{ sku: 'ROPE', quantity: share }] } });
  const { key } = body;
  const record = (...entries: object[]) => call('record', { headers: { 'till-key': key }, body: { entries } });
  return { tillId, key, record };
}

const id = (prefix: string) => world.ids.next(prefix);
const session = id('tse');
const at = '2030-01-01T10:00:00Z';
const open = (seq: number, sessionId = session) => ({
  kind: 'open',
  seq,
  sessionId,
  at,
  cashier: 'Ada',
  floatMinor: 10_000,
});
const close = (seq: number, countedMinor: number) => ({ kind: 'close', seq, sessionId: session, at, countedMinor });

function sale(seq: number, quantity: number, over: object = {}) {
  const totalMinor = 1_000 * quantity;
  return {
    kind: 'sale',
    seq,
    sessionId: session,
    at,
    saleId: id('sal'),
    lines: [{ sku: 'ROPE', name: 'Rope', quantity, unitPriceMinor: 1_000 }],
    discounts: [],
    totalMinor,
    tenders: [{ kind: 'cash', amountMinor: totalMinor }],
    ...over,
  };
}

function giveBack(seq: number, saleId: string, quantity: number, over: object = {}) {
  return {
    kind: 'return',
    seq,
    sessionId: session,
    at,
    returnId: id('tre'),
    saleId,
    lines: [{ sku: 'ROPE', quantity, sellable: true }],
    tenders: [{ kind: 'cash', amountMinor: 1_000 * quantity }],
    ...over,
  };
}

async function levels(holder: string) {
  const { body } = await inventory.levels({ query: { holder } }, asStaff());
  return body.items[0];
}

async function isConserved(): Promise<void> {
  const { body } = await inventory.conservation({}, asStaff());
  expect(body.violations).toEqual([]);
  expect(body.received).toBe(body.onHand + body.held + body.sold + body.writtenOff + body.inTransfer);
}

beforeEach(async () => {
  told = [];
  neighbours.voided.clear();
  Object.assign(neighbours, { cartsUp: true, inventoryUp: true, beforeTransfer: async () => {} });
  await inventory.receive({ key: id('rcp'), body: { lines: [{ sku: 'ROPE', quantity: 100 }] } }, asStaff());
});

test('a device is enrolled once by its code, and shut out at once when it is revoked', async () => {
  const made = await call('create', { body: { name: 'Front', currency: 'EUR', country: 'DE' } });
  const { id: tillId } = made.body.till;
  const enrol = () => call('enrol', { headers: {}, body: { code: made.body.code, device: 'tablet' } });
  const replies = await Promise.all([enrol(), enrol(), enrol()]);
  expect(replies.map(({ status }) => status).sort()).toEqual([201, 401, 401]);
  const key = replies.find(({ status }) => status === 201)?.body.key;
  const pack = () => call('pack', { headers: { 'till-key': key } });
  expect(await pack()).toMatchObject({
    status: 200,
    body: { till: { id: tillId, state: 'enrolled' }, lastSeq: 0, rules },
  });
  expect(await call('pack', { headers: {} })).toMatchObject({ status: 401, body: { code: 'tills/device-refused' } });
  expect((await call('revoke', { params: { tillId } })).body.state).toBe('revoked');
  expect(await pack()).toMatchObject({ status: 401 });
  const { body } = await call('newCode', { params: { tillId } });
  await database.query('update till set code_expires_at = now() where id = $1', [tillId]);
  const late = await call('enrol', { headers: {}, body: { code: body.code, device: 'tablet' } });
  expect(late).toMatchObject({ status: 401, body: { code: 'tills/code-refused' } });
});

test('a till is made once for each key', async () => {
  const headers = { ...staff, 'idempotency-key': 'one-till' };
  const body = { name: 'Back', currency: 'EUR', country: 'DE' };
  const [first, second] = [await call('create', { body, headers }), await call('create', { body, headers })];
  expect(second.body.till.id).toBe(first.body.till.id);
  expect(second.body.code).not.toBe(first.body.code);
});

test('sales out of a till’s own share count once, delivered twice, in any order, or days later', async () => {
  const till = await newTill(10);
  const entries = [open(1), sale(2, 3), sale(3, 1, { offline: true }), sale(4, 2)];
  await Promise.all([till.record(...entries.slice(2)), till.record(...entries), till.record(...entries.slice(0, 3))]);
  const again = await till.record(...entries);
  expect(again.body).toMatchObject({ conflicts: [], lastSeq: 4 });
  expect(again.body.entries.every(({ isNew }: { isNew: boolean }) => !isNew)).toBe(true);
  expect(await levels(till.tillId)).toMatchObject({ onHand: 4, sold: 6, arrived: 10 });
  expect(await till.record({ ...entries[1], totalMinor: 1 })).toMatchObject({
    status: 409,
    body: { code: 'tills/entry-differs', seq: 2 },
  });
  await isConserved();
});

test('what was sold while everything was away is booked when it is back', async () => {
  const till = await newTill(10);
  await till.record(open(1));
  Object.assign(neighbours, { inventoryUp: false, cartsUp: false });
  expect(await till.record(sale(2, 4))).toMatchObject({ status: 200, body: { conflicts: [], lastSeq: 2 } });
  neighbours.inventoryUp = true;
  expect(await levels(till.tillId)).toMatchObject({ onHand: 10, sold: 0 });
  await till.record(sale(3, 1));
  expect(await levels(till.tillId)).toMatchObject({ onHand: 5, sold: 5 });
  await isConserved();
});

test('what contradicts something is booked as a fact and shown to staff', async () => {
  const till = await newTill(2);
  await till.record(open(1));
  const { body } = await till.record(
    sale(2, 5),
    sale(3, 1, { totalMinor: 900 }),
    sale(4, 1, { tenders: [{ kind: 'card', amountMinor: 1_000 }] }),
    giveBack(5, id('sal'), 1),
    close(6, 0),
    sale(7, 1),
  );
  const kinds = body.conflicts.map(({ seq, kind }: { seq: number; kind: string }) => `${seq} ${kind}`).sort();
  expect(kinds).toEqual([
    '2 share-exceeded',
    '3 share-exceeded',
    '3 tender-differs',
    '3 total-differs',
    '4 card-not-charged',
    '4 share-exceeded',
    '5 unknown-sale',
    '7 after-close',
    '7 share-exceeded',
  ]);
  const listed = await call('conflicts');
  expect(listed.body.items.slice(0, 9).map(({ tillId }: { tillId: string }) => tillId)).toEqual(
    Array(9).fill(till.tillId),
  );
  expect(await levels(till.tillId)).toMatchObject({ onHand: 0, sold: 8 });
  await isConserved();
});

test('amounts that can not be told exactly are refused, and so are numbers that no journal comes to', async () => {
  const till = await newTill(1);
  const line = { sku: 'ROPE', name: 'Rope', quantity: 1_000, unitPriceMinor: 1_000_000_000_000 };
  const dear = { ...line, quantity: 1, unitPriceMinor: 600_000_000_000 };
  const cash = { seq: 1, sessionId: id('tse'), at: '2030-01-01T00:00:00Z', kind: 'cash', amountMinor: 1, reason: 'r' };
  const refused = [
    [sale(1, 1, { lines: [line] }), '/entries/0/lines'],
    [sale(1, 1, { lines: [dear, dear] }), '/entries/0/lines'],
    [sale(1, 1, { totalMinor: 1e300 }), undefined],
    [{ ...cash, seq: 1e21 }, undefined],
    [{ ...cash, at: '0000-01-01T00:00:00Z' }, '/entries/0/at'],
  ] as const;
  for (const [entry, pointer] of refused) {
    const { status, body } = await till.record(entry);
    expect(status, JSON.stringify(entry)).toBe(400);
    if (pointer) expect(body.errors).toMatchObject([{ pointer }]);
  }
});

test('returns bring back what was paid, to the till where the units are, at most what was sold', async () => {
  const [seller, taker] = [await newTill(5), await newTill(1)];
  const discounts = [{ name: 'Box damaged', off: { kind: 'percentage', ratePpm: 100_000 } }];
  const sold = sale(2, 3, { discounts, totalMinor: 2_700, tenders: [{ kind: 'cash', amountMinor: 2_700 }] });
  await seller.record(open(1), sold);
  const back = (seq: number, quantity: number, amountMinor: number) =>
    giveBack(seq, sold.saleId, quantity, { tenders: [{ kind: 'cash', amountMinor }] });
  expect((await taker.record(open(1), back(2, 2, 1_800))).body.conflicts).toEqual([]);
  expect(await levels(taker.tillId)).toMatchObject({ onHand: 3 });
  expect(await levels(seller.tillId)).toMatchObject({ onHand: 2, sold: 1 });
  const receipt = await call('getSale', { params: { saleId: sold.saleId } });
  expect(receipt.body).toMatchObject({
    cashier: 'Ada',
    refundedMinor: 1_800,
    returned: [{ sku: 'ROPE', quantity: 2 }],
  });
  const { body } = await taker.record(back(3, 2, 900));
  expect(body.conflicts.map(({ kind }: { kind: string }) => kind)).toContain('not-sold');
  await isConserved();
});

test('units that come back where they can not be handed over are shown to staff, and hold nothing up', async () => {
  const [seller, taker] = [await newTill(2), await newTill(1)];
  const sold = sale(2, 2);
  await seller.record(open(1), sold);
  // The seller sells what is just coming back elsewhere.
  neighbours.beforeTransfer = async () => {
    const body = { reference: id('sal'), holder: seller.tillId, lines: [{ sku: 'ROPE', quantity: 2 }] };
    await inventory.sell({ body }, asStaff());
  };
  const { body } = await taker.record(open(1), giveBack(2, sold.saleId, 2), sale(3, 1));
  expect(body.conflicts).toMatchObject([{ seq: 2, kind: 'share-exceeded' }]);
  expect(await levels(taker.tillId)).toMatchObject({ onHand: 0, sold: 1 });
  await isConserved();
});

const ofTill = async (tillId: string) =>
  (await call('conflicts')).body.items.filter((one: { tillId: string }) => one.tillId === tillId);

test('what inventory keeps refusing stands aside, for staff to see, with what comes back of it; the rest goes on', async () => {
  const till = await newTill(9);
  const refused = sale(2, 1);
  neighbours.poison.add(refused.saleId);
  const entries = [open(1), refused, sale(3, 2), giveBack(4, refused.saleId, 1), sale(5, 3)];
  const settle = () => till.record(...entries);
  for (let i = 0; i < 2; i++) expect((await settle()).body.conflicts).toEqual([]);
  expect(await levels(till.tillId)).toMatchObject({ sold: 0 });
  for (let i = 0; i < 3; i++) await settle();
  expect(await levels(till.tillId)).toMatchObject({ sold: 5, onHand: 4 });
  expect(await ofTill(till.tillId)).toMatchObject([
    { seq: 4, kind: 'not-settled', detail: expect.stringContaining(refused.saleId) },
    { seq: 2, kind: 'not-settled', detail: expect.stringContaining('not told yet after 3 attempts: ') },
  ]);
  neighbours.poison.clear();
  await database.query('update entry set try_at = now() where till_id = $1', [till.tillId]);
  await settle();
  expect(await levels(till.tillId)).toMatchObject({ sold: 5, onHand: 4 });
  expect(await ofTill(till.tillId)).toEqual([]);
  expect((await database.query('select 1 from entry where till_id = $1 and not settled', [till.tillId])).count).toBe(0);
  await isConserved();
});

test('while inventory is away nothing stands aside, unless it is so for long', async () => {
  const till = await newTill(9);
  const entries = [open(1), sale(2, 1), sale(3, 1)];
  neighbours.inventoryUp = false;
  for (let i = 0; i < 5; i++) expect((await till.record(...entries)).body.conflicts).toEqual([]);
  const age = `update entry set failing_since = now() - interval '16 minutes' where till_id = $1 and seq = 2`;
  await database.query(age, [till.tillId]);
  expect((await till.record(...entries)).body.conflicts).toMatchObject([{ seq: 2, kind: 'not-settled' }]);
  neighbours.inventoryUp = true;
  await till.record(...entries);
  expect(await levels(till.tillId)).toMatchObject({ sold: 1 });
  await database.query('update entry set try_at = now() where till_id = $1', [till.tillId]);
  expect((await till.record(...entries)).body.conflicts).toEqual([]);
  expect(await levels(till.tillId)).toMatchObject({ sold: 2 });
});

test('a card is charged once for each sale, and refunded with the return', async () => {
  const till = await newTill(5);
  const sold = sale(2, 2, { tenders: [{ kind: 'card', amountMinor: 2_000 }] });
  const charge = () =>
    call('charge', {
      headers: { 'till-key': till.key },
      body: { saleId: sold.saleId, amountMinor: 2_000, method: 'pm_card_visa' },
    });
  expect((await charge()).body).toEqual((await charge()).body);
  const returned = giveBack(3, sold.saleId, 1, { tenders: [{ kind: 'card', amountMinor: 1_000 }] });
  expect((await till.record(open(1), sold, returned)).body.conflicts).toEqual([]);
  expect(neighbours.refunds.get(returned.returnId)).toBe(1_000);
});

test('a sale is paid by several cards, each charged once, and what comes back goes back by their parts', async () => {
  const till = await newTill(9);
  const headers = { 'till-key': till.key };
  const saleId = id('sal');
  const charge = (card: number, amountMinor: number) =>
    call('charge', { headers, body: { saleId, amountMinor, method: 'pm_card_visa', card } });
  const before = neighbours.captured.size;
  await Promise.all([charge(1, 1_500), charge(2, 500), charge(2, 500), charge(4, 700)]);
  expect(neighbours.captured.size - before).toBe(3);

  const voidCard = (card: number) =>
    tills.server.handle(
      { service: 'tills', operation: 'voidCharge', params: { saleId }, query: { card: String(card) }, headers },
      new AbortController().signal,
    );
  expect(await voidCard(2)).toMatchObject({ status: 200 });
  const tenders = [
    { kind: 'card', amountMinor: 1_500, card: 1 },
    { kind: 'cash', amountMinor: 800 },
    { kind: 'card', amountMinor: 700, card: 4 },
  ];
  expect((await till.record(open(1), sale(2, 3, { saleId, tenders }))).body.conflicts).toEqual([]);
  // Of the sale that was made now, the card that was taken out before may still be called off, the others may not.
  expect(await voidCard(2)).toMatchObject({ status: 200 });
  for (const card of [1, 4]) expect(await voidCard(card)).toMatchObject({ status: 409 });
  expect([...neighbours.voided].filter((one) => neighbours.captured.get(one) === 500)).toHaveLength(1);

  const back = [
    { kind: 'card', amountMinor: 1_500, card: 1 },
    { kind: 'card', amountMinor: 500, card: 4 },
  ];
  const returned = giveBack(3, saleId, 2, { tenders: back });
  expect((await till.record(returned)).body.conflicts).toEqual([]);
  expect([neighbours.refunds.get(returned.returnId), neighbours.refunds.get(`${returned.returnId}-4`)]).toEqual([
    1_500, 500,
  ]);
  const known = await call('getSale', { params: { saleId } });
  expect(known.body).toMatchObject({ refundedMinor: 2_000, refunds: back });
});

test('a card that was not charged, and one that takes nothing back, are named among those of their sale', async () => {
  const till = await newTill(9);
  const headers = { 'till-key': till.key };
  const saleId = id('sal');
  const body = { saleId, amountMinor: 600, method: 'pm_card_visa', card: 2 };
  await call('charge', { headers, body });
  const tenders = [1, 2, 3].map((card) => ({ kind: 'card', amountMinor: card === 1 ? 1_000 : 600, card }));
  const made = sale(2, 2, { saleId, totalMinor: 2_200, tenders });
  const told = await till.record(open(1), made);
  expect(told.body.conflicts.find(({ kind }: { kind: string }) => kind === 'card-not-charged').detail).toBe(
    '1000 by card 1, the provider has taken nothing; 600 by card 3, the provider has taken nothing',
  );
  for (const orderId of neighbours.captured.keys()) neighbours.shut.add(orderId);
  const returned = giveBack(3, saleId, 1, {
    tenders: [
      { kind: 'card', amountMinor: 400, card: 3 },
      { kind: 'card', amountMinor: 600, card: 2 },
    ],
  });
  const refused = (await till.record(returned)).body.conflicts;
  expect(refused).toMatchObject([{ kind: 'card-not-charged', detail: expect.stringMatching(/^600 to card 2: /) }]);
  expect(neighbours.refunds.get(`${returned.returnId}-3`)).toBe(400);
});

test('a device can name no payment of the shop, whatever it calls its sale', async () => {
  const till = await newTill(5);
  const headers = { 'till-key': till.key };
  const orderId = id('ord');
  const saleId = orderId.replace('ord_', 'sal_');
  await call('charge', { headers, body: { saleId, amountMinor: 600, method: 'pm_card_visa' } });
  await call('voidCharge', { headers, params: { saleId } });
  expect([...neighbours.captured.keys(), ...neighbours.voided]).not.toContain(orderId);
});

test('the card of a sale that is not made gets its money back, that of a sale that was made does not', async () => {
  const till = await newTill(5);
  const headers = { 'till-key': till.key };
  const lost = id('sal');
  expect(await call('voidCharge', { headers, params: { saleId: lost } })).toMatchObject({ status: 200 });
  expect([...neighbours.voided]).toEqual([paymentIdOf(lost)]);
  const made = sale(2, 1, { tenders: [{ kind: 'card', amountMinor: 1_000 }] });
  await till.record(open(1), made);
  expect(await call('voidCharge', { headers, params: { saleId: made.saleId } })).toMatchObject({
    status: 409,
    body: { code: 'tills/sale-made' },
  });
});

test('a device takes along its share with names and prices, less what inventory has not heard of', async () => {
  const till = await newTill(5);
  const headers = { 'till-key': till.key };
  expect((await call('catalogue', { headers })).body).toEqual({
    items: [{ sku: 'ROPE', name: 'ROPE 9.8', unitPriceMinor: 1_000, gtin: '02900000000018' }],
  });
  neighbours.inventoryUp = false;
  await till.record(open(1), sale(2, 2));
  neighbours.inventoryUp = true;
  const pack = await call('pack', { headers });
  expect(pack.body).toMatchObject({ lastSeq: 2, share: [{ sku: 'ROPE', onHand: 3 }] });
  expect(pack.body.till.offline).toEqual({ amountMinorMax: 500_000, ageMsMax: 259_200_000 });
  const offline = { amountMinorMax: 9_900, ageMsMax: 3_600_000 };
  const changed = await call('change', { params: { tillId: till.tillId }, body: { name: 'Pier', offline } });
  expect(changed.body).toMatchObject({ name: 'Pier', offline });
  expect((await call('pack', { headers })).body.till).toMatchObject({ name: 'Pier', offline });
});

test('while inventory is away a device is told all but its share, which it must not take for none', async () => {
  const till = await newTill(5);
  const headers = { 'till-key': till.key };
  await till.record(open(1));
  neighbours.inventoryUp = false;
  const pack = await call('pack', { headers });
  expect(pack).toMatchObject({ status: 200, body: { lastSeq: 1, rules } });
  expect(pack.body.share).toBeUndefined();
  neighbours.inventoryUp = true;
  expect((await call('pack', { headers })).body.share).toEqual([{ sku: 'ROPE', onHand: 5 }]);
});

test('sales and returns are told to others once, and a receipt is mailed to an address once', async () => {
  const till = await newTill(5);
  const sold = sale(2, 2);
  const entries = [open(1), sold, giveBack(3, sold.saleId, 1)];
  await till.record(...entries);
  await till.record(...entries);
  expect(told.map(({ type, key }) => [type, key])).toEqual([
    ['till.sold', sold.saleId],
    ['till.returned', sold.saleId],
  ]);
  expect(told[0]?.data).toMatchObject({ totalMinor: 2_000, lines: [{ sku: 'ROPE', quantity: 2 }], country: 'DE' });
  expect(told[1]?.data).toMatchObject({
    refundMinor: 1_000,
    returned: [{ sku: 'ROPE', quantity: 1 }],
    soldAt: told[0]?.data.soldAt,
  });
  told = [];
  const mail = (saleId: string, email: string) =>
    call('mailReceipt', { headers: { 'till-key': till.key }, params: { saleId }, body: { email } });
  for (let i = 0; i < 2; i++) expect((await mail(sold.saleId, 'ada@example.com')).status).toBe(202);
  expect(told).toMatchObject([
    { type: 'till.receipt-wanted', data: { email: 'ada@example.com', totals: { totalMinor: 2_000 } } },
  ]);
  expect((await mail(id('sal'), 'ada@example.com')).status).toBe(404);
});

test('X and Z reports sum up the drawer, the taxes and the difference, and say what has not arrived', async () => {
  const till = await newTill(20);
  const first = sale(2, 3);
  const cash = { kind: 'cash', seq: 4, sessionId: session, at, amountMinor: -2_000, reason: 'Bank' };
  await till.record(open(1), first, cash, giveBack(5, first.saleId, 1));
  const report = (tillId = till.tillId) =>
    call('report', { headers: { 'till-key': till.key }, params: { tillId, sessionId: session } });
  expect((await report()).body).toMatchObject({
    kind: 'X',
    sales: 1,
    returns: 1,
    salesMinor: 3_000,
    refundsMinor: 1_000,
    cash: { floatMinor: 10_000, salesMinor: 3_000, refundsMinor: 1_000, outMinor: 2_000, expectedMinor: 10_000 },
    taxes: [{ ratePpm: 190_000, amountMinor: 479 }],
    missing: [3],
  });
  await till.record(sale(3, 2, { tenders: [{ kind: 'card', amountMinor: 2_000 }] }), close(6, 9_990));
  expect((await report()).body).toMatchObject({
    kind: 'Z',
    sales: 2,
    cardMinor: 2_000,
    cash: { expectedMinor: 10_000, countedMinor: 9_990, differenceMinor: -10 },
    missing: [],
  });
  expect((await call('sessions', { params: { tillId: till.tillId } })).body.items).toHaveLength(1);
  expect(await report(id('till'))).toMatchObject({ status: 404 });
});
