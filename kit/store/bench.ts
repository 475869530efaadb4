// What a transaction costs over node-postgres by hand, and how many commands a second the batch writer commits.
// `node kit/store/bench.ts [seconds per figure, default 1]`; needs nothing but the embedded server, durable as shipped.
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type Logger, systemWorld } from '#kit/runtime';
import { createBatchWriter, createDatabase } from '#kit/store';
import { startEmbeddedPostgres } from './embedded/index.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);
const durationMs = Number(process.argv[2] ?? 1) * 1_000;

const dataDir = join(tmpdir(), `holdfast-bench-${process.pid}`);
const server = await startEmbeddedPostgres({ dataDir, world });
const database = createDatabase({ url: server.adminUrl, ...world });
await database.query('create table row_by_row (id bigint primary key, note text not null)');
await database.query('create table batched (id bigint primary key, note text not null)');

/** Runs `once` by `clients` loops for the duration; the middle of three rounds, per second. */
async function perSecond(clients: number, once: () => Promise<unknown>): Promise<{ rate: number; cpuUs: number }> {
  const rounds: { rate: number; cpuUs: number }[] = [];
  for (let round = 0; round < 3; round++) {
    let count = 0;
    const startMs = performance.now();
    const cpu = process.cpuUsage();
    const endMs = startMs + durationMs / 3;
    const loop = async () => {
      while (performance.now() < endMs) {
        await once();
        count += 1;
      }
    };
    await Promise.all(Array.from({ length: clients }, loop));
    const { user, system } = process.cpuUsage(cpu);
    rounds.push({ rate: (count / (performance.now() - startMs)) * 1_000, cpuUs: (user + system) / count });
  }
  return rounds.sort((a, b) => a.rate - b.rate)[1] as { rate: number; cpuUs: number };
}

const rows: Record<string, string>[] = [];
async function measure(what: string, clients: number, once: () => Promise<unknown>): Promise<void> {
  await perSecond(clients, once);
  const { rate, cpuUs } = await perSecond(clients, once);
  rows.push({ what, clients: String(clients), 'per second': rate.toFixed(0), 'cpu µs each': cpuUs.toFixed(0) });
}

const insert = 'insert into row_by_row (id, note) values ($1, $2)';
const read = 'select note from row_by_row where id = $1';
let id = 0;

const raw = new pg.Pool({ connectionString: server.adminUrl, max: 8 });
async function byHand(text: string, name: string, values: () => unknown[]): Promise<void> {
  const client = await raw.connect();
  await client.query('begin');
  await client.query({ name, text, values: values() });
  await client.query('commit');
  client.release();
}

for (const clients of [1, 8]) {
  await measure('read, pg by hand (begin, select, commit)', clients, () => byHand(read, 'read', () => [1]));
  await measure('read, database.transaction', clients, () => database.transaction((tx) => tx.query(read, [1])));
  await measure('read, database.query', clients, () => database.query(read, [1]));
}
for (const clients of [1, 32]) {
  await measure('insert, pg by hand', clients, () => byHand(insert, 'insert', () => [++id, 'a note']));
  await measure('insert, database.transaction', clients, () =>
    database.transaction((tx) => tx.query(insert, [++id, 'a note'])),
  );
}

const writer = createBatchWriter<{ id: number; note: string }, number>({
  name: 'bench',
  database,
  ...world,
  async apply(tx, commands) {
    await tx.query(
      'insert into batched (id, note) select * from unnest($1::bigint[], $2::text[]) on conflict do nothing',
      [commands.map((command) => command.id), commands.map((command) => command.note)],
    );
    return commands.map((command) => ({ ok: command.id }));
  },
});
for (const clients of [1, 32, 128]) {
  await measure('insert, batch writer', clients, () => writer.submit({ id: ++id, note: 'a note' }));
}

console.table(rows);
await writer.drain();
await raw.end();
await database.close();
await server.stop();
rmSync(dataDir, { recursive: true, force: true });
