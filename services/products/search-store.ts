import type { ProductStatus, SearchSort } from '#contracts/products';
import type { Queryable } from '#kit/runtime';
import type { ProductBody } from './model.ts';
import type { TextQueries } from './query.ts';
import { codesNear, formsLookedUp } from './typo.ts';

/**
 * How a search stays quick whatever is asked (figures: `lab/bench/search.ts`, 50,000 products):
 *
 * 1. Words, codes, categories and other facets are one tsquery on one GIN index. Its bitmap is cheap (11,000 rows: 3 ms);
 *    what costs is to visit rows, rank them and count their facets, about 6 µs each together. So no more than
 *    `candidatesMax` rows are visited: first those with the words in their name, then the rest, each in the order of the
 *    table, so that they are the same ones from page to page. The Limit nodes end the scans there.
 * 2. With fewer matches than that, and that is nearly always once something is typed or ticked, ranks, facets, counts
 *    and all orders are exact, from one statement.
 * 3. With more, relevance and facet counts are of those candidates, which the reply says (`capped`); the other orders
 *    are still exact, read from an index in their order (`orderedSql`). As more than `candidatesMax` products match, the
 *    next match is rarely far; if all are at the other end, the scan passes over the rest of the shop (1–2 µs each).
 *
 * PostgreSQL settles on the generic plan of these statements, and that is the good one for all values: it doesn't know
 * how many rows a tsquery matches, expects few, and takes the GIN index. Planning anew took longer than most queries.
 */
export const candidatesMaxDefault = 1_000;

/** Facet values read at most; the reply shows fewer. */
const facetRowsMax = 400;

export interface SearchRequest {
  readonly text: TextQueries;
  readonly sort: SearchSort;
  readonly status: ProductStatus;
  readonly currency: string;
  /** Where price buckets begin. */
  readonly priceBounds: readonly number[];
  readonly priceFrom: number | null;
  readonly priceTo: number | null;
  readonly availableOnly: boolean;
  readonly after: readonly [string | number, string] | null;
  readonly limit: number;
  readonly candidatesMax: number;
  readonly withFacets: boolean;
}

/** A product of the page: its sort key, and what a card is made of. */
export interface PageRow {
  readonly id: string;
  readonly key: string | number;
  readonly available: boolean | null;
  readonly body: ProductBody;
}

export interface SearchResult {
  readonly page: readonly PageRow[];
  readonly count: number;
  readonly capped: boolean;
  readonly facets: readonly { readonly facet: string; readonly count: number }[];
  readonly prices: readonly { readonly bucket: number; readonly count: number }[];
  readonly available: { readonly yes: number; readonly no: number };
}

/**
 * Statements are chosen by three things, so their number is bounded: which order, whether active products or others
 * (each have an index of their own), whether anything is asked for by words or fields.
 */
interface Shape {
  readonly sort: SearchSort;
  readonly active: boolean;
  readonly queried: boolean;
}

function eachShape<Sql>(make: (shape: Shape) => Sql): (shape: Shape) => Sql {
  const made = new Map<string, Sql>();
  const keyOf = ({ sort, active, queried }: Shape) => `${sort} ${active} ${queried}`;
  for (const sort of Object.keys(orders) as SearchSort[]) {
    for (const active of [true, false]) {
      for (const queried of [true, false]) {
        const shape = { sort, active, queried };
        made.set(keyOf(shape), make(shape));
      }
    }
  }
  return (shape) => made.get(keyOf(shape)) as Sql;
}

/** Sort keys: expression over `product_search s`, direction, type. Each comes with the id, so that no two are equal. */
const orders: Readonly<Record<SearchSort, { readonly key: string; readonly down: boolean; readonly type: string }>> = {
  // Normalisation 1: long texts have more words by themselves. A code typed in full beats any words.
  relevance: {
    key: `ts_rank('{0, 0.1, 0.4, 1}', s.document, $14::tsquery, 1) + case when s.document @@ $15::tsquery then 10 else 0 end`,
    down: true,
    type: 'real',
  },
  price: { key: '(s.prices ->> $3)::bigint', down: false, type: 'bigint' },
  '-price': { key: '(s.prices ->> $3)::bigint', down: true, type: 'bigint' },
  name: { key: 's.name_key', down: false, type: 'text' },
  newest: { key: 's.product_id', down: true, type: 'text' },
};

const statusSql = ({ active }: Shape) => (active ? `s.status = 'active'` : `s.status <> 'active' and s.status = $13`);

