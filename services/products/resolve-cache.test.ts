import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Clock, Database } from '#kit/runtime';
import { createTestDatabase } from '../../kit/store/embedded/testing.ts';
import { createResolveCache } from './resolve-cache.ts';
import { productLike, serviceOn, testWorld } from './testing.ts';

let shop: Awaited<ReturnType<typeof serviceOn>>;
beforeAll(async () => {
  shop = await serviceOn((await createTestDatabase()).url);
});
afterAll(() => shop?.database.close());

/** A cache as another instance has it, on a clock that stands still until it is moved. */
function cacheElsewhere(options: { readonly entriesMax?: number } = {}) {
  const { timers } = testWorld(1);
  let nowMs = 0;
  const asked: string[] = [];
  const database = {
    ...shop.database,
    query(text: string, values?: readonly never[]) {
      asked.push(text.includes('catalogue_revision') ? 'revision' : 'variants');
      return shop.database.query(text, values);
    },
  } as Database;
  const cache = createResolveCache({
    clock: { now: () => nowMs, monotonicMs: () => nowMs } as Clock,
    timers,
    database,
    ...options,
  });
  return {
    cache,
    /** What went to the database since the last look. */
    asked: () => asked.splice(0),
    pass(ms: number) {
      nowMs += ms;
    },
    async priceOf(sku: string) {
      return (await cache.get([sku])).get(sku)?.prices['EUR'];
    },
  };
}

async function create(sku: string, amountMinor = 500): Promise<string> {
  const variants = [{ sku, options: {}, prices: [{ currency: 'EUR', amountMinor }] }];
  return (await shop.call('create', { body: productLike({ name: `Rope ${sku}`, variants }) })).body.id;
}

async function price(productId: string, sku: string, amountMinor: number): Promise<void> {
  const variants = [{ sku, options: {}, prices: [{ currency: 'EUR', amountMinor }] }];
  const { body } = await shop.call('get', { params: { idOrSlug: productId } });
  const headers = { 'if-match': `"${body.version}"` };
  const reply = await shop.call('replace', {
    params: { productId },
    headers,
    body: productLike({ name: `Rope ${sku}`, variants }),
  });
  expect(reply.status).toBe(200);
}

test('what was read stays good while nothing changes: one row is looked at, once in its age', async () => {
  await create('RC-1');
  const { asked, pass, priceOf } = cacheElsewhere();
  expect(await priceOf('RC-1')).toBe(500);
  expect(asked()).toEqual(['revision', 'variants']);
  pass(1_000);
  expect(await priceOf('RC-1')).toBe(500);
  expect(asked()).toEqual([]);
  pass(1);
  expect(await Promise.all([priceOf('RC-1'), priceOf('RC-1')])).toEqual([500, 500]);
  expect(asked()).toEqual(['revision']);
});

test('a price that another instance has changed is seen within the age, a SKU that is new at once', async () => {
  const id = await create('RC-2');
  const { asked, pass, priceOf } = cacheElsewhere();
  expect(await priceOf('RC-2')).toBe(500);
  await price(id, 'RC-2', 700);
  pass(1_001);
  expect(await priceOf('RC-2')).toBe(700);
  expect(await priceOf('RC-3')).toBeUndefined();
  await create('RC-3', 900);
  expect(await priceOf('RC-3')).toBe(900);
  pass(1_001);
  expect(await priceOf('RC-2')).toBe(700);
  asked();
  // What inventory tells all day is no change of what is sold.
  const items = [{ sku: 'RC-2', available: false, version: 9 }];
  expect((await shop.call('noteAvailability', { as: 'service:inventory', body: { items } })).status).toBe(200);
  pass(1_001);
  expect(await priceOf('RC-2')).toBe(700);
  expect(asked()).toEqual(['revision']);
});

test('a look that a change of its own has overtaken is not relied on', async () => {
  const id = await create('RC-4');
  const { cache, pass, priceOf } = cacheElsewhere();
  expect(await priceOf('RC-4')).toBe(500);
  pass(1_001);
  const overtaken = priceOf('RC-4');
  await price(id, 'RC-4', 800);
  cache.expire();
  await overtaken;
  expect(await priceOf('RC-4')).toBe(800);
});

test('whoever changes a variant raises the revision, by hand in SQL too', async () => {
  await create('RC-5');
  const { pass, priceOf } = cacheElsewhere();
  expect(await priceOf('RC-5')).toBe(500);
  await shop.database.query(`update variant set prices = '{"EUR": 1}' where sku = 'RC-5'`);
  pass(1_001);
  expect(await priceOf('RC-5')).toBe(1);
});

test('no more SKUs are kept than there is room for: those read longest ago go', async () => {
  for (const sku of ['RC-6', 'RC-7', 'RC-8']) await create(sku);
  const { asked, priceOf } = cacheElsewhere({ entriesMax: 2 });
  for (const sku of ['RC-6', 'RC-7', 'RC-8', 'RC-7', 'RC-8']) expect(await priceOf(sku)).toBe(500);
  expect(asked()).toEqual(['revision', 'variants', 'variants', 'variants']);
  expect(await priceOf('RC-6')).toBe(500);
  expect(asked()).toEqual(['variants']);
});
