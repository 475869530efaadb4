import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seedCatalogue } from '#services/products';
import { startWholeShop, type WholeShop } from './whole-shop.ts';

/** From a guest's first click to a paid order, and a till beside it, through the public door and the real system. */

const sku = seedCatalogue[0]?.variants[0]?.sku as string;

let shop: WholeShop;
let admin: string;
beforeAll(async () => {
  shop = await startWholeShop();
  admin = await shop.adminToken();
});
afterAll(() => shop?.stop());

const address = { name: 'Ada', line1: 'Street 1', city: 'Berlin', country: 'DE' };

async function conserved(): Promise<void> {
  const { body } = await shop.ask('GET', '/inventory/conservation', { token: admin });
  expect(body.violations).toEqual([]);
  expect(body.received).toBe(body.onHand + body.held + body.sold + body.writtenOff + body.inTransfer);
}

test('a guest fills a cart, signs in, uses a code and pays exactly the total that was shown, once', async () => {
  const guest = await shop.ask('POST', '/carts', { body: { currency: 'EUR', destination: { country: 'DE' } } });
  const edits = [{ kind: 'add', sku, quantity: 2 }];
  await shop.ask('POST', `/carts/${guest.body.id}/edits`, { body: { edits }, key: 'click-1' });
  await shop.ask('POST', `/carts/${guest.body.id}/edits`, { body: { edits }, key: 'click-1' });
  const account = { email: 'cart@example.org', password: 'correct horse battery' };
  await shop.ask('POST', '/users', { body: account });
  const token = await shop.signIn(account);
  const joined = await shop.ask('POST', `/carts/${guest.body.id}/join`, { token });
  expect(joined.body.lines).toMatchObject([{ sku, quantity: 2 }]);
  const { id } = joined.body;
  const shown = await shop.ask('PATCH', `/carts/${id}`, { token, body: { codes: ['WELCOME10'] } });
  const { totals } = shown.body;
  expect(totals).toMatchObject({ discounts: [{ code: 'WELCOME10' }], taxAddedMinor: 0 });
  const body = { ...account, password: undefined, shippingAddress: address, payment: { method: 'pm_card_visa' } };
  const pay = (totalMinor: number) =>
    shop.ask('PUT', `/carts/${id}/checkouts/1`, { token, body: { ...body, seen: { totalMinor } } });
  expect(await pay(totals.totalMinor - 1)).toMatchObject({ status: 409, body: { code: 'carts/changed' } });
  const [first, second] = await Promise.all([pay(totals.totalMinor), pay(totals.totalMinor)]);
  expect(first).toMatchObject({ status: 200, body: { state: 'confirmed' } });
  expect(second.body.orderId).toBe(first.body.orderId);
  const order = await shop.ask('GET', `/orders/${first.body.orderId}`, { token });
  expect(order.body).toMatchObject({ totalMinor: totals.totalMinor, businessKey: `${id}.1`, state: 'confirmed' });
  const paid = await shop.ask('GET', `/payments/${first.body.orderId}`, { token: admin });
  await expect.poll(async () => paid.body.amountMinor).toBe(totals.totalMinor);
  expect((await shop.ask('GET', `/carts/${id}`, { token })).body).toMatchObject({ round: 2, lines: [], codes: [] });
  // A part comes back at what was paid for it.
  const line = order.body.lines[0];
  const back = await shop.ask('POST', `/orders/${first.body.orderId}/returns`, {
    token,
    key: 'back',
    body: { lines: [{ sku, quantity: 1 }] },
  });
  expect(back.body.refundedMinor).toBe(Math.floor((line.totalMinor - line.discountMinor) / 2));
  await conserved();
});

