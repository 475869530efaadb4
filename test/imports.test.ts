import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { quietWorld } from '#kit/messaging/testing';
import { createDatabase } from '#kit/store';
import { startWholeShop, type WholeShop } from './whole-shop.ts';

/** What a shop brings with it from elsewhere: orders, returns, stock and money with their own keys and times. */

let shop: WholeShop;
let admin: string;
let staff: string;
beforeAll(async () => {
  shop = await startWholeShop();
  admin = await shop.adminToken();
  staff = await newStaff('clerk@shop.example');
  await post('/inventory/receipts', { lines: [{ sku: 'CUP', quantity: 1_000 }] }, 'cups');
});
afterAll(() => shop?.stop());

const post = (path: string, body: unknown, key?: string, token = admin) =>
  shop.ask('POST', path, { body, token, ...(key === undefined ? {} : { key }) });

async function newStaff(email: string): Promise<string> {
  const account = { email, password: 'four paper kites' };
  const { body } = await shop.ask('POST', '/users', { body: account });
  const reply = await request(`${shop.origin}/users/${body.id}/role`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json', 'if-match': `"${body.version}"` },
    body: JSON.stringify({ role: 'staff' }),
  });
  await reply.body.dump();
  return shop.signIn(account);
}

async function lines(path: string): Promise<Record<string, unknown>[]> {
  const reply = await request(`${shop.origin}${path}`, { headers: { authorization: `Bearer ${admin}` } });
  const text = await reply.body.text();
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
}

/** As it is when results were kept long enough. */
async function forgetResults(service: string): Promise<void> {
  const database = createDatabase({ url: shop.databases[service] as string, ...quietWorld });
  await database.query('delete from idempotency_key where result is not null');
  await database.close();
}

const invoice = (quantity = 2) => ({
  email: 'customer-7@import.invalid',
  currency: 'GBP',
  channel: 'import',
  placedAt: '2010-12-01T08:26:00Z',
  country: 'GB',
  lines: [
    { kind: 'goods', sku: 'CUP', name: 'Cup', quantity, unitPriceMinor: 13, unitPriceExact: '0.125', totalMinor: 25 },
    { kind: 'shipping', name: 'Postage', quantity: 1, unitPriceMinor: 300 },
  ],
  payment: { method: 'pm_card_visa' },
});

test('an imported invoice is one order for ever, whoever imports it', async () => {
  const first = await post('/orders', invoice(), 'inv-1');
  expect(first).toMatchObject({
    status: 201,
    body: { state: 'confirmed', businessKey: 'inv-1', totalMinor: 325, placedAt: '2010-12-01T08:26:00.000Z' },
  });
  expect(first.body.lines[0]).toMatchObject({ unitPriceMinor: 13, unitPriceExact: '0.125', totalMinor: 25 });
  expect((await post('/orders', invoice(), 'inv-1', staff)).body.id).toBe(first.body.id);
  await forgetResults('orders');
  expect((await post('/orders', invoice(), 'inv-1', staff)).body.id).toBe(first.body.id);
  await forgetResults('orders');
  expect(await post('/orders', invoice(3), 'inv-1')).toMatchObject({
    status: 422,
    body: { code: 'contract/idempotency-key-reused' },
  });
  const found = await shop.ask('GET', '/orders?importKey=inv-1&importKey=none', { token: staff });
  expect(found.body.items.map(({ id }: { id: string }) => id)).toEqual([first.body.id]);
});

test('returns and refunds keep their keys and times, and are done once for ever', async () => {
  const { id } = (await post('/orders', invoice(), 'inv-2')).body;
  const back = { lines: [{ sku: 'CUP', quantity: 2 }], refundMinor: 25, occurredAt: '2010-12-09T10:00:00Z' };
  const postage = { amountMinor: 300, reason: 'late', occurredAt: '2010-12-10T10:00:00Z' };
  for (const forget of [false, true]) {
    if (forget) await forgetResults('orders');
    expect((await post(`/orders/${id}/returns`, back, 'credit-2')).status).toBe(200);
    // All goods are back, and there is still postage to refund.
    expect(await post(`/orders/${id}/refunds`, postage, 'credit-2/refund', staff)).toMatchObject({
      status: 200,
      body: {
        state: 'returned',
        refundedMinor: 325,
        returns: [{ key: 'credit-2', state: 'done', refundMinor: 25, occurredAt: '2010-12-09T10:00:00.000Z' }],
        refunds: [{ key: 'credit-2/refund', state: 'done', amountMinor: 300, reason: 'late' }],
      },
    });
  }
  await forgetResults('orders');
  const other = await post(`/orders/${id}/refunds`, { ...postage, amountMinor: 1 }, 'credit-2/refund');
  expect(other.body.code).toBe('contract/idempotency-key-reused');
  const paid = await shop.ask('GET', `/payments/${id}`, { token: admin });
  expect(paid.body).toMatchObject({ capturedMinor: 325, refundedMinor: 325 });
});

