import { afterAll, beforeAll, expect, test } from 'vitest';
import { contractProblems } from '#kit/contract';
import { createTestDatabase, testPostgres } from '../../kit/store/embedded/testing.ts';
import { isGtin } from './gtin.ts';
import { seedProducts } from './seed.ts';
import { seedCatalogue } from './seed-data.ts';
import { type Caller, collect, linesOf, productLike, serviceOn } from './testing.ts';

/** The fields of reply items that these tests look at. */
interface Item {
  readonly name: string;
  readonly sku: string;
  readonly path: string;
  readonly count: number;
  readonly active: boolean;
  readonly line: number;
  readonly code: string;
}

type Service = Awaited<ReturnType<typeof serviceOn>>;
const published: { type: string; key: string; data: unknown }[] = [];
let shop: Service;

beforeAll(async () => {
  const { url } = await createTestDatabase();
  shop = await serviceOn(url, {
    outbox: {
      publish: async (_tx, events) => {
        published.push(...(events as typeof published));
      },
      wake() {},
    },
  });
});
afterAll(() => shop?.database.close());

const get = (idOrSlug: string, more = {}) => shop.call('get', { params: { idOrSlug }, ...more });

test('a product is created, read by id and by slug, and a repeat with the same key is the same product', async () => {
  const body = productLike({ name: 'Créme Rope Nº 5', sku: 'CR-1' });
  const created = await shop.call('create', { body, headers: { 'idempotency-key': 'once' } });
  expect(created).toMatchObject({
    status: 201,
    headers: { etag: '"1"' },
    body: { slug: 'creme-rope-no-5', version: 1 },
  });
  const again = await shop.call('create', { body, headers: { 'idempotency-key': 'once' } });
  expect(again.body).toEqual(created.body);
  const other = await shop.call('create', { body: { ...body, name: 'Else' }, headers: { 'idempotency-key': 'once' } });
  expect(other.status).toBe(422);
  expect((await get(created.body.id)).body).toEqual(created.body);
  expect((await get('creme-rope-no-5', { as: 'anonymous:anonymous' })).body).toEqual(created.body);
  expect(published.filter((event) => event.key === created.body.id)).toEqual([
    expect.objectContaining({ type: 'product.created', data: { product: created.body } }),
  ]);
});

test('a reader who has the current version gets 304 and no body', async () => {
  const { body } = await shop.call('create', { body: productLike({ name: 'Cached', sku: 'CA-1' }) });
  for (const known of ['"1"', 'W/"1"', '"7", "1"', '*']) {
    const reply = await get(body.id, { headers: { 'if-none-match': known } });
    expect(reply).toMatchObject({ status: 304, headers: { etag: '"1"' } });
    expect(reply.body).toBeUndefined();
  }
  expect((await get(body.id, { headers: { 'if-none-match': '"2"' } })).status).toBe(200);
});

test('an edit names the version it is of: 428 without, 412 for another, and of many at once one wins', async () => {
  const { body } = await shop.call('create', { body: productLike({ name: 'Edited', sku: 'ED-1' }) });
  const change = (version: string | undefined, name: string) =>
    shop.call('change', {
      params: { productId: body.id },
      headers: version === undefined ? {} : { 'if-match': version },
      body: { name },
    });
  expect((await change(undefined, 'x')).status).toBe(428);
  expect(await change('"9"', 'x')).toMatchObject({ status: 412, body: { currentEtag: '"1"' } });
  const replies = await Promise.all(Array.from({ length: 20 }, (_, i) => change('"1"', `Name ${i}`)));
  expect(replies.filter((reply) => reply.status === 200)).toHaveLength(1);
  expect(replies.filter((reply) => reply.status === 412)).toHaveLength(19);
  const winner = replies.find((reply) => reply.status === 200);
  expect(winner?.headers['etag']).toBe('"2"');
  expect((await get(body.id)).body).toEqual(winner?.body);
});

test('two instances on one database let one of two concurrent edits win', async () => {
  const { body } = await shop.call('create', { body: productLike({ name: 'Twice', sku: 'TW-1' }) });
  const twin = await serviceOn(await urlOfShop());
  try {
    const edit = (service: Service, name: string) =>
      service.call('change', { params: { productId: body.id }, headers: { 'if-match': '"1"' }, body: { name } });
    const replies = await Promise.all([edit(shop, 'Here'), edit(twin, 'There')]);
    expect(replies.map((reply) => reply.status).sort()).toEqual([200, 412]);
  } finally {
    await twin.database.close();
  }
});

