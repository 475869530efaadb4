import type { Queryable, Transaction } from '#kit/runtime';
import { isUniqueViolation, Overtaken, removeInParts } from '#kit/store';
import type { CartRecord, CheckoutRecord } from './records.ts';

interface CartRow extends Omit<CartRecord, 'updatedAtMs'> {
  readonly updatedAt: Date;
}

const cartColumns = `id, customer_id as "customerId", version, round, currency, destination,
  shipping_method as "shippingMethod", codes, lines, joined_into as "joinedInto", joined_by as "joinedBy",
  updated_at as "updatedAt"`;

const cartOf = ({ updatedAt, ...row }: CartRow): CartRecord => ({ ...row, updatedAtMs: updatedAt.getTime() });

export async function readCart(database: Queryable, id: string): Promise<CartRecord | undefined> {
  const { rows } = await database.query<CartRow>(`select ${cartColumns} from cart where id = $1`, [id]);
  return rows[0] && cartOf(rows[0]);
}

const lockCartsSql = `select ${cartColumns} from cart
  where id = any ($1::text[] || array(
      select joined_into from cart where id = any ($3::text[]) and joined_into is not null
      union all
      select id from cart where joined_into = any ($3::text[])))
    or customer_id = any ($2::text[])
  order by id for update`;

/**
 * Reads and locks carts by id, and those of customers; `withJoined`: of which carts also the one that they have
 * joined, and those that have joined them. Rows are always locked in one order: keys, carts, checkouts, uses.
 */
export async function lockCarts(
  tx: Transaction,
  ids: readonly string[],
  customerIds: readonly string[],
  withJoined: readonly string[],
): Promise<CartRecord[]> {
  if (ids.length === 0 && customerIds.length === 0) return [];
  const carts = (await tx.query<CartRow>(lockCartsSql, [ids, customerIds, withJoined])).rows.map(cartOf);
  const locked = new Set(carts.map(({ id }) => id));
  if (carts.some(({ id, joinedInto }) => withJoined.includes(id) && joinedInto !== null && !locked.has(joinedInto))) {
    throw new Overtaken('a cart joined another while it was waited for');
  }
  return carts;
}

const insertCartsSql = `
  insert into cart (id, customer_id, version, round, currency, destination, shipping_method, codes, lines, updated_at)
  select id, customer_id, version, round, currency, nullif(destination, 'null'), shipping_method, codes, lines,
    to_timestamp(updated_at_ms / 1000)
  from unnest($1::text[], $2::text[], $3::bigint[], $4::int[], $5::text[], $6::jsonb[], $7::text[], $8::jsonb[],
    $9::jsonb[], $10::double precision[])
    as new (id, customer_id, version, round, currency, destination, shipping_method, codes, lines, updated_at_ms)`;

const updateCartsSql = `
  update cart set version = new.version, round = new.round, currency = new.currency,
    destination = nullif(new.destination, 'null'), shipping_method = new.shipping_method, codes = new.codes,
    lines = new.lines, joined_into = new.joined_into, joined_by = new.joined_by,
    updated_at = to_timestamp(new.updated_at_ms / 1000)
  from unnest($1::text[], $2::bigint[], $3::int[], $4::text[], $5::jsonb[], $6::text[], $7::jsonb[], $8::jsonb[],
    $9::text[], $10::text[], $11::double precision[])
    as new (id, version, round, currency, destination, shipping_method, codes, lines, joined_into, joined_by,
      updated_at_ms)
  where cart.id = new.id`;

export async function insertCarts(tx: Transaction, carts: readonly CartRecord[]): Promise<void> {
  if (carts.length === 0) return;
  try {
    await tx.query(insertCartsSql, [
      carts.map((cart) => cart.id),
      carts.map((cart) => cart.customerId),
      carts.map((cart) => cart.version),
      carts.map((cart) => cart.round),
      carts.map((cart) => cart.currency),
      carts.map((cart) => JSON.stringify(cart.destination)),
      carts.map((cart) => cart.shippingMethod),
      carts.map((cart) => JSON.stringify(cart.codes)),
      carts.map((cart) => JSON.stringify(cart.lines)),
      carts.map((cart) => cart.updatedAtMs),
    ]);
  } catch (error) {
    // Another instance made this customer's cart after we looked: decide again on what it left.
    throw isUniqueViolation(error) ? new Overtaken('a cart was made elsewhere at the same time') : error;
  }
}

export async function updateCarts(tx: Transaction, carts: readonly CartRecord[]): Promise<void> {
  if (carts.length === 0) return;
  await tx.query(updateCartsSql, [
    carts.map((cart) => cart.id),
    carts.map((cart) => cart.version),
    carts.map((cart) => cart.round),
    carts.map((cart) => cart.currency),
    carts.map((cart) => JSON.stringify(cart.destination)),
    carts.map((cart) => cart.shippingMethod),
    carts.map((cart) => JSON.stringify(cart.codes)),
    carts.map((cart) => JSON.stringify(cart.lines)),
    carts.map((cart) => cart.joinedInto),
    carts.map((cart) => cart.joinedBy),
    carts.map((cart) => cart.updatedAtMs),
  ]);
}

interface CheckoutRow extends Omit<CheckoutRecord, 'startedAtMs'> {
  readonly startedAt: Date;
}

