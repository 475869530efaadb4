import type { Queryable, SqlValue, Transaction } from '#kit/runtime';
import { exactly } from '#kit/store';
import type { OrderRecord } from './model.ts';

interface OrderRow extends Omit<OrderRecord, 'placedAtMs' | 'decidedAtMs'> {
  readonly placedAt: Date;
  readonly decidedAt: Date | null;
}

const columns = `o.id, o.customer_id as "customerId", o.email, o.channel, o.currency, o.total_minor as "totalMinor",
  o.country, o.lines, o.shipping_address as "shippingAddress", o.state, o.reason, o.refunded_minor as "refundedMinor",
  o.returns, o.refunds, o.cancellation, o.scope, o.business_key as "businessKey", o.placed_at as "placedAt", o.decided_at as "decidedAt",
  o.hlc, o.shipments`;

function recordOf({ placedAt, decidedAt, ...row }: OrderRow): OrderRecord {
  return { ...row, placedAtMs: placedAt.getTime(), decidedAtMs: decidedAt?.getTime() ?? null };
}

const insertSql = `
  insert into customer_order (id, customer_id, email, channel, currency, total_minor, country, lines, shipping_address,
    state, scope, business_key, placed_at, hlc)
  select id, customer_id, email, channel, currency, total_minor, country, lines, nullif(shipping_address, 'null'),
    'received', scope, business_key, to_timestamp(placed_at_ms / 1000), hlc
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::jsonb[],
    $9::jsonb[], $10::text[], $11::text[], $12::double precision[], $13::text[])
    as new (id, customer_id, email, channel, currency, total_minor, country, lines, shipping_address, scope,
      business_key, placed_at_ms, hlc)`;

export async function insertOrders(tx: Transaction, orders: readonly OrderRecord[]): Promise<void> {
  if (orders.length === 0) return;
  await tx.query(insertSql, [
    orders.map((order) => order.id),
    orders.map((order) => order.customerId),
    orders.map((order) => order.email),
    orders.map((order) => order.channel),
    orders.map((order) => order.currency),
    orders.map((order) => order.totalMinor),
    orders.map((order) => order.country),
    orders.map((order) => JSON.stringify(order.lines)),
    orders.map((order) => JSON.stringify(order.shippingAddress ?? null)),
    orders.map((order) => order.scope),
    orders.map((order) => order.businessKey),
    orders.map((order) => order.placedAtMs),
    orders.map((order) => order.hlc),
  ]);
}

/** Reads and locks orders, always in order of id. */
export async function lockOrders(tx: Transaction, ids: readonly string[]): Promise<readonly OrderRecord[]> {
  if (ids.length === 0) return [];
  const { rows } = await tx.query<OrderRow>(
    `select ${columns} from customer_order o where o.id = any ($1::text[]) order by o.id for update`,
    [ids],
  );
  return rows.map(recordOf);
}

const updateSql = `
  update customer_order set state = new.state, reason = nullif(new.reason, 'null'),
    refunded_minor = new.refunded_minor, returns = new.returns, refunds = new.refunds,
    cancellation = nullif(new.cancellation, 'null'), decided_at = to_timestamp(new.decided_at_ms / 1000),
    hlc = new.hlc
  from unnest($1::text[], $2::text[], $3::jsonb[], $4::bigint[], $5::jsonb[], $6::jsonb[], $7::jsonb[],
    $8::double precision[], $9::text[])
    as new (id, state, reason, refunded_minor, returns, refunds, cancellation, decided_at_ms, hlc)
  where customer_order.id = new.id`;

/** Orders that were recalled, not locked: while `received`, the state tells all that can change. See `exactly`. */
const decideSql = exactly(`${updateSql} and customer_order.state = 'received'`, '$10');

export async function updateOrders(tx: Transaction, orders: readonly OrderRecord[]): Promise<void> {
  if (orders.length > 0) await tx.query(updateSql, updateValues(orders));
}

/** Writes orders that are decided now; inexact where one was decided elsewhere. */
export async function decideOrders(tx: Transaction, orders: readonly OrderRecord[]): Promise<void> {
  if (orders.length > 0) await tx.query(decideSql, [...updateValues(orders), orders.length]);
}

