import { afterAll, beforeAll, expect, test } from 'vitest';
import { contractProblems } from '#kit/contract';
import { openTestDatabase, quietWorld as world } from '#kit/messaging/testing';
import type { Database, Reply } from '#kit/runtime';
import { createOrders, ordersMigrations } from './index.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read replies of every shape
type AnyReply = Reply & { readonly body: any };

let database: Database;
let orders: ReturnType<typeof createOrders>;
/** What a mug costs; undefined: it is not sold any more. */
let mugMinor: number | undefined = 500;
let isAway = false;
/** Whoever asks for a price learns it as it is now, and hears of it once this is let go. */
let pricing = Promise.resolve();
let onPriced = () => {};
/** Until it is let go, nothing is decided. */
let holding = Promise.resolve();

beforeAll(async () => {
  database = await openTestDatabase(ordersMigrations);
  const done = async () => ({ status: 200, body: {} });
  orders = createOrders({
    world,
    database,
    inventory: { hold: () => holding.then(done), commit: done, release: done } as never,
    payments: { authorize: done, capture: done, void: done } as never,
    async priceOf() {
      if (isAway) throw contractProblems.unavailable();
      const prices = mugMinor === undefined ? [] : [['MUG', { name: 'A mug', unitPriceMinor: mugMinor }] as const];
      onPriced();
      await pricing;
      return new Map(prices);
    },
    publish: async () => {},
    server: { checkReplies: true },
  });
  await orders.component.start?.();
});
afterAll(async () => {
  await orders.component.drain?.();
  await orders.component.stop?.();
  await database.close();
});

const wanted = {
  email: 'ada@example.org',
  currency: 'EUR',
  lines: [{ sku: 'MUG', quantity: 2 }],
  payment: { method: 'pm_card_visa' },
  expectedTotalMinor: 1_000,
};

function place(key: string, body: object = wanted): Promise<AnyReply> {
  const headers = { 'holdfast-caller': 'anonymous:anonymous', 'idempotency-key': key, 'holdfast-answer-ms': '500' };
  const request = { service: 'orders', operation: 'place', params: {}, query: {}, headers, body };
  return orders.server.handle(request, new AbortController().signal) as Promise<AnyReply>;
}

test('who repeats an order that was accepted gets it, whatever its goods cost by then, or whether they are sold at all', async () => {
  mugMinor = 500;
  const first = await place('lost-reply');
  expect(first.body.state).toBe('confirmed');
  for (const later of [600, undefined]) {
    mugMinor = later;
    expect(await place('lost-reply')).toMatchObject({ status: 201, body: first.body });
  }
  isAway = true;
  expect(await place('lost-reply')).toMatchObject({ status: 201, body: first.body });
  isAway = false;
});

test('so does who repeats it while it is under way', async () => {
  mugMinor = 500;
  const letGo = Promise.withResolvers<void>();
  holding = letGo.promise;
  const first = await place('under-way');
  expect(first.status).toBe(202);
  mugMinor = 600;
  const repeat = place('under-way');
  letGo.resolve();
  expect(await repeat).toMatchObject({ status: 201, body: { id: first.body.id, totalMinor: 1_000 } });
});

test('a key that was used for another order is refused for that, not for its price', async () => {
  mugMinor = 500;
  await place('taken');
  mugMinor = 600;
  const other = { ...wanted, lines: [{ sku: 'MUG', quantity: 1 }] };
  expect(await place('taken', other)).toMatchObject({ status: 422, body: { code: 'contract/idempotency-key-reused' } });
});

test('a refusal for what the catalogue says is the answer of its key, also to who asked before it and hears of the price later', async () => {
  for (const later of [600, undefined]) {
    const key = `hangs-until-${later}`;
    mugMinor = 500;
    const letGo = Promise.withResolvers<void>();
    pricing = letGo.promise;
    const priced = new Promise<void>((resolve) => {
      onPriced = resolve;
    });
    const first = place(key);
    await priced;
    pricing = Promise.resolve();
    mugMinor = later;
    const repeat = await place(key);
    expect(repeat.body).toMatchObject({ code: later ? 'orders/price-changed' : 'orders/unknown-sku', retry: 'never' });
    letGo.resolve();
    const { correlationId: _, ...refusal } = (await first).body;
    expect(repeat.body).toMatchObject(refusal);
    mugMinor = 500;
    expect((await place(key)).body).toMatchObject(refusal);
    expect(await place(key, { ...wanted, email: 'Ada@example.org' })).toMatchObject({ status: 422 });
  }
  const { rows } = await database.query(`select 1 from customer_order where business_key like 'hangs%'`);
  expect(rows).toEqual([]);
});

test('what was refused for its price is placed at the new one under a new key', async () => {
  mugMinor = 600;
  expect(await place('dearer')).toMatchObject({
    status: 409,
    body: { code: 'orders/price-changed', totalMinor: 1_200 },
  });
  expect(await place('dearer-again', { ...wanted, expectedTotalMinor: 1_200 })).toMatchObject({ status: 201 });
});

test('a catalogue that is away has refused nothing: the key is free', async () => {
  mugMinor = 500;
  isAway = true;
  expect(await place('away')).toMatchObject({ status: 503 });
  isAway = false;
  expect(await place('away')).toMatchObject({ status: 201 });
});
