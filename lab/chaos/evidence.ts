import type { Database } from '#kit/runtime';
import { type BookSources, type Evidence, type Operation, type Row, readState } from '../checkers/index.ts';

/** Where a run left its traces: what the checkers read, and the readers of events. */
export interface Sources extends BookSources {
  readonly analytics: Database;
  readonly notifications: Database;
}

/** Events with such a key were planted by the laboratory: no order has such an id. */
export const poisonPrefix = 'ord_POISON';
const isPoison = ({ orderId }: { readonly orderId: string }): boolean => orderId.startsWith(poisonPrefix);

export interface Findings {
  readonly evidence: Evidence;
  /** What readers of events gave up though nobody had poisoned it. */
  readonly givenUp: readonly string[];
  /** Poison that readers gave up, as they should. */
  readonly poisonLetters: number;
}

/** Reads everything that is left. Not one snapshot: what is not yet at rest is read again later. */
export async function readFindings(sources: Sources, operations: readonly Operation[]): Promise<Findings> {
  const [state, sales, letters] = await Promise.all([
    readState(sources),
    readSales(sources.analytics),
    Promise.all([sources.analytics, sources.notifications].map(readDeadLetters)),
  ]);
  const dead = letters.flat();
  return {
    evidence: {
      ...state,
      operations,
      log: state.log.filter((event) => !isPoison(event)),
      outbox: state.outbox.filter((event) => !isPoison(event)),
      models: salesModels(state.orders, sales),
    },
    givenUp: dead
      .filter((letter) => !isPoison(letter))
      .map(({ reader, orderId, type }) => `${reader}: ${type} ${orderId}`),
    poisonLetters: dead.filter(isPoison).length,
  };
}

interface Sales {
  readonly orders: number;
  readonly refused: number;
  readonly cancelled: number;
}

async function readSales(analytics: Database): Promise<Sales> {
  const { rows } = await analytics.query<Sales>(
    `select coalesce(sum(orders), 0)::int as orders, coalesce(sum(refused_orders), 0)::int as refused,
       coalesce(sum(cancelled_orders), 0)::int as cancelled from sales_hour`,
  );
  return rows[0] ?? { orders: 0, refused: 0, cancelled: 0 };
}

/** What analytics says of the orders, beside what the orders say. */
function salesModels(orders: readonly Row<'orders'>[], sales: Sales): Row<'models'>[] {
  const count = (...states: string[]) => orders.filter(({ state }) => states.includes(state)).length;
  const model = (key: keyof Sales, source: number): Row<'models'> => ({
    model: 'sales',
    key,
    source,
    copy: sales[key],
  });
  return [
    model('orders', count('confirmed', 'cancelling', 'cancelled', 'returned')),
    model('refused', count('refused')),
    model('cancelled', count('cancelled')),
  ];
}

async function readDeadLetters(reader: Database) {
  const { rows } = await reader.query<{ orderId: string; type: string }>(
    'select key as "orderId", type from dead_letter order by id',
  );
  return rows.map((row) => ({ ...row, reader: reader.name }));
}