/** The database that `shop` is on. */
async function urlOfShop() {
  const { rows } = await shop.database.query<{ name: string }>('select current_database() as name');
  const url = new URL((await testPostgres()).adminUrl);
  url.pathname = `/${rows[0]?.name}`;
  return url.href;
}

test('PUT replaces, PATCH changes what is given, and an edit that changes nothing makes no version and no event', async () => {
  const { body } = await shop.call('create', {
    body: productLike({ name: 'Whole', sku: 'WH-1', description: 'Long', attributes: { b: '2', a: '1' } }),
  });
  const params = { productId: body.id };
  const same = await shop.call('change', {
    params,
    headers: { 'if-match': '"1"' },
    body: { attributes: { a: '1', b: '2' } },
  });
  expect(same).toMatchObject({ status: 200, headers: { etag: '"1"' } });
  const patched = await shop.call('change', { params, headers: { 'if-match': '"1"' }, body: { description: 'Short' } });
  expect(patched.body).toMatchObject({ version: 2, description: 'Short', attributes: { a: '1', b: '2' } });
  const put = await shop.call('replace', {
    params,
    headers: { 'if-match': '"2"' },
    body: { name: 'Whole 2', variants: body.variants },
  });
  expect(put.body).toMatchObject({ version: 3, slug: 'whole', description: '', attributes: {}, status: 'draft' });
  expect(published.filter((event) => event.key === body.id).map((event) => event.type)).toEqual([
    'product.created',
    'product.changed',
    'product.changed',
  ]);
});

test('drafts and archived products are shown to staff only, and keep their SKUs', async () => {
  const { body } = await shop.call('create', {
    body: productLike({ name: 'Secret squid', status: 'draft', sku: 'DR-1' }),
  });
  expect((await get(body.id, { as: 'anonymous:anonymous' })).status).toBe(404);
  expect((await get(body.id)).status).toBe(200);
  const find = (query: object, as: Caller) => shop.call('search', { as, query: { q: 'squid', ...query } });
  expect((await find({}, 'anonymous:anonymous')).body.items).toEqual([]);
  expect((await find({ status: 'draft' }, 'anonymous:anonymous')).status).toBe(404);
  expect((await find({ status: 'draft' }, 'staff:usr_1')).body.items).toMatchObject([{ id: body.id }]);
  const archived = await shop.call('archive', { params: { productId: body.id }, headers: { 'if-match': '"1"' } });
  expect(archived.body).toMatchObject({ status: 'archived', version: 2 });
  expect(published.at(-1)).toMatchObject({ type: 'product.archived', data: { statusBefore: 'draft' } });
  const thief = await shop.call('create', { body: productLike({ name: 'Thief', sku: 'DR-1' }) });
  expect(thief).toMatchObject({ status: 409, body: { code: 'products/sku-taken', productId: body.id } });
});

test('a product that contradicts itself is refused with the places', async () => {
  const price = { currency: 'EUR', amountMinor: 100 };
  const bad = productLike({
    name: 'Bad',
    variants: [
      { sku: 'B-1', gtin: '4006381333932', options: {}, prices: [price, price] },
      { sku: 'B-1', options: {}, prices: [{ currency: 'QQQ', amountMinor: 5, compareAtMinor: 5 }] },
      { sku: 'B-2', options: { size: 'M' }, prices: [] },
    ],
  });
  const { status, body } = await shop.call('create', { body: bad });
  expect(status).toBe(422);
  expect(body.errors.map((place: { pointer: string }) => place.pointer)).toEqual([
    '/variants/0/gtin',
    '/variants/0/prices/1/currency',
    '/variants/1/sku',
    '/variants/1/options',
    '/variants/1/prices/0/currency',
    '/variants/1/prices/0/compareAtMinor',
    '/variants/2/prices',
  ]);
  for (const name of ['nul \0', 'half \ud800', 'bell \u0007']) {
    expect((await shop.call('create', { body: productLike({ name, sku: 'B-9' }) })).status).toBe(422);
  }
  expect((await shop.call('create', { body: productLike({ slug: 'export', sku: 'B-9' }) })).status).toBe(422);
  expect(
    (
      await shop.call('create', {
        body: productLike({
          name: 'x'.repeat(200),
          description: '€'.repeat(20_000),
          variants: Array.from({ length: 100 }, (_, i) => ({
            sku: `${'S'.repeat(60)}${i}`,
            name: '€'.repeat(200),
            options: Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((k) => [k, `${'€'.repeat(78)}${i}`])),
            prices: [price],
          })),
        }),
      })
    ).body.detail,
  ).toMatch(/200000 are allowed/);
});

