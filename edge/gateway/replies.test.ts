import Type from 'typebox';
import { request } from 'undici';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createLocalTransport, defineService, implement } from '#kit/contract';
import type { EventEnvelope, EventLog } from '#kit/messaging';
import { systemTimers } from '#kit/runtime';
import { createGateway, type Gateway } from './index.ts';
import { testKey, testWorld, tokenOf } from './testing.ts';

/** Stands for products, with the operations that are cached. */
const any = Type.Object({}, { additionalProperties: true });
const get = { method: 'GET', access: ['anonymous'], responses: { 200: any }, query: any } as const;
const catalogue = defineService({
  service: 'products',
  operations: {
    get: { ...get, path: '/products/{idOrSlug}', summary: 'One', params: any },
    search: { ...get, path: '/products', summary: 'Many' },
  },
});

const test1 = testWorld();
let asked: string[] = [];
let away = false;
let price = 1;
let tell: (...events: string[]) => Promise<void>;
let gateway: Gateway;
let staff: Record<string, string>;

function fakeLog(): EventLog {
  const records: { topic: string; partition: number; offset: number; event: EventEnvelope }[] = [];
  let wake: (topic: string) => void = () => {};
  tell = async (...subjects) => {
    const purged = Promise.withResolvers<void>();
    for (const subject of subjects) {
      const event = { type: 'product.changed', subject, data: {} } as EventEnvelope;
      records.push({ topic: 'products', partition: 0, offset: records.length, event });
    }
    wake('products');
    systemTimers.after(50, () => purged.resolve());
    await purged.promise;
  };
  return {
    bounds: async () => [{ topic: 'products', partition: 0, firstOffset: 0, nextOffset: 0 }],
    read: async ([range]: { fromOffset: number }[]) => records.slice(range?.fromOffset ?? 0),
    onAppend: async (listener: typeof wake) => {
      wake = listener;
      return () => {};
    },
  } as unknown as EventLog;
}

beforeAll(async () => {
  const { world } = test1;
  const local = createLocalTransport(systemTimers);
  const answer = (what: string, body: () => object) => {
    asked.push(what);
    if (away) throw new Error('no database');
    return { status: 200 as const, body: body(), headers: { etag: `"${price}"`, 'cache-control': 'no-cache' } };
  };
  const server = implement(
    catalogue,
    {
      get: async ({ params }) => answer('get', () => ({ id: (params as { idOrSlug: string }).idOrSlug, price })),
      search: async ({ query }) => answer('search', () => ({ items: [{ id: 'prd_1' }], query, price })),
    },
    { clock: world.clock },
  );
  local.attach(server);
  const key = await testKey('key_1');
  const keys = { status: 200, headers: {}, body: { keys: [key.jwk] } };
  gateway = createGateway({
    world,
    transport: { send: async (call, signal) => (call.service === 'users' ? keys : local.send(call, signal)) },
    contracts: [catalogue],
    unready: async () => ({}),
    cache: { events: fakeLog(), edgeTtlSec: 120 },
    internal: { metrics: async () => '' },
  });
  await gateway.component.start?.();
  staff = { authorization: `Bearer ${await tokenOf(world, key, { role: 'staff' })}` };
});
afterAll(() => gateway.component.stop?.());
beforeEach(async () => {
  await tell('prd_1', 'prd_2');
  asked = [];
  away = false;
});

async function ask(path: string, headers: Record<string, string> = {}) {
  const reply = await request(`${gateway.address}${path}`, { headers });
  const text = await reply.body.text();
  return { status: reply.statusCode, headers: reply.headers, body: text ? JSON.parse(text) : undefined };
}

test('a product is asked for once and answered to all, with its tag and its age', async () => {
  const all = await Promise.all([1, 2, 3].map(() => ask('/products/prd_1')));
  expect(all.map(({ body }) => body)).toEqual(Array(3).fill({ id: 'prd_1', price }));
  test1.advance(61_000);
  expect((await ask('/products/prd_1')).headers).toMatchObject({
    age: '61',
    'cache-tag': 'product-prd_1',
    etag: '"1"',
  });
  expect(asked).toEqual(['get']);
});

test('each client learns whether it has it already, whoever asked first', async () => {
  const mine = { 'if-none-match': '"1"' };
  expect((await ask('/products/prd_1', mine)).status).toBe(304);
  expect((await ask('/products/prd_1')).body).toEqual({ id: 'prd_1', price: 1 });
  expect((await ask('/products/prd_1', mine)).status).toBe(304);
  expect(asked).toEqual(['get']);
});

test('a change ends what shows it: the product, and every list', async () => {
  for (const path of ['/products/prd_1', '/products/prd_2', '/products?q=a', '/products?q=b']) await ask(path);
  price = 2;
  await tell('prd_1');
  const [one, two, list] = [await ask('/products/prd_1'), await ask('/products/prd_2'), await ask('/products?q=a')];
  expect([one.body.price, two.body.price, list.body.price]).toEqual([2, 1, 2]);
  price = 1;
});

test('five minutes later it is stale: answered at once, fetched beside, and answered while nothing can be fetched', async () => {
  await ask('/products/prd_1');
  test1.advance(301_000);
  away = true;
  expect((await ask('/products/prd_1')).status).toBe(200);
  away = false;
  await expect.poll(async () => asked.length).toBe(2);
  expect((await ask('/products/prd_1')).status).toBe(200);
});

test('a cache further out is told how long it may keep a reply, and by the internal door what to forget', async () => {
  const { headers } = await ask('/products/prd_1');
  expect(headers['cdn-cache-control']).toBe('max-age=120, stale-if-error=600');
  expect(await ask('/products/prd_1', staff).then((reply) => reply.headers)).not.toHaveProperty('cdn-cache-control');
  const purges = async (after = '') => {
    const { body } = await request(`${gateway.internalAddress}/purges?after=${after}`);
    return (await body.json()) as { cursor: string; all: boolean; tags: string[] };
  };
  const { cursor, all } = await purges();
  expect(all).toBe(true);
  expect(await purges(cursor)).toEqual({ cursor, all: false, tags: [] });
  await tell('prd_1');
  expect(await purges(cursor)).toMatchObject({ all: false, tags: ['products', 'product-prd_1'] });
});

test('staff see what is; failures are not kept', async () => {
  for (const _ of [1, 2]) await ask('/products/prd_1', staff);
  expect(asked).toHaveLength(2);
  away = true;
  expect((await ask('/products/prd_2')).status).toBe(500);
  away = false;
  expect((await ask('/products/prd_2')).status).toBe(200);
});
