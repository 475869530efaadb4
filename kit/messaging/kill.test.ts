import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { createDatabase, migrate } from '#kit/store';
import { createTestDatabase } from '#kit/store/embedded/testing';
import { inboxMigrations } from './inbox.ts';
import { createOutbox, outboxMigrations } from './outbox.ts';
import { createPostgresLog, logMigrations } from './postgres-log.ts';
import { until, quietWorld as world } from './testing/index.ts';

let workers: ChildProcess[] = [];
afterEach(() => {
  for (const worker of workers) worker.kill('SIGKILL');
  workers = [];
});

async function open(migrations: Parameters<typeof migrate>[1]) {
  const { url } = await createTestDatabase();
  await migrate(url, migrations);
  return { url, database: createDatabase({ url, ...world }) };
}

async function startWorker(urls: readonly string[]): Promise<ChildProcess> {
  const worker = spawn(process.execPath, [join(import.meta.dirname, 'testing/worker.ts'), ...urls], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  workers.push(worker);
  await once(worker.stdout as NodeJS.ReadableStream, 'data');
  return worker;
}

test('processes that relay and consume are killed with SIGKILL at any moment: every event is applied once, in order', {
  timeout: 240_000,
}, async () => {
  const [shop, logs, reader] = [
    await open([outboxMigrations]),
    await open([logMigrations]),
    await open([inboxMigrations]),
  ];
  await reader.database.query('create table applied (place bigserial, key text, value integer)');
  const log = createPostgresLog({ database: logs.database, world });
  const outbox = createOutbox({ source: 'shop', database: shop.database, log, world });
  const urls = [shop.url, logs.url, reader.url];
  const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`);
  let published = 0;
  let isPublishing = true;
  const publishing = (async () => {
    while (isPublishing) {
      // Slower than the workers, so that the end doesn't wait for a backlog.
      await world.timers.sleep(10);
      const value = ++published;
      await shop.database.transaction((tx) =>
        outbox.publish(
          tx,
          keys.map((key) => ({ type: 'counted', key, data: value })),
        ),
      );
    }
  })();
  const appliedCount = async () =>
    (await reader.database.query<{ count: number }>('select count(*)::integer as count from applied')).rows[0]?.count ??
    0;

  await Promise.all([startWorker(urls), startWorker(urls)]);
  for (let kill = 0; kill < 6; kill++) {
    // Something must have happened since the last one, so that each kill falls into work.
    const before = await appliedCount();
    await until(async () => (await appliedCount()) > before + 40);
    const victim = workers[kill % 2] as ChildProcess;
    victim.kill('SIGKILL');
    await once(victim, 'exit');
    const replacement = await startWorker(urls);
    workers = workers.filter((worker) => worker !== victim && worker !== replacement);
    workers.splice(kill % 2, 0, replacement);
  }
  isPublishing = false;
  await publishing;
  await until(async () => (await appliedCount()) >= published * keys.length);

  const { rows } = await reader.database.query<{ key: string; values: number[] }>(
    'select key, array_agg(value order by place) as values from applied group by key',
  );
  const expected = Array.from({ length: published }, (_, i) => i + 1);
  expect(Object.fromEntries(rows.map((row) => [row.key, row.values]))).toEqual(
    Object.fromEntries(keys.map((key) => [key, expected])),
  );
  const left = await shop.database.query('select from outbox');
  for (const { database } of [shop, logs, reader]) await database.close();
  expect(left.count).toBeLessThanOrEqual(64 * 16);
});
