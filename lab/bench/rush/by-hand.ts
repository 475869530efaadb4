import pg from 'pg';
import type { BenchServer } from '../server.ts';
import type { Click } from './buyers.ts';

/** What stands in the books of the hand-written shops afterwards. */
export interface HandBooks {
  readonly units: number;
  /** Buyers who paid more than once. */
  readonly twice: number;
}

const schema = `
  create table rush_stock (sku text primary key, quantity bigint not null);
  create table rush_order (id bigserial primary key, sku text not null references rush_stock, email text not null);
  create table rush_payment (order_id bigint primary key references rush_order, amount_minor bigint not null);
  create table rush_key (key text primary key, told text);`;

/** More connections than this only make a small server slower. */
const connectionsMax = 32;

/** Two shops as they are written by hand: the way that is written first, and the one that stands after the first bad day. */
export async function openHandShops(server: BenchServer, database: string) {
  const pool = new pg.Pool({ connectionString: server.urls[database] as string, max: connectionsMax });
  // Of a connection that the server ends first, when something else has gone wrong.
  pool.on('error', () => {});
  await pool.query(schema);

  async function inTransaction<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await pool.connect();
    try {
      await client.query('begin');
      const result = await work(client);
      await client.query('commit');
      return result;
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  }

  async function sell(client: pg.PoolClient, sku: string, email: string): Promise<void> {
    const { rows } = await client.query('insert into rush_order (sku, email) values ($1, $2) returning id', [
      sku,
      email,
    ]);
    await client.query('insert into rush_payment values ($1, 250)', [rows[0].id]);
  }

  /** Looks whether there is one, then takes it: between the two others do the same. A second click is a second order. */
  const checkThenAct =
    (sku: string): Click =>
    (buyer) =>
      inTransaction(async (client) => {
        const { rows } = await client.query('select quantity from rush_stock where sku = $1', [sku]);
        if (Number(rows[0].quantity) < 1) return { told: 'sold out', text: 'sold out' };
        await sell(client, sku, emailOf(buyer));
        await client.query('update rush_stock set quantity = quantity - 1 where sku = $1', [sku]);
        return { told: 'bought', text: 'bought' };
      });

  /** A key for each buyer, and a row of stock that is only taken from where there is something. */
  const guarded =
    (sku: string): Click =>
    (buyer) =>
      inTransaction(async (client) => {
        const key = `${sku} ${buyer}`;
        const claimed = await client.query('insert into rush_key values ($1) on conflict do nothing', [key]);
        if (claimed.rowCount === 0) {
          const { rows } = await client.query('select told from rush_key where key = $1', [key]);
          return { told: rows[0].told, text: rows[0].told };
        }
        const taken = await client.query(
          'update rush_stock set quantity = quantity - 1 where sku = $1 and quantity >= 1',
          [sku],
        );
        const told = taken.rowCount === 1 ? 'bought' : 'sold out';
        if (told === 'bought') await sell(client, sku, emailOf(buyer));
        await client.query('update rush_key set told = $2 where key = $1', [key, told]);
        return { told, text: told };
      });

  async function books(sku: string): Promise<HandBooks> {
    const [row] = await server.ask<{ units: string; twice: string }>(
      database,
      `select coalesce(sum(n), 0) as units, count(*) filter (where n > 1) as twice
       from (select email, count(*) as n from rush_order join rush_payment on order_id = id where sku = $1 group by email) b`,
      [sku],
    );
    return { units: Number(row?.units), twice: Number(row?.twice) };
  }

  return {
    checkThenAct,
    guarded,
    books,
    stock: (sku: string, quantity: number) =>
      server.ask(database, 'insert into rush_stock values ($1, $2)', [sku, quantity]),
    close: () => pool.end(),
  };
}

export const emailOf = (buyer: number): string => `buyer-${buyer}@example.com`;
