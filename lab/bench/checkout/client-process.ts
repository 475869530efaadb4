/**
 * The clients of a contestant, in a process of their own so that they share no event loop with what they measure.
 * Takes its work as JSON in the first argument; tells its parent when it measures and what it found.
 */
import pg from 'pg';
import { Pool } from 'undici';
import { seededRandom } from '#kit/runtime';
import type { FromWorker } from '../worker.ts';
import { oneStatement, oneStatementPerRow } from './baselines.ts';
import { type LoadResult, runLoad, type Turn } from './load.ts';
import { type Basket, drawOrder } from './shape.ts';

export interface ClientWork {
  readonly contestant: 'holdfast' | 'transaction' | 'cte' | 'echo';
  /** Origin of the server, or URL of the database. */
  readonly target: string;
  readonly basket: Basket;
  readonly lines?: number | undefined;
  readonly clients: number;
  /** Makes the keys of the run unlike those of every other. */
  readonly seed: string;
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly turnsMax?: number;
}

export interface ClientResult extends LoadResult {
  /** Of all orders that ended well, with those of the warm-up and of the end. */
  readonly unitsAll: number;
  /** Orders that were begun again after a deadlock. */
  readonly deadlocks: number;
}

/** More connections than this only make a small server slower (README). */
const connectionsMax = 32;

const work = JSON.parse(process.argv[2] ?? '{}') as ClientWork;
const random = seededRandom(1, work.seed);
let [count, unitsAll, deadlocks] = [0, 0, 0];

const { turn, close } = work.target.startsWith('postgres') ? againstDatabase() : overHttp();
const result = await runLoad({ ...work, turn, onMeasure: () => tell('measuring') });
await close();
tell({ ...result, unitsAll, deadlocks });
process.disconnect();

function tell(message: FromWorker<ClientResult>): void {
  process.send?.(message);
}

function overHttp(): { turn: Turn; close: () => Promise<void> } {
  const pool = new Pool(work.target, { connections: work.clients, pipelining: 1 });
  return {
    async turn() {
      const { lines, email } = drawOrder(random, work.basket, work.lines);
      count += 1;
      const response = await pool.request({
        method: 'POST',
        path: work.contestant === 'echo' ? '/echo' : '/orders',
        headers: { 'content-type': 'application/json', 'idempotency-key': `${work.seed}-${count}` },
        body: JSON.stringify({ email, currency: 'EUR', lines, payment: { method: 'pm_card_visa' } }),
      });
      const text = await response.body.text();
      // Anything but a confirmed order is an error here: 202 too, which says that it is taken and not yet decided.
      if (response.statusCode !== 201 || !text.includes('"state":"confirmed"')) {
        throw new Error(`status ${response.statusCode}: ${text.slice(0, 300)}`);
      }
      unitsAll += lines.length;
    },
    close: () => pool.close(),
  };
}

function againstDatabase(): { turn: Turn; close: () => Promise<void> } {
  const pool = new pg.Pool({ connectionString: work.target, max: Math.min(work.clients, connectionsMax) });
  const place = work.contestant === 'cte' ? oneStatement : oneStatementPerRow;
  return {
    async turn() {
      const order = drawOrder(random, work.basket, work.lines);
      count += 1;
      const id = `${work.seed}-${count}`;
      for (;;) {
        const client = await pool.connect();
        try {
          await place(client, id, order);
          unitsAll += order.lines.length;
          return;
        } catch (error) {
          if ((error as { code?: string }).code !== '40P01') throw error;
          deadlocks += 1;
        } finally {
          client.release();
        }
      }
    },
    close: () => pool.end(),
  };
}