test('a barcode belongs to one product, whichever length it is written in', async () => {
  const withGtin = (name: string, sku: string, gtin: string) =>
    shop.call('create', {
      body: productLike({
        name,
        variants: [{ sku, gtin, options: {}, prices: [{ currency: 'EUR', amountMinor: 1 }] }],
      }),
    });
  expect((await withGtin('Pen', 'PEN-1', '036000291452')).status).toBe(201);
  expect((await withGtin('Pencil', 'PEN-2', '0036000291452')).body.code).toBe('products/gtin-taken');
  const { body } = await shop.call('search', { query: { q: '0036000291452' } });
  expect(body.items.map((item: Item) => item.name)).toEqual(['Pen']);
});

test('two variants may swap their barcodes in one edit', async () => {
  const [a, b] = ['96385074', '73513537'] as const;
  const variants = (first: string, second: string) =>
    [first, second].map((gtin, i) => ({
      sku: `SW-${i}`,
      gtin,
      options: { side: `${i}` },
      prices: [{ currency: 'EUR', amountMinor: 1 }],
    }));
  const { body } = await shop.call('create', { body: productLike({ name: 'Swap', variants: variants(a, b) }) });
  const swapped = await shop.call('change', {
    params: { productId: body.id },
    headers: { 'if-match': '"1"' },
    body: { variants: variants(b, a) },
  });
  expect(swapped.status).toBe(200);
});

test('orders get name, product and price of many SKUs in one call', async () => {
  const { body } = await shop.call('create', {
    body: productLike({
      name: 'Sold',
      variants: [
        {
          sku: 'SO-M',
          options: { size: 'M' },
          prices: [
            { currency: 'EUR', amountMinor: 500 },
            { currency: 'USD', amountMinor: 600 },
          ],
        },
        { sku: 'SO-L', options: { size: 'L' }, prices: [{ currency: 'EUR', amountMinor: 700 }] },
      ],
    }),
  });
  const resolve = () =>
    shop.call('resolve', { as: 'service:orders', body: { skus: ['SO-L', 'NO', 'SO-M', 'SO-M'], currency: 'USD' } });
  const { body: reply } = await resolve();
  expect(reply.unknown).toEqual(['NO']);
  expect(reply.items.toSorted((x: Item, y: Item) => (x.sku < y.sku ? -1 : 1))).toEqual([
    { sku: 'SO-L', productId: body.id, version: 1, name: 'Sold – L', active: true },
    { sku: 'SO-M', productId: body.id, version: 1, name: 'Sold – M', active: true, amountMinor: 600 },
  ]);
  await shop.call('archive', { params: { productId: body.id }, headers: { 'if-match': '"1"' } });
  expect((await resolve()).body.items.every((item: Item) => !item.active)).toBe(true);
  expect((await shop.call('resolve', { as: 'customer:usr_2', body: { skus: ['NO'], currency: 'USD' } })).status).toBe(
    403,
  );
});

test('a dirty import takes what is good, names what is not by line and reason, and changes nothing when repeated', async () => {
  const good = Array.from({ length: 450 }, (_, i) => productLike({ name: `Bulk ${i}`, sku: `BULK-${i}` }));
  const lines = [
    ...good.slice(0, 100),
    undefined,
    contractProblems['malformed-json']({ detail: 'Unexpected token' }),
    { name: 'No variants' },
    { ...productLike({ sku: 'X-1' }), colour: 'blue' },
    productLike({ sku: 'BAD-GTIN', variants: [{ sku: 'BAD-GTIN', gtin: '12345678', options: {}, prices: [] }] }),
    null,
    42,
    productLike({ variants: [...good[0]!.variants, { ...good[1]!.variants[0]!, options: { size: 'L' } }] }),
    ...good.slice(100),
  ];
  const first = await shop.call('import', { body: linesOf(lines) });
  expect(first.body).toMatchObject({
    lines: 457,
    created: 450,
    changed: 0,
    unchanged: 0,
    rejected: 7,
    rejectionsOmitted: 0,
  });
  expect(first.body.rejections.map(({ line, code }: Item) => [line, code])).toEqual([
    [102, 'contract/malformed-json'],
    [103, 'contract/invalid-input'],
    [104, 'contract/invalid-input'],
    [105, 'products/not-valid'],
    [106, 'contract/invalid-input'],
    [107, 'contract/invalid-input'],
    [108, 'products/ambiguous-line'],
  ]);
  expect(first.body.rejections[3].reason).toMatch(/variants\/0\/gtin 12345678 has a wrong check digit/);
  const events = published.length;
  const second = await shop.call('import', { body: linesOf(lines) });
  expect(second.body).toMatchObject({ lines: 457, created: 0, changed: 0, unchanged: 450, rejected: 7 });
  expect(published).toHaveLength(events);
  const changed = await shop.call('import', { body: linesOf([{ ...good[7], description: 'Now with words' }]) });
  expect(changed.body).toMatchObject({ lines: 1, changed: 1 });
});

