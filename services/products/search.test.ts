import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeCursor, encodeCursor } from '#contracts/common';
import type { ProductInput, SearchReply } from '#contracts/products';
import { createTestDatabase } from '../../kit/store/embedded/testing.ts';
import { seedCatalogue } from './seed-data.ts';
import { linesOf, productLike, serviceOn } from './testing.ts';

type Service = Awaited<ReturnType<typeof serviceOn>>;
type Query = Record<string, string | readonly string[]>;

let shop: Service;
/** The same catalogue behind a service that ranks and counts no more than 50 products a search. */
let narrow: Service;

const colours = ['red', 'blue', 'green'];
/** 300 products without words in common with the seed, in all sorts of prices. */
const buoys: readonly ProductInput[] = Array.from({ length: 300 }, (_, i) => ({
  name: `${i % 3 === 0 ? 'Zinnia' : 'Ylang'} buoy ${i % 7}`,
  description: i % 5 === 0 ? 'Comes with xylophone lessons' : '',
  categories: [i % 2 === 0 ? 'buoys/even' : 'buoys/odd'],
  status: 'active',
  attributes: { shade: colours[i % 3] as string },
  variants: [
    {
      sku: `BUOY-${i}`,
      options: { size: i % 4 === 0 ? 'S' : 'L' },
      prices: [
        { currency: 'EUR', amountMinor: 100 + ((i * 37) % 50) },
        ...(i < 10 ? [{ currency: 'JPY', amountMinor: 900 + i }] : []),
      ],
    },
  ],
}));

beforeAll(async () => {
  const { url } = await createTestDatabase();
  shop = await serviceOn(url);
  narrow = await serviceOn(url, { searchCandidatesMax: 50 });
  const { body } = await shop.call('import', { body: linesOf([...seedCatalogue, ...buoys]) });
  expect(body.rejected).toBe(0);
});
afterAll(async () => {
  await shop?.database.close();
  await narrow?.database.close();
});

async function find(query: Query, service = shop): Promise<SearchReply> {
  const { status, body } = await service.call('search', { as: 'anonymous:anonymous', query });
  expect([status, body.detail]).toEqual([200, undefined]);
  return body;
}
const slugs = async (query: Query) => (await find(query)).items.map((item) => item.slug);

async function allPages(query: Query, service = shop): Promise<string[]> {
  const skus: string[] = [];
  let cursor: string | undefined;
  do {
    const page: SearchReply = await find(cursor === undefined ? query : { ...query, cursor }, service);
    skus.push(...page.items.map((item) => item.skus[0] as string));
    cursor = page.nextCursor;
  } while (cursor !== undefined && skus.length < 1_000);
  return skus;
}

test.each([
  ['carabiner', 'limpet-carabiner'],
  ['carbiner', 'limpet-carabiner'],
  ['karabiner', 'limpet-carabiner'],
  ['screwgaet carabinr', 'limpet-carabiner'],
  ['hamock', 'bosun-hammock'],
  ['Prussik crod', 'prusik-cord'],
  ['mainla', 'three-strand-manila'],
  ['knit', 'practice-board'],
  ['SHACKLES', 'bow-shackle'],
  ['marlin', 'tarred-marline'],
  ['skérry', 'skerry-dynamic-rope'],
  ['hf-glov-m', 'deckhand-gloves'],
  ['hfglovm', 'deckhand-gloves'],
  ['HF-GLOV-', 'deckhand-gloves'],
])('a search for %s shows %s first', async (q, slug) => {
  expect((await slugs({ q }))[0]).toBe(slug);
});

test('a barcode is found in all its forms, and a SKU with a slip in it', async () => {
  const gtin = seedCatalogue[0]?.variants[0]?.gtin as string;
  expect(await slugs({ q: gtin })).toEqual(['skerry-dynamic-rope']);
  expect(await slugs({ q: `0${gtin}` })).toEqual(['skerry-dynamic-rope']);
  for (const q of ['BUOI-299', 'BUOY-2999', 'BOUY-299', 'BUOY299']) {
    expect((await find({ q })).items[0]?.skus).toEqual(['BUOY-299']);
  }
});

test('the name counts for more than the category, and the category for more than the description', async () => {
  const like = (name: string, more: Partial<ProductInput>) =>
    productLike({ name, slug: name, sku: name, categories: [], ...more });
  await shop.call('import', {
    body: linesOf([
      like('quux-c', { description: 'made for the wombat' }),
      like('quux-b', { categories: ['wombat'] }),
      like('quux-a', { name: 'A wombat' }),
    ]),
  });
  expect(await slugs({ q: 'wombats' })).toEqual(['quux-a', 'quux-b', 'quux-c']);
});

test('what was corrected is told, and a word that the catalogue has is left as it is', async () => {
  expect((await find({ q: 'hamock' })).corrections).toEqual([{ typed: 'hamock', used: ['hammock'] }]);
  expect((await find({ q: 'hammock' })).corrections).toEqual([]);
});

test('when no product has all the words, products with some of them are shown and it is said', async () => {
  expect(await find({ q: 'hammock qqqqzzzz' })).toMatchObject({ relaxed: true, items: [{ slug: 'bosun-hammock' }] });
  expect(await find({ q: 'qqqqzzzz' })).toMatchObject({ items: [], matches: { count: 0, capped: false } });
});

