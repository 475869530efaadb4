import type { SearchSort } from '#contracts/products';
import type { Database, Queryable } from '#kit/runtime';
import type { ProductBody } from './model.ts';
import type { TextQueries } from './query.ts';
import { formsLookedUp } from './typo.ts';

/**
 * How a search stays quick whatever is asked (figures: lab/bench/search.ts, 50,000 products, two cores):
 *
 * 1. Words, codes, categories and other facets are one tsquery on one GIN index. The bitmap is cheap; what costs is to
 *    visit rows (about 1 µs), to rank them (2–4 µs) and to count their facets (about 3 µs). So no more than
 *    `candidatesMax` rows are visited: first those with the words in their name, then the rest, in the order of the
 *    table, which stays the same from page to page. The Limit nodes end the scans there.
 * 2. With fewer matches than that, and that is nearly always once something is typed or ticked, ranks, facets, counts
 *    and all orders are exact, from one statement.
 * 3. With more, relevance and facet counts are of those candidates, which the reply says (`capped`); the other orders
 *    are still exact, read from an index in their order (`orderedSql`). As more than `candidatesMax` products match, the
 *    next match is never far.
 *
 * The plans are generic on purpose (`plan_cache_mode`): these statements have one good plan each, and planning anew for
 * each query took longer than most queries. Parallel workers are off: they cost milliseconds to start, and would make
 * the order of candidates differ from page to page.
 */
export const candidatesMax = 2_000;

/** Facet values read at most; the reply shows fewer. */
const facetRowsMax = 400;

export interface SearchRequest {
  readonly text: TextQueries;
  readonly sort: SearchSort;
  readonly currency: string;
  readonly priceFrom: number | null;
  readonly priceTo: number | null;
  readonly availableOnly: boolean;
  readonly after: readonly [string | number, string] | null;
  readonly limit: number;
  readonly withFacets: boolean;
}

export interface PageRow {
  readonly id: string;
  readonly key: string | number;
}

export interface SearchResult {
  readonly page: readonly PageRow[];
  readonly count: number;
  readonly capped: boolean;
  readonly facets: readonly { readonly facet: string; readonly count: number }[];
  readonly prices: readonly { readonly bucket: number; readonly count: number }[];
  readonly available: { readonly yes: number; readonly no: number };
}

/** $1 named, $2 fits, $3 ranked, $4 code, $5 currency, $6 price from, $7 to, $8 available only, $9 candidates. */
const conditions = `
    and ($6::bigint is null or (s.prices ->> $5)::bigint >= $6)
    and ($7::bigint is null or (s.prices ->> $5)::bigint <= $7)
    and (not $8::boolean or s.available is distinct from false)`;

/** Sort keys: expression over the candidates, direction, type. Each comes with the id, so that no two are equal. */
const orders: Readonly<Record<SearchSort, { readonly key: string; readonly down: boolean; readonly type: string }>> = {
  // Normalisation 1: long texts have more words by themselves. A code typed in full beats any words.
  relevance: {
    key: `ts_rank('{0, 0.1, 0.4, 1}', s.document, $3::tsquery, 1) + case when s.document @@ $4::tsquery then 10 else 0 end`,
    down: true,
    type: 'real',
  },
  price: { key: '(s.prices ->> $5)::bigint', down: false, type: 'bigint' },
  '-price': { key: '(s.prices ->> $5)::bigint', down: true, type: 'bigint' },
  name: { key: 's.name_key', down: false, type: 'text' },
  newest: { key: 's.product_id', down: true, type: 'text' },
};

function candidatesSql(sort: SearchSort): string {
  const { key, down, type } = orders[sort];
  const columns = `s.product_id, s.facets, (s.prices ->> $5)::bigint as price, s.available, (${key})::${type} as key`;
  const priced = sort === 'price' || sort === '-price' ? 'and s.prices ? $5' : '';
  const direction = down ? 'desc' : 'asc';
  return `
  with candidate as materialized (
    select * from (
      (select ${columns} from product_search s
       where s.document @@ $1::tsquery ${conditions} ${priced} limit $9)
      union all
      (select ${columns} from product_search s
       where s.document @@ $2::tsquery and ($1::tsquery is null or not s.document @@ $1::tsquery)
       ${conditions} ${priced} limit $9)
    ) found limit $9
  ), page as (
    select product_id, key from candidate
    where $10::${type} is null or (key, product_id) ${down ? '<' : '>'} ($10::${type}, $11::text)
    order by key ${direction}, product_id ${direction} limit $12
  ), facet as (
    select facet, count(*) as count from candidate, unnest(facets) as facet
    where $13::boolean group by facet order by count desc, facet limit ${facetRowsMax}
  ), bucket as (
    select width_bucket(price, $14::bigint[]) as bucket, count(*) as count from candidate
    where $13::boolean and price is not null group by bucket order by bucket
  )
  select
    (select count(*) from candidate) as count,
    (select count(*) from candidate where available) as available,
    (select count(*) from candidate where not available) as unavailable,
    (select json_agg(json_build_array(product_id, key) order by key ${direction}, product_id ${direction}) from page) as page,
    (select json_agg(json_build_array(facet, count) order by count desc, facet) from facet) as facets,
    (select json_agg(json_build_array(bucket, count) order by bucket) from bucket) as prices`;
}

/**
 * Reads products in order until enough fit. The tsquery is applied through its function and not its operator, so that
 * the planner can't take the GIN index and sort half the catalogue.
 */