test('a cancellation keeps its reason and time', async () => {
  const { id } = (await post('/orders', invoice(), 'inv-3')).body;
  const reply = await post(
    `/orders/${id}/cancel`,
    { reason: 'changed mind', occurredAt: '2010-12-02T00:00:00Z' },
    'c-3',
  );
  expect(reply.body).toMatchObject({
    state: 'cancelled',
    cancellation: { key: 'c-3', reason: 'changed mind', occurredAt: '2010-12-02T00:00:00.000Z' },
  });
});

test('an order that costs nothing is confirmed without a payment', async () => {
  const free = { ...invoice(), lines: [{ kind: 'goods', sku: 'CUP', quantity: 1, unitPriceMinor: 0 }] };
  const { body } = await post('/orders', free, 'inv-4');
  expect(body).toMatchObject({ state: 'confirmed', totalMinor: 0 });
  expect((await shop.ask('GET', `/payments/${body.id}`, { token: admin })).status).toBe(404);
});

test('customers may not say when something happened, nor look orders up by import key', async () => {
  const order = (await post('/orders', invoice(), 'inv-5')).body;
  const account = { email: 'eve@example.com', password: 'four paper kites' };
  await shop.ask('POST', '/users', { body: account });
  const token = await shop.signIn(account);
  const body = { occurredAt: '2010-12-02T00:00:00Z' };
  expect((await post(`/orders/${order.id}/cancel`, body, 'c-5', token)).body.code).toBe('orders/not-permitted');
  expect((await shop.ask('GET', '/orders?importKey=inv-5', { token })).body.code).toBe('orders/not-permitted');
});

test('a stock change is booked once for ever and keeps what was said about it', async () => {
  const lost = {
    lines: [{ sku: 'CUP', change: -3 }],
    reason: 'damaged',
    note: 'wet in the cellar',
    occurredAt: '2010-12-05T09:00:00Z',
  };
  for (const token of [admin, staff]) {
    expect((await post('/inventory/adjustments', lost, 'stock-6', token)).status).toBe(201);
    await forgetResults('inventory');
  }
  expect((await post('/inventory/adjustments', { ...lost, reason: 'lost' }, 'stock-6')).status).toBe(422);
  const journal = await lines('/inventory/movements/export?kind=write-off&kind=receive');
  expect(journal.filter(({ reference }) => reference === 'stock-6')).toMatchObject([
    { sku: 'CUP', kind: 'write-off', quantity: 3, reason: 'damaged', note: 'wet in the cellar' },
  ]);
  expect(new Set(journal.map(({ kind }) => kind))).toEqual(new Set(['write-off', 'receive']));
  const { body } = await shop.ask('GET', '/inventory/conservation', { token: admin });
  expect(body.violations).toEqual([]);
});

test('money that belongs to no order is booked once by its key; other content is refused and leaves nothing', async () => {
  const entry = (key: string, amountMinor: number) => ({
    key,
    currency: 'GBP',
    country: 'GB',
    occurredAt: '2010-12-07T11:00:00Z',
    lines: [{ kind: 'marketplace-fee', amountMinor, note: 'December' }],
  });
  const before = (await shop.ask('GET', '/payments/books', { token: staff })).body;
  const book = (...entries: object[]) => post('/payments/entries', { entries });
  expect((await book(entry('fee-1', -500), entry('fee-2', -70))).body).toEqual({ booked: 2, repeated: 0 });
  expect((await book(entry('fee-1', -500), entry('fee-3', -5))).body).toEqual({ booked: 1, repeated: 1 });
  expect(await book(entry('fee-4', -9), entry('fee-1', -501))).toMatchObject({
    status: 409,
    body: { code: 'payments/entry-differs', keys: ['fee-1'] },
  });
  // Within one request a key is one entry, too.
  expect((await book(entry('fee-3', -5), entry('fee-3', -5))).body).toEqual({ booked: 0, repeated: 2 });
  expect(await book(entry('fee-5', -1), entry('fee-5', -2))).toMatchObject({ status: 409, body: { keys: ['fee-5'] } });
  const most = { kind: 'bad-debt', amountMinor: -1_000_000_000_000 };
  expect(await book({ ...entry('fee-6', 0), lines: [most, most] })).toMatchObject({
    status: 400,
    body: { errors: [{ pointer: '/entries/0/lines', detail: 'come to more than 1000000000000' }] },
  });
  expect((await lines('/payments/entries/export')).map(({ key, totalMinor }) => [key, totalMinor])).toEqual([
    ['fee-1', -500],
    ['fee-2', -70],
    ['fee-3', -5],
  ]);
  const after = (await shop.ask('GET', '/payments/books', { token: staff })).body;
  expect(after).toMatchObject({ booksId: before.booksId, entries: 3 });
  expect(after.totals).toMatchObject([{ currency: 'GBP', entriesMinor: -575 }]);
});

test('an invoice of two thousand lines is one request; what no event could carry is refused', async () => {
  const line = (name: string) => ({ kind: 'fee', name, quantity: 1, unitPriceMinor: 1 });
  const long = (name: string) => ({ ...invoice(), lines: Array.from({ length: 2_000 }, () => line(name)) });
  expect(await post('/orders', long('a cup of tea'), 'inv-7')).toMatchObject({
    status: 201,
    body: { totalMinor: 2_000 },
  });
  expect((await post('/orders', long('a cup of tea '.repeat(9)), 'inv-8')).body.code).toBe('orders/too-long');
});