const checkoutColumns = `business_key as "businessKey", cart_id as "cartId", round, state, fingerprint, request, totals,
  seen, codes, customers, order_id as "orderId", order_state as "orderState", reason, started_at as "startedAt"`;

const checkoutOf = ({ startedAt, ...row }: CheckoutRow): CheckoutRecord => ({
  ...row,
  startedAtMs: startedAt.getTime(),
});

export async function readCheckout(database: Queryable, businessKey: string): Promise<CheckoutRecord | undefined> {
  const sql = `select ${checkoutColumns} from checkout where business_key = $1`;
  const { rows } = await database.query<CheckoutRow>(sql, [businessKey]);
  return rows[0] && checkoutOf(rows[0]);
}

export async function lockCheckouts(tx: Transaction, businessKeys: readonly string[]): Promise<CheckoutRecord[]> {
  if (businessKeys.length === 0) return [];
  const sql = `select ${checkoutColumns} from checkout where business_key = any ($1::text[])
    order by business_key for update`;
  return (await tx.query<CheckoutRow>(sql, [businessKeys])).rows.map(checkoutOf);
}

const openBesideSql = `select ${checkoutColumns} from checkout where state in ('saved', 'placed') and cart_id = any (array(
  select id from cart where joined_into = any ($1::text[])
  union all
  select joined_into from cart where id = any ($1::text[]) and joined_into is not null))`;

/** Checkouts under way of the carts that have joined these, or that these have joined: the same items may be in both. */
export async function openBeside(tx: Transaction, cartIds: readonly string[]): Promise<CheckoutRecord[]> {
  if (cartIds.length === 0) return [];
  return (await tx.query<CheckoutRow>(openBesideSql, [cartIds])).rows.map(checkoutOf);
}

const openOfSql = `select ${checkoutColumns} from checkout where state in ('saved', 'placed') and business_key = any (array(
  select id || '.' || round from cart where id = any ($1::text[])))`;

/** Checkouts under way of these carts. */
export async function openOf(tx: Transaction, cartIds: readonly string[]): Promise<CheckoutRecord[]> {
  if (cartIds.length === 0) return [];
  return (await tx.query<CheckoutRow>(openOfSql, [cartIds])).rows.map(checkoutOf);
}

const writeCheckoutsSql = `
  insert into checkout (business_key, cart_id, round, state, fingerprint, request, totals, seen, codes, customers,
    order_id, order_state, reason, started_at, try_at)
  select business_key, cart_id, round, state, fingerprint, case request::text when 'null' then null else request end, totals, seen, codes, customers,
    order_id, order_state, nullif(reason, 'null'), to_timestamp(started_at_ms / 1000), now() + make_interval(secs => $15)
  from unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::json[], $7::jsonb[], $8::jsonb[],
    $9::jsonb[], $10::jsonb[], $11::text[], $12::text[], $13::jsonb[], $14::double precision[])
    as new (business_key, cart_id, round, state, fingerprint, request, totals, seen, codes, customers, order_id,
      order_state, reason, started_at_ms)
  on conflict (business_key) do update set state = excluded.state, request = excluded.request,
    order_id = excluded.order_id, order_state = excluded.order_state, reason = excluded.reason`;

/** `retryMs`: how long a new checkout is left to whoever began it, before it is looked after. */
export async function writeCheckouts(
  tx: Transaction,
  checkouts: readonly CheckoutRecord[],
  retryMs: number,
): Promise<void> {
  if (checkouts.length === 0) return;
  await tx.query(writeCheckoutsSql, [
    checkouts.map((row) => row.businessKey),
    checkouts.map((row) => row.cartId),
    checkouts.map((row) => row.round),
    checkouts.map((row) => row.state),
    checkouts.map((row) => row.fingerprint),
    checkouts.map((row) => JSON.stringify(row.request)),
    checkouts.map((row) => JSON.stringify(row.totals)),
    checkouts.map((row) => JSON.stringify(row.seen)),
    checkouts.map((row) => JSON.stringify(row.codes)),
    checkouts.map((row) => JSON.stringify(row.customers)),
    checkouts.map((row) => row.orderId),
    checkouts.map((row) => row.orderState),
    checkouts.map((row) => JSON.stringify(row.reason)),
    checkouts.map((row) => row.startedAtMs),
    retryMs / 1000,
  ]);
}

const sweepGuestCartsSql = `
  delete from cart where ctid = any (array(
    select ctid from cart where customer_id is null and updated_at < now() - make_interval(secs => $1) limit $2))`;

/** Forgets carts of guests that nobody has touched for so long. */
export async function sweepGuestCarts(database: Queryable, keepMs: number): Promise<void> {
  await removeInParts(database, sweepGuestCartsSql, [keepMs / 1000], 1_000);
}

const dueSql = `
  update checkout set try_at = now() + make_interval(secs => $2) where business_key in (
    select business_key from checkout where state in ('saved', 'placed') and try_at < now()
    order by try_at limit $1 for update skip locked)
  returning ${checkoutColumns}`;

/** Checkouts whose end nobody has seen. Each is given to one instance for `againMs`. */
export async function takeDueCheckouts(database: Queryable, max: number, againMs: number): Promise<CheckoutRecord[]> {
  return (await database.query<CheckoutRow>(dueSql, [max, againMs / 1000])).rows.map(checkoutOf);
}
