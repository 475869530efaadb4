import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Logger, systemWorld } from '#kit/runtime';
import { startEmbeddedPostgres } from './embedded/index.ts';
import { createBatchWriter, createDatabase } from './index.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);

test('the server is killed and restarted under load: every command ends, applied once', {
  timeout: 60_000,
}, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-restart-'));
  chmodSync(dataDir, 0o711);
  // Durable: what was acknowledged before the kill must be there after it.
  let server = await startEmbeddedPostgres({ dataDir, world });
  const database = createDatabase({ url: server.adminUrl, ...world, connectionsMax: 2 });
  onTestFinished(async () => {
    await database.close();
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  await database.query('create table claim (key int primary key)');
  await database.query('create table counter (n int not null)');
  await database.query('insert into counter values (0)');
  const writer = createBatchWriter<number, number>({
    name: 'restart',
    database,
    ...world,
    batchMax: 8,
    patienceMs: 30_000,
    async apply(tx, keys) {
      const { count } = await tx.query(
        'insert into claim select key from unnest($1::int[]) as new (key) on conflict do nothing',
        [keys],
      );
      await tx.query('update counter set n = n + $1::int', [count]);
      return keys.map((key) => ({ ok: key }));
    },
  });

  let acknowledged = 0;
  const submitted: Promise<unknown>[] = [];
  let loading = true;
  const load = (async () => {
    while (loading && submitted.length < 4_000) {
      submitted.push(writer.submit(submitted.length).then(() => acknowledged++));
      if (submitted.length % 4 === 0) await world.timers.sleep(1);
    }
  })();
  for (let round = 0; round < 2; round++) {
    const before = acknowledged;
    await expect.poll(() => acknowledged).toBeGreaterThan(before + 50);
    process.kill(server.pid, 'SIGKILL');
    await server.stop().catch(() => {});
    server = await startEmbeddedPostgres({ dataDir, world, port: server.port });
  }
  const before = acknowledged;
  await expect.poll(() => acknowledged).toBeGreaterThan(before + 50);
  loading = false;
  await load;
  await Promise.all(submitted);
  const { rows } = await database.query('select n, (select count(*)::int from claim) as claims from counter');
  expect(rows).toEqual([{ n: submitted.length, claims: submitted.length }]);
});
