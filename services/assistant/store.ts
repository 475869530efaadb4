import type { Product } from '#contracts/products';
import type { Queryable, Transaction } from '#kit/runtime';

const putSql = `
  insert into product_copy (id, version, body, search)
  select id, version, body, setweight(to_tsvector('english', name), 'A')
    || setweight(to_tsvector('english', facets), 'B') || setweight(to_tsvector('english', description), 'D')
  from unnest($1::text[], $2::bigint[], $3::jsonb[], $4::text[], $5::text[], $6::text[])
    as new (id, version, body, name, facets, description)
  order by id
  on conflict (id) do update set version = excluded.version, body = excluded.body, search = excluded.search
  where product_copy.version < excluded.version`;

/** What is sold is kept as it is now; what is not sold any more is forgotten. */
export async function copyProducts(tx: Transaction, products: readonly Product[]): Promise<void> {
  const latest = [...new Map(products.map((product) => [product.id, product])).values()];
  const sold = latest.filter(({ status }) => status === 'active');
  const gone = latest.filter(({ status }) => status !== 'active');
  const writes: Promise<unknown>[] = [];
  if (sold.length > 0) {
    writes.push(
      tx.query(putSql, [
        sold.map(({ id }) => id),
        sold.map(({ version }) => version),
        sold.map((product) => JSON.stringify(product)),
        sold.map(({ name }) => name),
        sold.map(facetText),
        sold.map(({ description }) => description),
      ]),
    );
  }
  if (gone.length > 0) {
    writes.push(tx.query('delete from product_copy where id = any ($1::text[])', [gone.map(({ id }) => id)]));
  }
  await Promise.all(writes);
}

function facetText({ categories, attributes, variants }: Product): string {
  const options = variants.flatMap((variant) => [...Object.entries(variant.options).flat(), variant.sku]);
  return [...categories, ...Object.entries(attributes).flat(), ...options].join(' ').replaceAll('/', ' ');
}

const findSql = `
  select body from product_copy, to_tsquery('english', $1) as wanted
  where search @@ wanted order by ts_rank('{0.1, 0.2, 0.6, 1.0}', search, wanted) desc, id limit $2`;

/** Products with any of the words, those with more and weightier ones first. Words are letters and digits only. */
export async function findProducts(
  database: Queryable,
  words: readonly string[],
  limit: number,
): Promise<readonly Product[]> {
  if (words.length === 0) return [];
  const { rows } = await database.query<{ body: Product }>(findSql, [words.join(' | '), limit]);
  return rows.map(({ body }) => body);
}

const vocabularyMax = 50_000;

/** All stemmed words of the copy. Reads all of it: only for words that nothing was found for. */
export async function readVocabulary(database: Queryable): Promise<readonly string[]> {
  const { rows } = await database.query<{ word: string }>(
    `select word from ts_stat('select search from product_copy') order by ndoc desc, word limit $1`,
    [vocabularyMax],
  );
  return rows.map(({ word }) => word);
}

export interface CopyFacts {
  readonly products: number;
  readonly categories: readonly string[];
  readonly levelAt: Date | null;
}

export async function readFacts(database: Queryable): Promise<CopyFacts> {
  const [count, categories, level] = await Promise.all([
    database.query<{ products: number }>('select count(*)::bigint as products from product_copy'),
    database.query<{ name: string }>(
      `select split_part(category, '/', 1) as name from product_copy, jsonb_array_elements_text(body -> 'categories') category
       group by 1 order by count(*) desc, 1 limit 8`,
    ),
    database.query<{ at: Date }>('select at from level'),
  ]);
  return {
    products: count.rows[0]?.products ?? 0,
    categories: categories.rows.map(({ name }) => name),
    levelAt: level.rows[0]?.at ?? null,
  };
}

export async function writeLevel(database: Queryable, atMs: number): Promise<void> {
  await database.query(
    `insert into level (at) values (to_timestamp($1::double precision / 1000))
     on conflict (id) do update set at = greatest(level.at, excluded.at)`,
    [atMs],
  );
}

export async function forgetProducts(tx: Transaction): Promise<void> {
  await tx.query('delete from product_copy');
}
