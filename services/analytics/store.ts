import type { Queryable, Transaction } from '#kit/runtime';
import { allWritten } from '#kit/store';
import type { Facts } from './model.ts';

/** Rows in the order of their key everywhere, so that two members can't deadlock. */
const addHoursSql = `
  insert into sales_hour as s (hour, currency, country, channel, orders, units, gross_minor, refunded_minor,
    returned_units, cancelled_orders, refused_orders)
  select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
    $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[]) as f (hour, currency, country, channel)
  order by 1, 2, 3, 4
  on conflict (hour, currency, country, channel) do update set
    orders = s.orders + excluded.orders,
    units = s.units + excluded.units,
    gross_minor = s.gross_minor + excluded.gross_minor,
    refunded_minor = s.refunded_minor + excluded.refunded_minor,
    returned_units = s.returned_units + excluded.returned_units,
    cancelled_orders = s.cancelled_orders + excluded.cancelled_orders,
    refused_orders = s.refused_orders + excluded.refused_orders`;

const addProductsSql = `
  insert into sales_product as s (currency, day, sku, units, gross_minor, returned_units)
  select * from unnest($1::text[], $2::timestamptz[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
  order by 1, 2, 3
  on conflict (currency, day, sku) do update set
    units = s.units + excluded.units,
    gross_minor = s.gross_minor + excluded.gross_minor,
    returned_units = s.returned_units + excluded.returned_units`;

const nameProductsSql = `
  insert into product_name as n (sku, name, placed_at)
  select * from unnest($1::text[], $2::text[], $3::timestamptz[]) order by 1
  on conflict (sku) do update set name = excluded.name, placed_at = excluded.placed_at
  where (n.placed_at, n.name) < (excluded.placed_at, excluded.name)`;

export async function addFacts(tx: Transaction, { hours, products, names }: Facts): Promise<void> {
  const added: Promise<unknown>[] = [];
  if (hours.length > 0) {
    added.push(
      tx.query(addHoursSql, [
        hours.map((fact) => fact.hour),
        hours.map((fact) => fact.currency),
        hours.map((fact) => fact.country),
        hours.map((fact) => fact.channel),
        hours.map((fact) => fact.orders),
        hours.map((fact) => fact.units),
        hours.map((fact) => fact.grossMinor),
        hours.map((fact) => fact.refundedMinor),
        hours.map((fact) => fact.returnedUnits),
        hours.map((fact) => fact.cancelledOrders),
        hours.map((fact) => fact.refusedOrders),
      ]),
    );
  }
  if (products.length > 0) {
    added.push(
      tx.query(addProductsSql, [
        products.map((fact) => fact.currency),
        products.map((fact) => fact.day),
        products.map((fact) => fact.sku),
        products.map((fact) => fact.units),
        products.map((fact) => fact.grossMinor),
        products.map((fact) => fact.returnedUnits),
      ]),
    );
  }
  if (names.length > 0) {
    added.push(
      tx.query(nameProductsSql, [
        names.map((fact) => fact.sku),
        names.map((fact) => fact.name),
        names.map((fact) => fact.placedAt),
      ]),
    );
  }
  await allWritten(added);
}

export async function forgetFacts(tx: Transaction): Promise<void> {
  for (const table of ['sales_hour', 'sales_product', 'product_name'] as const) await tx.query(forgetSql[table]);
}

const forgetSql = {
  sales_hour: 'delete from sales_hour',
  sales_product: 'delete from sales_product',
  product_name: 'delete from product_name',
};

export interface SalesFilter {
  readonly from: string;
  readonly to: string;
  readonly currency?: string | undefined;
  readonly country?: string | undefined;
  readonly channel?: string | undefined;
}

export type SalesPart = 'hour' | 'day' | 'month' | 'country' | 'channel';

const utc = (part: string) =>
  `to_char(date_trunc('${part}', hour at time zone 'utc'), 'YYYY-MM-DD"T"HH24:MI:SS".000Z"')`;

const partOf: Readonly<Record<SalesPart, string>> = {
  hour: utc('hour'),
  day: utc('day'),
  month: utc('month'),
  country: 'country',
  channel: 'channel',
};

const salesSql = (part: SalesPart) => `
  select ${partOf[part]} as key, currency, sum(orders)::bigint as "orders", sum(units)::bigint as "units",
    sum(gross_minor)::bigint as "grossMinor", sum(refunded_minor)::bigint as "refundedMinor",
    sum(gross_minor - refunded_minor)::bigint as "netMinor", sum(returned_units)::bigint as "returnedUnits",
    sum(cancelled_orders)::bigint as "cancelledOrders", sum(refused_orders)::bigint as "refusedOrders"
  from sales_hour
  where hour >= $1 and hour < $2 and ($3::text is null or currency = $3)
    and ($4::text is null or country = $4) and ($5::text is null or channel = $5)
  group by 1, 2
  order by 1, 2
  limit $6`;

export interface SalesTotals {
  readonly key: string;
  readonly currency: string;
  readonly orders: number;
  readonly units: number;
  readonly grossMinor: number;
  readonly refundedMinor: number;
  readonly netMinor: number;
  readonly returnedUnits: number;
  readonly cancelledOrders: number;
  readonly refusedOrders: number;
}

export async function readSales(
  database: Queryable,
  by: SalesPart,
  filter: SalesFilter,
  limit: number,
): Promise<readonly SalesTotals[]> {
  const { from, to, currency = null, country = null, channel = null } = filter;
  return (await database.query<SalesTotals>(salesSql(by), [from, to, currency, country, channel, limit])).rows;
}

const productsSql = `
  select * from (
    select sku, coalesce(n.name, sku) as name, currency, sum(units)::bigint as "units",
      sum(gross_minor)::bigint as "grossMinor", sum(returned_units)::bigint as "returnedUnits"
    from sales_product s left join product_name n using (sku)
    where currency = $1 and day >= $2 and day < $3
    group by sku, n.name, currency
  ) p
  where $4::bigint is null or ("grossMinor", sku) < ($4, $5)
  order by "grossMinor" desc, sku desc limit $6`;

export interface ProductTotals {
  readonly sku: string;
  readonly name: string;
  readonly currency: string;
  readonly units: number;
  readonly grossMinor: number;
  readonly returnedUnits: number;
}

export async function readProducts(
  database: Queryable,
  filter: { readonly currency: string; readonly from: string; readonly to: string },
  after: readonly [grossMinor: number, sku: string] | undefined,
  limit: number,
): Promise<readonly ProductTotals[]> {
  const { currency, from, to } = filter;
  const [grossMinor, sku] = after ?? [null, null];
  return (await database.query<ProductTotals>(productsSql, [currency, from, to, grossMinor, sku, limit])).rows;
}