test('an import that breaks off keeps what was committed, and goes on when run again', async () => {
  const all = Array.from({ length: 500 }, (_, i) => productLike({ name: `Broken ${i}`, sku: `BRK-${i}` }));
  async function* breaking() {
    yield* all.slice(0, 450);
    throw new Error('connection lost');
  }
  expect((await shop.call('import', { body: breaking() })).status).toBe(500);
  const again = await shop.call('import', { body: linesOf(all) });
  expect(again.body).toMatchObject({ created: 100, unchanged: 400, rejected: 0 });
});

test('lines for one product in one batch are applied in their order', async () => {
  const line = (description: string) => productLike({ name: 'Same', sku: 'SAME-1', description });
  const { body } = await shop.call('import', { body: linesOf([line('one'), line('two'), line('two'), line('three')]) });
  expect(body).toMatchObject({ created: 1, changed: 2, unchanged: 1 });
  const found = await shop.call('search', { query: { q: 'SAME-1' } });
  expect((await get(found.body.items[0].id)).body).toMatchObject({ version: 3, description: 'three' });
});

test('what is exported can be imported, and changes nothing', async () => {
  const { body } = await shop.call('export');
  const lines = await collect(body as AsyncIterable<unknown>);
  expect(lines.length).toBeGreaterThan(900);
  const { body: report } = await shop.call('import', { body: linesOf(lines) });
  expect(report).toMatchObject({ lines: lines.length, unchanged: lines.length });
});

test('stock answers are noted in the order of their versions, and fill the availability facet', async () => {
  const { body } = await shop.call('create', { body: productLike({ name: 'Zephyr kite', sku: 'ZK-1' }) });
  const note = (available: boolean, version: number) =>
    shop.call('noteAvailability', {
      as: 'service:inventory',
      body: { items: [{ sku: 'ZK-1', available, version }] },
    });
  const find = async (query = {}) => (await shop.call('search', { query: { q: 'zephyr', ...query } })).body;
  expect((await find()).items[0].available).toBeUndefined();
  expect((await note(false, 5)).body.noted).toBe(1);
  expect((await note(true, 4)).body.noted).toBe(0);
  expect((await find()).items[0]).toMatchObject({ available: false });
  expect((await find({ available: 'true' })).items).toEqual([]);
  await note(true, 6);
  expect((await find({ available: 'true' })).facets).toContainEqual({
    name: 'available',
    values: [{ value: 'true', count: 1 }],
  });
  await shop.call('change', {
    params: { productId: body.id },
    headers: { 'if-match': '"1"' },
    body: { description: 'x' },
  });
  expect((await find()).items[0]).toMatchObject({ available: true });
});

test('categories are counted exactly, through changes and archiving', async () => {
  const counts = async () =>
    Object.fromEntries((await shop.call('categories')).body.items.map((item: Item) => [item.path, item.count]));
  const { body } = await shop.call('create', {
    body: productLike({ name: 'Sorted', sku: 'CT-1', categories: ['a/b/c', 'a/d'] }),
  });
  expect(await counts()).toMatchObject({ a: 1, 'a/b': 1, 'a/b/c': 1, 'a/d': 1 });
  await shop.call('change', {
    params: { productId: body.id },
    headers: { 'if-match': '"1"' },
    body: { categories: ['a'] },
  });
  expect(await counts()).toMatchObject({ a: 1 });
  expect(Object.keys(await counts()).filter((path) => path.startsWith('a/'))).toEqual([]);
  await shop.call('archive', { params: { productId: body.id }, headers: { 'if-match': '"2"' } });
  expect(await counts()).not.toHaveProperty('a');
});

test('the seed catalogue is valid, is put in once, and leaves what people changed alone', async () => {
  expect(seedCatalogue.flatMap((product) => product.variants).every((variant) => isGtin(variant.gtin as string))).toBe(
    true,
  );
  expect(await seedProducts(shop.server)).toEqual({ created: seedCatalogue.length, changed: 0, unchanged: 0 });
  const { body } = await get('knot-book');
  await shop.call('change', {
    params: { productId: body.id },
    headers: { 'if-match': '"1"' },
    body: { name: 'Knots' },
  });
  expect(await seedProducts(shop.server)).toEqual({ created: 0, changed: 0, unchanged: seedCatalogue.length });
  expect((await get('knot-book')).body.name).toBe('Knots');
  expect(await seedProducts(shop.server, { overwrite: true })).toMatchObject({ changed: 1 });
});
