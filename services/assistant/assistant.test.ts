import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Product } from '#contracts/products';
import { createEnvelope, createPostgresLog, type EventLog, logMigrations } from '#kit/messaging';
import { openTestDatabase, until, quietWorld as world } from '#kit/messaging/testing';
import type { Database, Reply, World } from '#kit/runtime';
import { knowledgeOf } from './answer.ts';
import { type AssistantOptions, assistantMigrations, createAssistant, createLanguageModel } from './index.ts';
import { meantBy, wordsOf } from './words.ts';

let database: Database;
let logDatabase: Database;
let log: EventLog;
let logUp = true;

beforeAll(async () => {
  database = await openTestDatabase(assistantMigrations);
  logDatabase = await openTestDatabase([logMigrations]);
});
afterAll(() => Promise.all([database.close(), logDatabase.close()]));
beforeEach(async () => {
  logUp = true;
  for (const table of ['product_copy', 'level', 'inbox_position', 'dead_letter'])
    await database.query(`delete from ${table}`);
  for (const table of ['log_event', 'log_partition', 'log_group']) await logDatabase.query(`delete from ${table}`);
  log = createPostgresLog({ database: logDatabase, world });
});

function product(slug: string, over: Partial<Product> = {}): Product {
  const id = `prd_${slug}`;
  return {
    id,
    version: 1,
    slug,
    name: slug,
    description: '',
    categories: ['ropes/dynamic'],
    images: [],
    status: 'active',
    attributes: {},
    variants: [{ sku: slug.toUpperCase(), options: {}, prices: [{ currency: 'EUR', amountMinor: 1_000 }] }],
    createdAt: '2030-01-01T00:00:00Z',
    updatedAt: '2030-01-01T00:00:00Z',
    ...over,
  };
}

const skerry = product('skerry', {
  name: 'Skerry dynamic rope 9.8 mm',
  description: 'An all-day single rope with a soft catch.',
  attributes: { material: 'polyamide' },
  variants: [40, 60].map((length) => ({
    sku: `HF-SKER-${length}`,
    options: { length: `${length} m` },
    prices: [{ currency: 'EUR', amountMinor: length * 300 }],
  })),
});
const hammock = product('hammock', {
  name: 'Bosun hammock',
  description: 'Broad cotton canvas with spreader bars.',
  categories: ['camp/shelter'],
});

const tell = (...products: readonly Product[]) =>
  log.append(
    'products',
    products.map((one) =>
      createEnvelope(
        { source: 'products', world },
        { type: one.version === 1 ? 'product.created' : 'product.changed', key: one.id, data: { product: one } },
      ),
    ),
  );

// biome-ignore lint/suspicious/noExplicitAny: tests read replies of every shape
type AnyReply = Reply & { readonly body: any };
type Ask = (question: string, currency?: string) => Promise<AnyReply>;
type Call = (operation: string, body?: object) => Promise<AnyReply>;

async function withAssistant(
  work: (ask: Ask, call: Call) => Promise<void>,
  options: Partial<AssistantOptions> = {},
): Promise<void> {
  const heard: EventLog = {
    ...log,
    bounds: (topics) => (logUp ? log.bounds(topics) : Promise.reject(new Error('the log is away'))),
    read: (...args) => (logUp ? log.read(...args) : Promise.reject(new Error('the log is away'))),
  };
  const assistant = createAssistant({
    world,
    database,
    log: heard,
    listenPeriodMs: 10,
    server: { checkReplies: true },
    ...options,
  });
  await assistant.component.start?.();
  try {
    const headers = { 'holdfast-caller': 'staff:ada' };
    const call: Call = (operation, body) => {
      const request = { service: 'assistant', operation, params: {}, query: {}, headers, body };
      return assistant.server.handle(request, new AbortController().signal) as Promise<AnyReply>;
    };
    await work(
      (question, currency) => call('ask', { question, ...(currency === undefined ? {} : { currency }) }),
      call,
    );
  } finally {
    await assistant.component.stop?.();
  }
}

const isLevel = (ask: Ask, count: number) => async () => {
  const { knowledge } = (await ask('anything')).body;
  return knowledge.products === count && knowledge.state === 'current';
};

test('a question is answered from what events told: names, prices, options, attributes', async () => {
  await tell(skerry, hammock);
  await withAssistant(async (ask) => {
    await until(isLevel(ask, 2));
    const { body } = await ask('How much is a dynamic rope for climbing?');
    expect(body.products).toMatchObject([
      { slug: 'skerry', price: { currency: 'EUR', fromMinor: 12_000, toMinor: 18_000 } },
    ]);
    expect(body.text).toBe(
      'Skerry dynamic rope 9.8 mm: €120.00 to €180.00. An all-day single rope with a soft catch. Comes in length 40 m and 60 m. material: polyamide.',
    );
    expect(body).toMatchObject({ answeredBy: 'catalogue', knowledge: { state: 'current' } });
    expect((await ask('Do you have a hamock?')).body.products).toMatchObject([{ slug: 'hammock' }]);
    expect((await ask('Is the hammock in stock?')).body.text).toContain('the page of the product shows it');
    expect((await ask('Bosun hammock', 'JPY')).body.products[0]).not.toHaveProperty('price');
    expect((await ask('submarines')).body.text).toBe(
      'I found nothing about that in the catalogue. We have camp and ropes.',
    );
    expect((await ask("'); drop table product_copy; -- | & ! :*")).status).toBe(200);
  });
});

