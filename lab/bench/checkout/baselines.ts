import pg from 'pg';
import { linesOfTwentieths, type OrderShape, unitPriceMinor } from './shape.ts';

/**
 * What a careful developer would write by hand in one database, without services, holds, sagas or a payment provider:
 * the yardstick. Its tables are to be prefilled and analysed, because foreign keys planned on empty tables read up to seven
 * times too slow.
 */
export const baselineSchema = `
  create table stock (sku text primary key, quantity bigint not null check (quantity >= 0)) with (fillfactor = 70);
  create table idempotency_key (key text primary key, fingerprint text not null, created_at timestamptz not null default now());
  create table customer_order (id text primary key, email text not null, state text not null, currency text not null,
    total_minor bigint not null, placed_at timestamptz not null default now());
  create table order_line (order_id text not null references customer_order, line int not null, sku text not null references stock,
    quantity bigint not null, unit_price_minor bigint not null, primary key (order_id, line));
  create table payment (order_id text primary key references customer_order, status text not null, amount_minor bigint not null,
    provider_ref text, created_at timestamptz not null default now());
  create table outbox (id bigserial primary key, key text not null, event jsonb not null);`;

/** Makes the tables and fills them with as many orders as the shop has taken by then. */
export async function prepareBaseline(url: string, skus: readonly string[], orders: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(baselineSchema);
    const numbers = `generate_series(1, ${Math.floor(orders)}) n`;
    await client.query('insert into stock select sku, 1000000000 from unnest($1::text[]) as sku', [skus]);
    await client.query(
      `insert into customer_order select 'old_' || n, 'a@example.com', 'confirmed', 'EUR', 500 from ${numbers}`,
    );
    await client.query(
      `insert into order_line select 'old_' || n, l, ($1::text[])[1 + (n * 7 + l) % $2], 1, $3
       from ${numbers}, generate_series(1, ($4::int[])[1 + n % $5]) l`,
      [skus, skus.length, unitPriceMinor, linesOfTwentieths, linesOfTwentieths.length],
    );
    await client.query(`insert into payment select 'old_' || n, 'captured', 500, 'pi_' || n from ${numbers}`);
    await client.query(`insert into idempotency_key select 'old_' || n, 'x' from ${numbers}`);
    await client.query(`insert into outbox (key, event) select 'old_' || n, '{}' from ${numbers}`);
  } finally {
    await client.end();
  }
}

export type Baseline = (client: pg.PoolClient, id: string, order: OrderShape) => Promise<void>;

/** (a) BEGIN, one statement a row, COMMIT. Rows of stock are taken in order of SKU, so nothing deadlocks. */
export const oneStatementPerRow: Baseline = async (client, id, order) => {
  const run = (name: string, text: string, values: unknown[]) => client.query({ name, text, values });
  await client.query('begin');
  try {
    await run('key', 'insert into idempotency_key (key, fingerprint) values ($1, $2)', [id, 'f']);
    await run(
      'order',
      `insert into customer_order (id, email, state, currency, total_minor) values ($1, $2, 'received', $3, $4)`,
      [id, order.email, 'EUR', order.totalMinor],
    );
    for (const [line, { sku, quantity }] of order.lines.entries()) {
      await run('line', 'insert into order_line values ($1, $2, $3, $4, $5)', [
        id,
        line,
        sku,
        quantity,
        unitPriceMinor,
      ]);
    }
    for (const { sku, quantity } of order.lines.toSorted((a, b) => (a.sku < b.sku ? -1 : 1))) {
      const taken = await run('stock', 'update stock set quantity = quantity - $2 where sku = $1 and quantity >= $2', [
        sku,
        quantity,
      ]);
      if (taken.rowCount !== 1) throw new Error('out of stock');
    }
    await run(
      'pay',
      `insert into payment (order_id, status, amount_minor, provider_ref) values ($1, 'captured', $2, $3)`,
      [id, order.totalMinor, `pi_${id}`],
    );
    await run('confirm', `update customer_order set state = 'confirmed' where id = $1`, [id]);
    await run('event', 'insert into outbox (key, event) values ($1, $2)', [id, JSON.stringify({ id, ...order })]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
};

const oneStatementSql = `
  with key as (insert into idempotency_key (key, fingerprint) values ($1, 'f')),
  placed as (insert into customer_order (id, email, state, currency, total_minor) values ($1, $2, 'confirmed', 'EUR', $3)),
  wanted as (select row_number() over () as line, sku, quantity from unnest($4::text[], $5::bigint[]) as w (sku, quantity)),
  lines as (insert into order_line select $1, line, sku, quantity, ${unitPriceMinor} from wanted),
  locked as (select stock.sku, wanted.quantity from stock join wanted using (sku) order by stock.sku for update of stock),
  taken as (update stock set quantity = stock.quantity - locked.quantity from locked where stock.sku = locked.sku returning 1),
  paid as (insert into payment (order_id, status, amount_minor, provider_ref) values ($1, 'captured', $3, 'pi_' || $1)),
  event as (insert into outbox (key, event) values ($1, $6))
  select count(*) as taken from taken`;

/** (b) The same rows by one statement with CTEs: one round trip and one commit an order. Stock is locked in order of SKU, too. */
export const oneStatement: Baseline = async (client, id, order) => {
  const lines = order.lines.toSorted((a, b) => (a.sku < b.sku ? -1 : 1));
  const { rows } = await client.query<{ taken: string }>({
    name: 'all',
    text: oneStatementSql,
    values: [
      id,
      order.email,
      order.totalMinor,
      lines.map((line) => line.sku),
      lines.map((line) => line.quantity),
      JSON.stringify({ id, ...order }),
    ],
  });
  if (Number(rows[0]?.taken) !== lines.length) throw new Error('a SKU is not known');
};