test('a till sells its share, to several cards; what it tells twice is sold, charged and given back once', async () => {
  const made = await shop.ask('POST', '/tills', {
    token: admin,
    key: 'till',
    body: { name: 'Counter', currency: 'EUR', country: 'DE' },
  });
  const { id: tillId } = made.body.till;
  const enrolled = await shop.ask('POST', '/tills/enrol', { body: { code: made.body.code, device: 'tablet' } });
  const before = (await shop.ask('GET', `/inventory/availability?sku=${sku}`)).body.items[0].available;
  const lines = [{ sku, quantity: 5 }];
  await shop.ask('POST', `/tills/${tillId}/transfers`, {
    token: admin,
    key: 'share',
    body: { direction: 'in', lines },
  });
  expect((await shop.ask('GET', `/inventory/availability?sku=${sku}`)).body.items[0].available).toBe(before - 5);
  const device = async (path: string, body?: unknown) => {
    const reply = await request(`${shop.origin}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'till-key': enrolled.body.key, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: body === undefined ? null : JSON.stringify(body),
    });
    // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects.
    return (await reply.body.json()) as any;
  };
  const pack = await device('/tills/pack');
  expect(pack).toMatchObject({ lastSeq: 0, share: [{ sku, onHand: 5 }] });
  expect(pack.rules.taxes.length).toBeGreaterThan(0);
  const saleId = `sal_${'0'.repeat(25)}1`;
  const booksBefore = (await shop.ask('GET', '/payments/books', { token: admin })).body.totals[0];
  const pay = (card: number, amountMinor: number, method = 'pm_card_visa') =>
    device('/tills/charges', { saleId, amountMinor, method, card });
  expect(await pay(1, 1_200)).toMatchObject({ chargedMinor: 1_200 });
  expect(await pay(2, 800, 'pm_card_chargeDeclinedInsufficientFunds')).toMatchObject({ code: 'payments/declined' });
  const third = await Promise.all([pay(3, 500), pay(3, 500)]);
  expect(third).toMatchObject([{ chargedMinor: 500 }, { chargedMinor: 500 }]);
  for (const _ of [1, 2]) await device(`/tills/charges/${saleId}/void?card=3`, {});
  expect(await pay(4, 800, 'pm_card_mastercard')).toMatchObject({ chargedMinor: 800 });
  const common = { sessionId: `tse_${'0'.repeat(25)}1`, at: '2030-01-01T10:00:00Z' };
  const entries = [
    { ...common, seq: 1, kind: 'open', cashier: 'Ada', floatMinor: 5_000 },
    {
      ...common,
      seq: 2,
      kind: 'sale',
      saleId,
      lines: [{ sku, name: 'Rope', quantity: 2, unitPriceMinor: 1_000 }],
      discounts: [],
      totalMinor: 2_000,
      tenders: [
        { kind: 'card', amountMinor: 1_200, card: 1 },
        { kind: 'card', amountMinor: 800, card: 4 },
      ],
    },
    {
      ...common,
      seq: 3,
      kind: 'return',
      returnId: `tre_${'0'.repeat(25)}1`,
      saleId,
      lines: [{ sku, quantity: 1, sellable: true }],
      tenders: [
        { kind: 'card', amountMinor: 300, card: 1 },
        { kind: 'card', amountMinor: 700, card: 4 },
      ],
    },
  ];
  for (const _ of [1, 2]) {
    expect(await device('/tills/journal', { entries })).toMatchObject({ lastSeq: 3, conflicts: [] });
  }
  const levels = await shop.ask('GET', `/inventory/levels?holder=${tillId}`, { token: admin });
  expect(levels.body.items).toMatchObject([{ onHand: 4, sold: 1 }]);
  // Three cards were charged once each, one of them got all of it back before the sale was made.
  const books = (await shop.ask('GET', '/payments/books', { token: admin })).body.totals[0];
  expect(books.capturedMinor - booksBefore.capturedMinor).toBe(2_500);
  expect(books.refundedMinor - booksBefore.refundedMinor).toBe(1_500);
  await conserved();
});

test('the assistant has heard of the catalogue', async () => {
  const ask = async () =>
    (await shop.ask('POST', '/assistant/questions', { body: { question: 'a dynamic rope' } })).body;
  await expect.poll(async () => (await ask()).products[0]?.slug).toBe(seedCatalogue[0]?.slug);
});
