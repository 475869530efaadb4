import type { Database } from '#kit/runtime';
import type { Movement } from '#services/payments/sandbox';
import type { BookOrder, BookStock, Books } from './books.ts';

export interface BookSources {
  readonly orders: Database;
  readonly inventory: Database;
  readonly payments: Database;
  readonly log: Database;
  readonly provider: () => Promise<readonly Movement[]>;
}

/** Reads everything the checkers look at, straight from the tables. */
export async function readBooks(sources: BookSources): Promise<Books> {
  const { orders, inventory, payments, log, provider } = sources;
  const rows = async <R extends object>(database: Database, sql: string) => (await database.query<R>(sql)).rows;
  const [orderRows, sagas, outbox, stock, holds, movements, paymentRows, events, money] = await Promise.all([
    rows<Omit<BookOrder, 'goods'> & { lines: { kind: string; sku?: string; quantity: number }[] }>(
      orders,
      `select id, state, total_minor as "totalMinor", refunded_minor as "refundedMinor", scope,
         business_key as "businessKey", lines from customer_order`,
    ),
    rows<Books['sagas'][number]>(orders, 'select id, status from saga'),
    rows<{ n: number }>(orders, 'select count(*)::int as n from outbox'),
    rows<BookStock>(
      inventory,
      `select sku, received, on_hand as "onHand", held, sold, written_off as "writtenOff", version from stock`,
    ),
    rows<{ orderId: string; status: string; lines: [string, number][] }>(
      inventory,
      'select order_id as "orderId", status, lines from hold',
    ),
    rows<Books['movements'][number]>(inventory, 'select sku, version, kind, quantity, reference from movement'),
    rows<Books['payments'][number]>(
      payments,
      `select order_id as "orderId", status, amount_minor as "amountMinor", captured_minor as "capturedMinor",
         refunded_minor as "refundedMinor" from payment`,
    ),
    rows<Books['events'][number]>(
      log,
      `select envelope ->> 'type' as type, envelope ->> 'subject' as "orderId" from log_event
       where topic = 'orders' order by partition, "offset"`,
    ),
    provider(),
  ]);
  return {
    orders: orderRows.map(({ lines, ...order }) => ({
      ...order,
      goods: lines.flatMap(({ kind, sku, quantity }) => (kind === 'goods' && sku ? [{ sku, quantity }] : [])),
    })),
    sagas,
    stock,
    holds: holds.map((hold) => ({ ...hold, lines: hold.lines.map(([sku, quantity]) => ({ sku, quantity })) })),
    movements,
    payments: paymentRows,
    events,
    unrelayed: outbox[0]?.n ?? 0,
    provider: money,
  };
}
