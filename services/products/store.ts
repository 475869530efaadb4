import type { Label, Product, ProductStatus } from '#contracts/products';
import type { Queryable } from '#kit/runtime';
import { readInParts } from '#kit/store';
import { type ProductRow, productOf } from './rows.ts';

const columns = 'id, version, body, created_at, updated_at';
const byIdSql = `select ${columns} from product where id = $1`;
const bySlugSql = `select ${columns} from product where slug = $1`;

/** No slug looks like an id: slugs have no underscore. */
export async function productBy(database: Queryable, idOrSlug: string): Promise<Product | undefined> {
  const { rows } = await database.query<ProductRow>(idOrSlug.startsWith('prd_') ? byIdSql : bySlugSql, [idOrSlug]);
  return rows[0] && productOf(rows[0]);
}

const exportSql = `
  select ${columns} from product
  where id > $1 and ($2::text is null or status = $2) order by id limit $3`;

/** Products held in memory at a time while all are read: two megabytes or so. */
const exportRowsMax = 200;

/** All products, oldest first, each as it was when its turn came. */
export async function* allProducts(database: Queryable, status: ProductStatus | null): AsyncGenerator<Product> {
  const rows = readInParts<ProductRow>(
    async (last, limit) => (await database.query<ProductRow>(exportSql, [last?.id ?? '', status, limit])).rows,
    exportRowsMax,
  );
  for await (const row of rows) yield productOf(row);
}

const resolveSql = `
  select v.sku, v.product_id, p.version, v.name, v.active, v.prices
  from variant v join product p on p.id = v.product_id where v.sku = any ($1::text[])`;

export interface SoldAs {
  readonly sku: string;
  readonly product_id: string;
  readonly version: number;
  readonly name: string;
  readonly active: boolean;
  readonly prices: Readonly<Record<string, number>>;
}

/** One query whatever the number of SKUs. */
export async function soldAs(database: Queryable, skus: readonly string[]): Promise<readonly SoldAs[]> {
  const { rows } = await database.query<SoldAs>(resolveSql, [skus]);
  return rows;
}

/** Raised by every change of what is sold and for how much. */
export async function revisionOf(database: Queryable): Promise<number> {
  const { rows } = await database.query<{ revision: number }>('select revision from catalogue_revision');
  return rows[0]?.revision as number;
}

const labelsSql = `
  select v.sku, v.name, (v.prices ->> $2)::bigint as "amountMinor", v.gtin14 as gtin, p.body #>> '{categories,0}' as category
  from variant v join product p on p.id = v.product_id
  where v.sku = any ($1::text[]) and v.active and v.prices ->> $2 is not null
  order by v.sku`;

type LabelRow = Required<{ [Field in keyof Label]: Exclude<Label[Field], undefined> | null }>;

/** Off the way of orders: read from the table, a page of a till's share at a time. */
export async function labelsOf(database: Queryable, skus: readonly string[], currency: string): Promise<Label[]> {
  const { rows } = await database.query<LabelRow>(labelsSql, [skus, currency]);
  return rows.map((row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as Label);
}
