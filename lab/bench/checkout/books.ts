import { setTimeout as sleep } from 'node:timers/promises';
import { exitCodes, Failure } from '../../../cli/failure.ts';
import type { BenchServer } from '../server.ts';

/** What the databases say has become of the orders. */
export interface Books {
  readonly confirmed: number;
  /** Neither confirmed nor refused yet. */
  readonly undecided: number;
  readonly sagasUnderWay: number;
  readonly captured: number;
  readonly confirmedMinor: number;
  readonly capturedMinor: number;
  readonly unitsSold: number;
  readonly unitsHeld: number;
  readonly eventsNotRelayed: number;
  /** Events that a consumer has not handled yet. */
  readonly eventsNotConsumed: number;
  readonly lettersWritten: number;
  readonly ordersCounted: number;
}

export async function readBooks({ ask }: Pick<BenchServer, 'ask'>): Promise<Books> {
  const one = async (database: string, sql: string): Promise<Record<string, number>> => {
    const [row = {}] = await ask<Record<string, string>>(database, sql);
    return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Number(value)]));
  };
  const consumed = (group: string) =>
    one(group, `select coalesce(sum(next_offset), 0) as events from inbox_position where topic = 'orders'`);
  const orders = await one(
    'orders',
    `select count(*) filter (where state = 'confirmed') as confirmed,
       count(*) filter (where state = 'received') as undecided,
       coalesce(sum(total_minor) filter (where state = 'confirmed'), 0) as minor,
       (select count(*) from saga where status in ('running', 'compensating', 'stuck')) as sagas,
       (select count(*) from outbox) as outbox from customer_order`,
  );
  const payments = await one(
    'payments',
    `select count(*) as captured, coalesce(sum(captured_minor), 0) as minor from payment where status = 'captured'`,
  );
  const stock = await one(
    'inventory',
    `select coalesce(sum(sold), 0) as sold, coalesce(sum(held), 0) as held from stock`,
  );
  const log = await one(
    'log',
    `select coalesce(sum(next_offset), 0) as events from log_partition where topic = 'orders'`,
  );
  const groups = await Promise.all(['notifications', 'analytics'].map(consumed));
  const letters = await one(
    'notifications',
    `select count(*) as letters from notification where template = 'order.confirmed'`,
  );
  const sales = await one('analytics', 'select coalesce(sum(orders), 0) as orders from sales_hour');
  const field = (row: Record<string, number>, name: string) => row[name] ?? Number.NaN;
  return {
    confirmed: field(orders, 'confirmed'),
    undecided: field(orders, 'undecided'),
    sagasUnderWay: field(orders, 'sagas'),
    captured: field(payments, 'captured'),
    confirmedMinor: field(orders, 'minor'),
    capturedMinor: field(payments, 'minor'),
    unitsSold: field(stock, 'sold'),
    unitsHeld: field(stock, 'held'),
    eventsNotRelayed: field(orders, 'outbox'),
    eventsNotConsumed: groups.reduce((sum, group) => sum + field(log, 'events') - field(group, 'events'), 0),
    lettersWritten: field(letters, 'letters'),
    ordersCounted: field(sales, 'orders'),
  };
}

/** How much is still to be done; the few rows that tell are found by small indexes. */
async function leftovers({ ask }: BenchServer): Promise<number> {
  const number = async (database: string, sql: string) => Number((await ask<{ n: string }>(database, sql))[0]?.n);
  const events = await number(
    'log',
    `select coalesce(sum(next_offset), 0) as n from log_partition where topic = 'orders'`,
  );
  const counts = await Promise.all([
    number('orders', `select count(*) as n from saga where status in ('running', 'compensating')`),
    number('orders', 'select count(*) as n from outbox'),
    ...['notifications', 'analytics'].map(
      async (group) =>
        events -
        (await number(group, `select coalesce(sum(next_offset), 0) as n from inbox_position where topic = 'orders'`)),
    ),
  ]);
  return counts.reduce((sum, count) => sum + count, 0);
}

const pollMs = 20;
const settlePatienceMs = 120_000;

/**
 * Waits until all that orders bring about has happened as well: payments captured, events relayed and consumed. The
 * next contestant must not pay for the leftovers of the one before it. Resolves with the time that took.
 */
export async function settle(server: BenchServer): Promise<number> {
  const startMs = performance.now();
  for (let left = await leftovers(server); left !== 0; left = await leftovers(server)) {
    if (performance.now() - startMs > settlePatienceMs) {
      throw new Failure(
        exitCodes.checkFailed,
        `The shop has not finished its orders ${settlePatienceMs / 1000} s after the last was placed: ${JSON.stringify(await readBooks(server))}.`,
      );
    }
    await sleep(pollMs);
  }
  return Math.round(performance.now() - startMs);
}

/** What clients were told: orders confirmed, and the units in them. */
export interface Acknowledged {
  orders: number;
  units: number;
}

/** What doesn't add up, in sentences; none if all does. */
export function faultsOf(books: Books, acknowledged: Acknowledged): string[] {
  const faults: string[] = [];
  const expect = (what: string, found: number, wanted: number) => {
    if (found !== wanted) faults.push(`${what}: ${found} instead of ${wanted}`);
  };
  expect('confirmed orders', books.confirmed, acknowledged.orders);
  expect('captured payments', books.captured, books.confirmed);
  expect('captured minor units', books.capturedMinor, books.confirmedMinor);
  expect('units sold', books.unitsSold, acknowledged.units);
  expect('units held', books.unitsHeld, 0);
  expect('orders undecided', books.undecided, 0);
  expect('sagas under way', books.sagasUnderWay, 0);
  expect('events not relayed', books.eventsNotRelayed, 0);
  expect('events not consumed', books.eventsNotConsumed, 0);
  expect('letters written', books.lettersWritten, books.confirmed);
  expect('orders counted by analytics', books.ordersCounted, books.confirmed);
  return faults;
}
