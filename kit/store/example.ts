// A thousand commands in a handful of commits, one of them bad, on a real PostgreSQL that this script starts and removes.
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, systemWorld } from '#kit/runtime';
import { createBatchWriter, createDatabase } from '#kit/store';
import { startEmbeddedPostgres } from './embedded/index.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);
const dataDir = join(tmpdir(), `holdfast-example-${process.pid}`);
const server = await startEmbeddedPostgres({ dataDir, world });
const database = createDatabase({ url: server.adminUrl, name: 'example', ...world });

await database.query('create table account (name text primary key, cents int not null check (cents >= 0))');
await database.query('create table booking (id text primary key)');

// A transaction: both or neither; run again by itself after a deadlock or a serialisation failure.
await database.transaction(async (tx) => {
  // Sent together, answered together: one round trip.
  await Promise.all([
    tx.query('insert into account values ($1, $2)', ['ada', 500]),
    tx.query('insert into account values ($1, $2)', ['bob', 0]),
  ]);
});

// A batch writer: each caller awaits its own command, the database sees one transaction for all that were waiting.
let commits = 0;
const bookings = createBatchWriter<{ id: string; cents: number }, 'booked' | 'known'>({
  name: 'bookings',
  database,
  ...world,
  onCommit: () => {
    commits += 1;
  },
  async apply(tx, commands) {
    // Idempotent by id, so that a batch can be repeated when nobody knows whether its commit happened.
    const { rows } = await tx.query<{ id: string }>(
      'insert into booking select unnest($1::text[]) on conflict do nothing returning id',
      [commands.map((command) => command.id)],
    );
    const fresh = new Set(rows.map((row) => row.id));
    const cents = commands.reduce((sum, command) => sum + (fresh.has(command.id) ? command.cents : 0), 0);
    await tx.query(`update account set cents = cents + $1 where name = 'bob'`, [cents]);
    return commands.map((command) => ({ ok: fresh.has(command.id) ? 'booked' : 'known' }));
  },
});

const commands = Array.from({ length: 1_000 }, (_, i) => ({ id: `b${i}`, cents: i === 500 ? -1_000_000 : 1 }));
const outcomes = await Promise.allSettled(commands.map((command) => bookings.submit(command)));
const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
console.log(`${outcomes.length - refused.length} booked, ${refused.length} refused, in ${commits} commits`);
console.log(`the bad one: ${refused[0]?.reason.message}`);
console.log(`the same command again: ${await bookings.submit({ id: 'b1', cents: 1 })}`);
console.log((await database.query('select * from account order by name')).rows);

await bookings.drain();
await database.close();
await server.stop();
rmSync(dataDir, { recursive: true, force: true });