function updateValues(orders: readonly OrderRecord[]): SqlValue[] {
  return [
    orders.map((order) => order.id),
    orders.map((order) => order.state),
    orders.map((order) => JSON.stringify(order.reason)),
    orders.map((order) => order.refundedMinor),
    orders.map((order) => JSON.stringify(order.returns)),
    orders.map((order) => JSON.stringify(order.refunds)),
    orders.map((order) => JSON.stringify(order.cancellation)),
    orders.map((order) => order.decidedAtMs),
    orders.map((order) => order.hlc),
  ];
}

/** Apart from the rest: few orders change so, and what all orders write should not grow. */
export async function updateShipments(tx: Transaction, orders: readonly OrderRecord[]): Promise<void> {
  if (orders.length === 0) return;
  await tx.query(
    `update customer_order set shipments = new.shipments from unnest($1::text[], $2::jsonb[]) as new (id, shipments)
     where customer_order.id = new.id`,
    [orders.map((order) => order.id), orders.map((order) => JSON.stringify(order.shipments))],
  );
}

/** Imported orders by business key; there is at most one for each. */
export async function findImported(database: Queryable, keys: readonly string[]): Promise<readonly OrderRecord[]> {
  if (keys.length === 0) return [];
  const { rows } = await database.query<OrderRow>(
    `select ${columns} from customer_order o where o.channel = 'import' and o.business_key = any ($1::text[])`,
    [keys],
  );
  return rows.map(recordOf);
}

export interface OrderWithProgress {
  readonly order: OrderRecord;
  /** Step of the saga that places it, while it is not decided. */
  readonly sagaStep: number | undefined;
}

interface ProgressRow extends OrderRow {
  readonly sagaStep: number | null;
}

// Only an order that is not decided yet needs its saga looked at.
const withProgress = `select ${columns}, s.step as "sagaStep"
  from customer_order o left join saga s on s.id = o.id and o.state = 'received'`;

function progressOf({ sagaStep, ...row }: ProgressRow): OrderWithProgress {
  return { order: recordOf(row), sagaStep: sagaStep ?? undefined };
}

export async function readOrder(database: Queryable, id: string): Promise<OrderWithProgress | undefined> {
  const { rows } = await database.query<ProgressRow>(`${withProgress} where o.id = $1`, [id]);
  return rows[0] && progressOf(rows[0]);
}

export async function readOrders(database: Queryable, ids: readonly string[]): Promise<readonly OrderWithProgress[]> {
  const { rows } = await database.query<ProgressRow>(`${withProgress} where o.id = any ($1::text[])`, [ids]);
  return rows.map(progressOf);
}

export interface OrderFilter {
  readonly customerId?: string;
  readonly email?: string;
  readonly state?: string;
  /** No index serves it: people look for one order among all, and placing one would pay for the index. */
  readonly businessKey?: string;
  /** Orders older than this one. */
  readonly before?: string;
  readonly limit: number;
}

export async function listOrders(database: Queryable, filter: OrderFilter): Promise<readonly OrderWithProgress[]> {
  const { rows } = await database.query<ProgressRow>(
    `${withProgress}
     where ($1::text is null or o.customer_id = $1) and ($2::text is null or o.email = $2)
       and ($3::text is null or o.state = $3) and ($4::text is null or o.id < $4)
       and ($6::text is null or o.business_key = $6)
     order by o.id desc limit $5`,
    [
      filter.customerId ?? null,
      filter.email ?? null,
      filter.state ?? null,
      filter.before ?? null,
      filter.limit,
      filter.businessKey ?? null,
    ],
  );
  return rows.map(progressOf);
}

export async function exportOrders(
  database: Queryable,
  channel: string | null,
  after: string,
  limit: number,
): Promise<readonly OrderWithProgress[]> {
  const { rows } = await database.query<ProgressRow>(
    `${withProgress} where ($1::text is null or o.channel = $1) and o.id > $2 order by o.id limit $3`,
    [channel, after, limit],
  );
  return rows.map(progressOf);
}