test('what changes is known anew, what is not sold any more is forgotten', async () => {
  await tell(skerry, hammock);
  await withAssistant(async (ask) => {
    await until(isLevel(ask, 2));
    await tell({ ...skerry, version: 2, name: 'Skerry II rope' }, { ...hammock, version: 2, status: 'archived' });
    await until(isLevel(ask, 1));
    expect((await ask('rope')).body.products).toMatchObject([{ name: 'Skerry II rope' }]);
    expect((await ask('hammock')).body.products).toEqual([]);
  });
});

test('staff see how far behind it is, as of every reader of events', async () => {
  await tell(skerry);
  await withAssistant(async (ask, call) => {
    await until(isLevel(ask, 1));
    const { status, body } = await call('showLag');
    expect(status).toBe(200);
    expect(body.items).toContainEqual({ topic: 'products', partition: expect.any(Number), events: 0 });
    expect((await call('listDeadLetters')).body).toEqual({ items: [], total: 0, lastId: 0 });
  });
});

test('it goes on when nothing else can be reached, and says how old its knowledge is', async () => {
  let offsetMs = 0;
  const moved: World = { ...world, clock: { ...world.clock, now: () => world.clock.now() + offsetMs } };
  await tell(skerry);
  await withAssistant(
    async (ask) => {
      await until(isLevel(ask, 1));
      logUp = false;
      offsetMs = 3 * 60_000;
      await until(async () => (await ask('rope')).body.knowledge.state === 'cut-off');
      const { body } = await ask('rope');
      expect(body.products).toMatchObject([{ slug: 'skerry' }]);
      expect(body.text).toContain('I can not hear the catalogue just now; it is as of 3 minutes ago.');
      expect(body.knowledge.ageMs).toBeGreaterThanOrEqual(3 * 60_000 - 1_000);
    },
    { world: moved },
  );
  // And still after a restart, while it is cut off.
  await withAssistant(
    async (ask) => {
      const { body } = await ask('rope');
      expect(body).toMatchObject({ products: [{ slug: 'skerry' }], knowledge: { state: 'cut-off' } });
      expect(body.knowledge.ageMs).toBeGreaterThan(60_000);
    },
    { world: moved },
  );
});

test('knowledge is told in words, from up to date to never heard', () => {
  const at = (over: object) => knowledgeOf({ products: 2, levelAtMs: 0, lagEvents: 0, nowMs: 1_000, ...over });
  expect(at({})).toMatchObject({ state: 'current', ageMs: 1_000 });
  expect(at({ lagEvents: 4 })).toMatchObject({ state: 'behind' });
  expect(at({ lagEvents: 'unknown', nowMs: 86_400_000 }).text).toContain('1 day ago');
  expect(at({ levelAtMs: undefined, lagEvents: 'unknown' }).text).toContain('I do not know since when');
  expect(at({ products: 0 })).toMatchObject({ state: 'empty' });
});

test('words that say nothing are left out, and one typing error is forgiven', () => {
  expect(wordsOf('How much does the RIGGER’S knife cost?')).toEqual(['rigger', 's', 'knife']);
  expect(meantBy('hamock', ['hammock', 'cleat', 'ham'])).toEqual(['hammock']);
  expect(meantBy('rop', ['rope'])).toEqual(['rope']);
  expect(meantBy('ropes', ['rope', 'rove'])).toEqual([]);
});

/** A server that speaks the protocol of chat completions. */
async function modelServer(answer: (body: unknown) => { status: number; body: unknown }) {
  const requests: { headers: NodeJS.Dict<string | string[]>; path: string | undefined; body: unknown }[] = [];
  const server = createServer(async (request, response) => {
    const body = await json(request);
    requests.push({ headers: request.headers, path: request.url, body });
    const reply = answer(body);
    response.writeHead(reply.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(reply.body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/v1/`, requests, close: () => server.close() };
}

test('a language model, where there is one, puts the same facts into words', async () => {
  await tell(skerry);
  const content = 'The Skerry is what you want.';
  const server = await modelServer(() => ({
    status: 200,
    body: { choices: [{ message: { role: 'assistant', content } }] },
  }));
  const model = createLanguageModel({ url: server.url, model: 'small', key: 'secret' });
  await withAssistant(
    async (ask) => {
      await until(isLevel(ask, 1));
      expect((await ask('rope')).body).toMatchObject({
        text: content,
        answeredBy: 'model',
        products: [{ slug: 'skerry' }],
      });
    },
    { model },
  );
  const [sent] = server.requests.slice(-1);
  expect(sent).toMatchObject({
    path: '/v1/chat/completions',
    headers: { authorization: 'Bearer secret' },
    body: { model: 'small', messages: [{ role: 'system' }, { role: 'user', content: 'rope' }] },
  });
  expect(JSON.stringify(sent?.body)).toContain('HF-SKER-40');
  server.close();
});

test('a language model that fails, stalls or talks nonsense costs nothing but its words', async () => {
  await tell(skerry);
  for (const reply of [
    { status: 500, body: {} },
    { status: 200, body: { choices: [] } },
  ]) {
    const server = await modelServer(() => reply);
    const model = createLanguageModel({ url: server.url, model: 'small' });
    await withAssistant(
      async (ask) => {
        await until(isLevel(ask, 1));
        expect((await ask('rope')).body).toMatchObject({ answeredBy: 'catalogue', products: [{ slug: 'skerry' }] });
      },
      { model },
    );
    server.close();
  }
  const nowhere = createLanguageModel({ url: 'http://127.0.0.1:9/v1', model: 'small', timeoutMs: 500 });
  await withAssistant(
    async (ask) => {
      await until(isLevel(ask, 1));
      expect((await ask('rope')).body.answeredBy).toBe('catalogue');
    },
    { model: nowhere },
  );
});