/**
 * $1 named, $2 fits, $3 currency, $4 price from, $5 price to, $6 available only, $7 candidates, $8 key and $9 id of the
 * last product seen, $10 limit, $11 facets wanted, $12 price bounds, $13 status; for relevance $14 ranked, $15 code.
 */
const candidatesSql = eachShape((shape) => {
  const { sort, queried } = shape;
  const { key, down, type } = orders[sort];
  const direction = down ? 'desc' : 'asc';
  const select = `
      select s.product_id, s.facets, (s.prices ->> $3)::bigint as price, s.available, (${key})::${type} as key
      from product_search s
      where ${statusSql(shape)}
        and ($4::bigint is null or (s.prices ->> $3)::bigint >= $4)
        and ($5::bigint is null or (s.prices ->> $3)::bigint <= $5)
        and (not $6::boolean or s.available is distinct from false)
        ${sort.endsWith('price') ? 'and s.prices ? $3' : ''}`;
  const found = queried
    ? `(${select} and s.document @@ $1::tsquery limit $7)
      union all
      (${select} and s.document @@ $2::tsquery and ($1::tsquery is null or not s.document @@ $1::tsquery) limit $7)`
    : select;
  return `
  with candidate as materialized (
    select * from (${found}) found limit $7
  ), page as (
    select product_id, key, available from candidate
    where $8::${type} is null or (key, product_id) ${down ? '<' : '>'} ($8::${type}, $9::text)
    order by key ${direction}, product_id ${direction} limit $10
  ), facet as (
    select facet, count(*) as count from (select unnest(facets) as facet from candidate where $11::boolean) each
    group by facet order by count desc, facet limit ${facetRowsMax}
  ), bucket as (
    select width_bucket(price, $12::bigint[]) as bucket, count(*) as count from candidate
    where $11::boolean and price is not null group by bucket
  )
  select
    (select json_build_array(count(*), count(*) filter (where available), count(*) filter (where not available))
     from candidate) as counts,
    (select json_agg(json_build_array(page.product_id, page.key, page.available, product.body)
       order by page.key ${direction}, page.product_id ${direction})
     from page join product on product.id = page.product_id) as page,
    (select json_agg(json_build_array(facet, count) order by count desc, facet) from facet) as facets,
    (select json_agg(json_build_array(bucket, count) order by bucket) from bucket) as prices
  where ${shape.active ? '$13::text is not null' : 'true'} ${queried ? '' : 'and ($1::text is null or $2::text is null)'}`;
});

/**
 * Reads products in order until enough fit. The tsquery is applied through its function and not its operator, so that
 * the planner can't take the GIN index and sort half the catalogue. Parameters as above, in part.
 */
const orderedSql = eachShape((shape) => {
  const { sort, active, queried } = shape;
  const { down, type } = orders[sort];
  const direction = down ? 'desc' : 'asc';
  const byPrice = sort.endsWith('price');
  const key = byPrice ? 'p.amount_minor' : sort === 'name' ? 's.name_key' : 's.product_id';
  const id = byPrice ? 'p.product_id' : 's.product_id';
  // In order of price the bounds end the range of the index; otherwise a product without a price is out of them.
  const price = byPrice
    ? 'p.amount_minor'
    : `coalesce((s.prices ->> $2)::bigint, case when $3::bigint is null and $4::bigint is null then 0 else -1 end)`;
  const order = key === id ? `${id} ${direction}` : `${key} ${direction}, ${id} ${direction}`;
  return `
  select ${id} as id, ${key} as key, s.available, (select body from product where product.id = ${id}) as body
  from ${byPrice ? 'product_price p join product_search s on s.product_id = p.product_id' : 'product_search s'}
  where ${active ? `s.status = 'active' and $9::text is not null` : 's.status = $9'}
    and ${queried ? 'ts_match_vq(s.document, $1::tsquery)' : '$1::text is null'}
    ${byPrice ? 'and p.currency = $2' : ''}
    and ${price} >= coalesce($3::bigint, 0) and ${price} <= coalesce($4::bigint, ${Number.MAX_SAFE_INTEGER})
    and (not $5::boolean or s.available is distinct from false)
    and (${key}, ${id}) ${down ? '<' : '>'} ($6::${type}, $7::text)
  order by ${order} limit $8`;
});

interface CandidatesRow {
  /** All, available, sold out. */
  readonly counts: readonly [number, number, number];
  readonly page: readonly (readonly [PageRow['id'], PageRow['key'], PageRow['available'], PageRow['body']])[] | null;
  readonly facets: readonly (readonly [string, number])[] | null;
  readonly prices: readonly (readonly [number, number])[] | null;
}