test('filters of one name are any of, filters of different names all of, and facets count what is left', async () => {
  const expected = buoys.filter(
    ({ attributes, variants }) =>
      ['red', 'blue'].includes(attributes?.['shade'] as string) && variants[0]?.options['size'] === 'S',
  );
  const query = { q: 'buoy', filter: ['shade:red', 'shade:blue', 'size:S'], limit: '100' };
  const reply = await find(query);
  expect(reply.matches).toEqual({ count: expected.length, capped: false });
  expect(new Set(reply.items.map((item) => item.skus[0]))).toEqual(
    new Set(expected.map(({ variants }) => variants[0]?.sku)),
  );
  const count = (matching: (product: ProductInput) => boolean) => expected.filter(matching).length;
  const facet = (name: string) =>
    Object.fromEntries(
      (reply.facets?.find((each) => each.name === name)?.values ?? []).map((each) => [each.value, each.count]),
    );
  expect(facet('shade')).toEqual({
    red: count((p) => p.attributes?.['shade'] === 'red'),
    blue: count((p) => p.attributes?.['shade'] === 'blue'),
  });
  expect(facet('category')).toEqual({ buoys: expected.length, 'buoys/even': expected.length });
  expect(reply.prices).toEqual([{ fromMinor: 0, belowMinor: 1000, count: expected.length }]);
});

test('a category holds what is below it; prices are asked for in their currency', async () => {
  expect((await find({ category: ['buoys'], limit: '1' })).matches.count).toBe(300);
  expect((await find({ category: ['buoys/odd'], limit: '1' })).matches.count).toBe(150);
  expect((await find({ category: ['buoys', 'books'], limit: '1' })).matches.count).toBe(302);
  const yen = await find({ currency: 'JPY', sort: '-price', priceToMinor: '905' });
  expect(yen.items.map((item) => item.price?.fromMinor)).toEqual([905, 904, 903, 902, 901, 900]);
  expect(yen.prices).toEqual([{ fromMinor: 500, belowMinor: 1000, count: 6 }]);
});

test.each(['relevance', 'price', '-price', 'name', 'newest'])(
  'all pages by %s together are each product once and in order, whether or not candidates are capped',
  async (sort) => {
    const query = { q: 'buoy', sort, limit: '7' };
    const found = await allPages(query);
    expect(found).toHaveLength(300);
    expect(new Set(found).size).toBe(300);
    const capped = await allPages(query, narrow);
    expect(new Set(capped).size).toBe(capped.length);
    if (sort === 'relevance') expect(capped).toHaveLength(50);
    else expect(capped).toEqual(found);
    const price = (sku: string) =>
      buoys.find(({ variants }) => variants[0]?.sku === sku)?.variants[0]?.prices[0]?.amountMinor as number;
    if (sort === 'price') expect(found.map(price)).toEqual(found.map(price).toSorted((a, b) => a - b));
    if (sort === '-price') expect(found.map(price)).toEqual(found.map(price).toSorted((a, b) => b - a));
  },
);

test('browsing without words pages through the whole shop, capped or not', async () => {
  for (const sort of ['price', 'name', 'newest']) {
    const query = { sort, limit: '50' };
    expect(await allPages(query, narrow)).toEqual(await allPages(query));
  }
  expect((await find({ limit: '1' }, narrow)).matches).toEqual({ count: 50, capped: true });
});

test('a cursor is good for its own query only, and nothing forged gets further than 400', async () => {
  const { nextCursor } = await find({ q: 'buoy', sort: 'name', limit: '5' });
  const status = async (query: Query) => (await shop.call('search', { query })).status;
  expect(await status({ q: 'buoy', sort: 'price', cursor: nextCursor as string })).toBe(400);
  expect(await status({ q: 'buoys', sort: 'name', cursor: nextCursor as string })).toBe(400);
  const fingerprint = decodeCursor(nextCursor as string)?.[0] as string;
  const part = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.double(), fc.integer(), fc.constant(null));
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.array(part, { maxLength: 4 }), fc.tuple(fc.constant(fingerprint), part, part)),
      fc.constantFrom('name', 'price'),
      async (position, sort) => {
        const cursor = encodeCursor(position);
        fc.pre(cursor.length <= 500);
        expect([200, 400]).toContain(await status({ q: 'buoy', sort, cursor }));
      },
    ),
    { numRuns: 100 },
  );
});

test('bad queries are harmless', async () => {
  const ask = async (q: string) => (await shop.call('search', { as: 'anonymous:anonymous', query: { q } })).status;
  for (const q of [
    '',
    ' ',
    '"',
    "'",
    "'); drop table product; --",
    '%',
    '_%_',
    '\\',
    '!!!',
    '(a',
    'a & | !b',
    'a:*',
    '<->',
    '🪢',
    'ß',
    '\ud800',
    'x'.repeat(200),
    '٣',
    'the',
    'to be or not to be',
  ]) {
    expect([q, await ask(q)]).toEqual([q, 200]);
  }
  expect(await ask('x'.repeat(10_000))).toBe(400);
  expect(await ask('a\u0000b')).toBe(400);
  expect((await find({ q: '"?!' })).items).toEqual([]);
  expect((await find({ q: '  ' })).items.length).toBeGreaterThan(0);
});

test('any text, filter and category is answered', async () => {
  const text = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.constantFrom('rope', 'buoy red', 'HF-1'),
  );
  await fc.assert(
    fc.asyncProperty(text, text, fc.constantFrom('relevance', 'price', 'name', 'newest'), async (q, value, sort) => {
      const query = { q, sort, filter: [`material:${value}`] };
      expect([200, 400]).toContain((await shop.call('search', { query })).status);
    }),
    { numRuns: 150 },
  );
});
