/**
 * The clients of a contestant, in a process of their own so that they share no event loop with what they measure.
 * Takes its work as JSON in the first argument and prints the result as JSON.
 */
import pg from 'pg';
import { Pool } from 'undici';
import { seededRandom } from '#kit/runtime';
import { oneStatement, oneStatementPerRow } from './baselines.ts';
import { runLoad, type Turn } from './load.ts';
import { drawOrder, type Spread } from './shape.ts';

export interface ClientWork {
  readonly contestant: 'holdfast' | 'transaction' | 'cte' | 'echo';
  /** Origin of the server, or URL of the database. */
  readonly target: string;
  readonly spread: Spread;
  readonly clients: number;
  readonly seed: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** More connections than this only make a small server slower. */
const connectionsMax = 32;

const work = JSON.parse(process.argv[2] ?? '{}') as ClientWork;
const random = seededRandom(work.seed, 'bench');
const run = `${work.contestant}-${work.seed}-${process.pid}`;
let count = 0;

const { turn, close } = work.target.startsWith('postgres') ? againstDatabase() : overHttp();
const result = await runLoad({ ...work, turn });
process.stdout.write(`${JSON.stringify(result)}\n`);
await close();

function overHttp(): { turn: Turn; close: () => Promise<void> } {
  const pool = new Pool(work.target, { connections: work.clients, pipelining: 1 });
  return {
    async turn() {
      const { lines, email } = drawOrder(random, work.spread);
      count += 1;
      const response = await pool.request({
        method: 'POST',
        path: work.contestant === 'echo' ? '/echo' : '/orders',
        headers: { 'content-type': 'application/json', 'idempotency-key': `${run}-${count}` },
        body: JSON.stringify({ email, currency: 'EUR', lines, payment: { method: 'pm_card_visa' } }),
      });
      const text = await response.body.text();
      if (response.statusCode !== 201 || !text.includes('"state":"confirmed"')) {
        throw new Error(`status ${response.statusCode}: ${text.slice(0, 300)}`);
      }
    },
    close: () => pool.close(),
  };
}

function againstDatabase(): { turn: Turn; close: () => Promise<void> } {
  const pool = new pg.Pool({ connectionString: work.target, max: Math.min(work.clients, connectionsMax) });
  const place = work.contestant === 'cte' ? oneStatement : oneStatementPerRow;
  return {
    async turn() {
      const order = drawOrder(random, work.spread);
      count += 1;
      const id = `${run}-${count}`;
      const client = await pool.connect();
      try {
        await place(client, id, order);
      } finally {
        client.release();
      }
    },
    close: () => pool.end(),
  };
}