export async function searchProducts(database: Queryable, request: SearchRequest): Promise<SearchResult> {
  const { text, sort, status, currency, priceFrom, priceTo, availableOnly, after, limit, withFacets, candidatesMax } =
    request;
  const shape: Shape = { sort, active: status === 'active', queried: text.fits !== null };
  const [afterKey, afterId] = after ?? [null, null];
  const { rows } = await database.query<CandidatesRow>(candidatesSql(shape), [
    ...[text.named, text.fits, currency, priceFrom, priceTo, availableOnly, candidatesMax],
    ...[afterKey, afterId, limit, withFacets, request.priceBounds, status],
    ...(sort === 'relevance' ? [text.ranked, text.code] : []),
  ]);
  const [row] = rows as readonly [CandidatesRow];
  const [count, yes, no] = row.counts;
  const capped = count >= candidatesMax;
  const page =
    capped && sort !== 'relevance'
      ? await orderedPage(database, request, shape)
      : (row.page ?? []).map(([id, key, available, body]) => ({ id, key, available, body }));
  return {
    page,
    count,
    capped,
    facets: (row.facets ?? []).map(([facet, count]) => ({ facet, count })),
    prices: (row.prices ?? []).map(([bucket, count]) => ({ bucket, count })),
    available: { yes, no },
  };
}

async function orderedPage(database: Queryable, request: SearchRequest, shape: Shape): Promise<readonly PageRow[]> {
  const { text, sort, status, currency, priceFrom, priceTo, availableOnly, after, limit } = request;
  // A start before all others and not "null or": only a plain comparison is a range of the index.
  const [afterKey, afterId] = after ?? starts[sort as keyof typeof starts];
  const { rows } = await database.query<PageRow>(orderedSql(shape), [
    ...[text.fits, currency, priceFrom, priceTo, availableOnly, afterKey, afterId, limit, status],
  ]);
  return rows;
}

const lastText = '\u{10ffff}';
const starts = {
  price: [-1, ''],
  '-price': [Number.MAX_SAFE_INTEGER, lastText],
  name: ['', ''],
  newest: [lastText, lastText],
} as const;

/** Counted with the words, in the transactions of the changes: exact at any time, and nothing to scan. */
const categoriesSql = `
  select substr(word, length('#category:') + 1) as path, products as count
  from search_word where word >= '#category:' and word < '#category;' and products > 0 order by word limit $1`;

const categoriesMax = 5_000;

export async function categoryCounts(database: Queryable): Promise<readonly { path: string; count: number }[]> {
  const { rows } = await database.query<{ path: string; count: number }>(categoriesSql, [categoriesMax]);
  return rows;
}

/** Words that the catalogue has, words that begin like the one typed, and words filed under one of its forms. */
const likeWordsSql = `
  select typed.word as typed, near.word, near.products, near.how
  from unnest($1::text[]) as typed (word),
  lateral (
    (select known.word, known.products, 'same' as how from search_word known where known.word = typed.word and known.products > 0)
    union all
    (select known.word, known.products, 'begins' as how from search_word known
     where known.word > typed.word and known.word < typed.word || chr(1114111) and known.products > 0
     order by known.products desc limit $4)
    union all
    (select distinct known.word, known.products, 'near' as how
     from unnest($2::text[], $3::text[]) as looked (form, word)
     join search_form filed on filed.form = looked.form
     join search_word known on known.word = filed.word
     where looked.word = typed.word and known.products > 0)
  ) near`;

export interface LikeWord {
  readonly typed: string;
  readonly word: string;
  readonly products: number;
  readonly how: 'same' | 'begins' | 'near';
}

const beginningsMax = 5;

export async function likeWords(database: Queryable, words: readonly string[]): Promise<readonly LikeWord[]> {
  const forms = words.flatMap((word) => formsLookedUp(word).map((form) => [form, word] as const));
  const { rows } = await database.query<LikeWord>(likeWordsSql, [
    words,
    forms.map(([form]) => form),
    forms.map(([, word]) => word),
    beginningsMax,
  ]);
  return rows;
}

/** Codes that begin like the one typed, and codes one slip away from it. */
const likeCodesSql = `
  select code from (
    (select code, 1 as rank from variant
     where code > $1 and code < $1 || chr(1114111) and active order by code limit $3)
    union all
    (select code, 2 from variant where code = any ($2::text[]) and active limit $3)
  ) found group by code order by min(rank), code limit $3`;
const likeCodesMax = 5;

export async function likeCodes(database: Queryable, code: string): Promise<readonly string[]> {
  const { rows } = await database.query<{ code: string }>(likeCodesSql, [code, codesNear(code), likeCodesMax]);
  return rows.map((row) => row.code);
}
