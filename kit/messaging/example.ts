/** An order is confirmed in one service and counted in another: exactly once, whatever crashes. Run it with `node`. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createOutbox,
  createPostgresLog,
  inboxMigrations,
  logMigrations,
  outboxMigrations,
  subscribe,
} from '#kit/messaging';
import { createHost, type Logger, systemWorld } from '#kit/runtime';
import { createDatabase, type Migrations, migrate } from '#kit/store';
import { provisionDatabase, startEmbeddedPostgres } from '#kit/store/embedded';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
const world = systemWorld(silent);
const dataDir = mkdtempSync(join(tmpdir(), 'messaging-example-'));
chmodSync(dataDir, 0o711);
const postgres = await startEmbeddedPostgres({ dataDir, world });

async function open(name: string, tables: Migrations) {
  const { adminUrl, secrets } = postgres;
  const url = await provisionDatabase({ admin: adminUrl, database: name, role: name, secrets, random: world.random });
  await migrate(url, [tables]);
  return createDatabase({ url, ...world });
}

// Three databases with three owners, as in production: nobody writes into another's.
const orders = await open('orders', outboxMigrations);
const statistics = await open('statistics', inboxMigrations);
const logDatabase = await open('log', logMigrations);
await orders.query('create table orders (id text primary key)');
await statistics.query('create table sales (country text primary key, count int not null)');

const log = createPostgresLog({ database: logDatabase, world });
const outbox = createOutbox({ source: 'orders', database: orders, log, world });
const counted = Promise.withResolvers<void>();

const subscription = subscribe({
  group: 'statistics',
  topics: ['orders'],
  types: ['order.confirmed'],
  log,
  database: statistics,
  world,
  delivery: 'effectively-once',
  // The position in the log moves in the same transaction as what the handler writes.
  async handler(tx, events) {
    const countries = events.map((event) => (event.data as { country: string }).country);
    await tx.query(
      `insert into sales as s select country, count(*) from unnest($1::text[]) as country group by country
       on conflict (country) do update set count = s.count + excluded.count`,
      [countries],
    );
    counted.resolve();
  },
});

const host = createHost({ log: silent, timers: world.timers });
host.add(outbox.component);
host.add(subscription.component);
await host.start();

// The order and its event are committed together, or neither is.
await orders.transaction(async (tx) => {
  await tx.query(`insert into orders values ('ord_1'), ('ord_2'), ('ord_3')`);
  const [event] = await outbox.publish(tx, [
    { type: 'order.confirmed', key: 'ord_1', data: { country: 'NL' } },
    { type: 'order.confirmed', key: 'ord_2', data: { country: 'IE' } },
    { type: 'order.confirmed', key: 'ord_3', data: { country: 'NL' } },
  ]);
  console.log('published', event?.type, event?.subject);
});
outbox.wake();

await counted.promise;
while ((await subscription.lag()).some((partition) => partition.events > 0)) await world.timers.sleep(5);
// What is in the log is taken out of the outbox by the relay's next turn.
while ((await outbox.pending()) > 0) await world.timers.sleep(5);
console.log('sales', (await statistics.query('select * from sales order by country')).rows);
console.log('waiting', await outbox.pending(), 'dead letters', (await subscription.deadLetters.tally()).total);

await host.stop();
for (const database of [orders, statistics, logDatabase]) await database.close();
await postgres.stop();
rmSync(dataDir, { recursive: true });