function orderedSql(sort: Exclude<SearchSort, 'relevance'>): string {
  const { down, type } = orders[sort];
  const direction = down ? 'desc' : 'asc';
  const byPrice = sort === 'price' || sort === '-price';
  const key = byPrice ? 'p.amount_minor' : sort === 'name' ? 's.name_key' : 's.product_id';
  const id = byPrice ? 'p.product_id' : 's.product_id';
  const order = key === id ? `${id} ${direction}` : `${key} ${direction}, ${id} ${direction}`;
  return `
  select ${id} as id, ${key} as key
  from ${byPrice ? 'product_price p join product_search s on s.product_id = p.product_id' : 'product_search s'}
  where ts_match_vq(s.document, $1::tsquery)
    ${byPrice ? 'and p.currency = $2' : ''}
    and ($3::bigint is null or (s.prices ->> $2)::bigint >= $3)
    and ($4::bigint is null or (s.prices ->> $2)::bigint <= $4)
    and (not $5::boolean or s.available is distinct from false)
    and (${key}, ${id}) ${down ? '<' : '>'} ($6::${type}, $7::text)
  order by ${order} limit $8`;
}

const sorts: readonly SearchSort[] = ['relevance', 'price', '-price', 'name', 'newest'];
const candidatesSqls = Object.fromEntries(sorts.map((sort) => [sort, candidatesSql(sort)])) as Record<
  SearchSort,
  string
>;
const orderedSqls = Object.fromEntries(
  sorts.flatMap((sort) => (sort === 'relevance' ? [] : [[sort, orderedSql(sort)]])),
) as Record<Exclude<SearchSort, 'relevance'>, string>;

const settingsSql = `
  select set_config('plan_cache_mode', 'force_generic_plan', true), set_config('max_parallel_workers_per_gather', '0', true),
    set_config('jit', 'off', true)`;

interface CandidatesRow {
  readonly count: number;
  readonly available: number;
  readonly unavailable: number;
  readonly page: readonly (readonly [string, string | number])[] | null;
  readonly facets: readonly (readonly [string, number])[] | null;
  readonly prices: readonly (readonly [number, number])[] | null;
}

export function searchProducts(
  database: Database,
  request: SearchRequest,
  priceBounds: readonly number[],
): Promise<SearchResult> {
  const { text, sort, currency, priceFrom, priceTo, availableOnly, after, limit, withFacets } = request;
  const [afterKey, afterId] = after ?? [null, null];
  return database.transaction(
    async (tx) => {
      const [, { rows }] = await Promise.all([
        tx.query(settingsSql),
        tx.query<CandidatesRow>(candidatesSqls[sort], [
          ...[
            text.named,
            text.fits,
            text.ranked,
            text.code,
            currency,
            priceFrom,
            priceTo,
            availableOnly,
            candidatesMax,
          ],
          ...[afterKey, afterId, limit, withFacets, priceBounds],
        ]),
      ]);
      const [row] = rows as readonly [CandidatesRow];
      const capped = row.count >= candidatesMax;
      const page =
        capped && sort !== 'relevance'
          ? await orderedPage(tx, request, sort)
          : (row.page ?? []).map(([id, key]) => ({ id, key }));
      return {
        page,
        count: row.count,
        capped,
        facets: (row.facets ?? []).map(([facet, count]) => ({ facet, count })),
        prices: (row.prices ?? []).map(([bucket, count]) => ({ bucket, count })),
        available: { yes: row.available, no: row.unavailable },
      };
    },
    { readOnly: true },
  );
}

async function orderedPage(
  tx: Queryable,
  { text, currency, priceFrom, priceTo, availableOnly, after, limit }: SearchRequest,
  sort: Exclude<SearchSort, 'relevance'>,
): Promise<readonly PageRow[]> {
  // A start before all others and not "null or": only a plain comparison is a range of the index.
  const [afterKey, afterId] = after ?? starts[sort];
  const { rows } = await tx.query<{ id: string; key: string | number }>(orderedSqls[sort], [
    ...[text.fits, currency, priceFrom, priceTo, availableOnly, afterKey, afterId, limit],
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

const bodiesSql = `
  select p.id, p.body, s.available from product p join product_search s on s.product_id = p.id where p.id = any ($1::text[])`;

export interface CardRow {
  readonly id: string;
  readonly body: ProductBody;
  readonly available: boolean | null;
}

export async function cardRows(database: Queryable, ids: readonly string[]): Promise<Map<string, CardRow>> {
  if (ids.length === 0) return new Map();
  const { rows } = await database.query<CardRow>(bodiesSql, [ids]);
  return new Map(rows.map((row) => [row.id, row]));
}

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

/** Codes like the one typed. `%` takes the trigram index; its threshold is set for codes, which are alike by nature. */
const codeSettingsSql = `select set_config('pg_trgm.similarity_threshold', '0.5', true)`;
const likeCodesSql = `
  select code from (
    (select code, 1 as likeness from variant where code like '%' || $1 || '%' and active limit $2)
    union
    (select code, similarity(code, $1) from variant where code % $1 and active order by 2 desc limit $2)
  ) found group by code order by max(likeness) desc, code limit $2`;
const likeCodesMax = 5;

export async function likeCodes(database: Database, code: string): Promise<readonly string[]> {
  return database.transaction(
    async (tx) => {
      const [, { rows }] = await Promise.all([
        tx.query(codeSettingsSql),
        tx.query<{ code: string }>(likeCodesSql, [code, likeCodesMax]),
      ]);
      return rows.map((row) => row.code);
    },
    { readOnly: true },
  );
}
