import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { type Logger, type LogLevel, systemWorld } from '#kit/runtime';
import { createTestDatabase } from './embedded/testing.ts';
import { createDatabase } from './index.ts';

async function setUp() {
  const lines: { readonly level: LogLevel; readonly message: string }[] = [];
  const at = (level: LogLevel) => (message: string) => void lines.push({ level, message });
  const log: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), with: () => log };
  const { url } = await createTestDatabase();
  const database = createDatabase({ url, name: 'closing', ...systemWorld(log), connectionsMax: 8 });
  const admin = new pg.Client(url);
  await admin.connect();
  onTestFinished(() => admin.end());
  // All at once, so that each has a connection of its own.
  const openAll = () => Promise.all(Array.from({ length: 8 }, () => database.query('select pg_sleep(0.05)')));
  const ours = `from pg_stat_activity where application_name = 'holdfast closing'`;
  return {
    database,
    lines,
    openAll,
    count: async () => (await admin.query<{ n: number }>(`select count(*)::int as n ${ours}`)).rows[0]?.n,
    terminate: () => admin.query(`select pg_terminate_backend(pid) ${ours}`),
  };
}

test('a database that is closed has no connection left at the server, which may be stopped at once', async () => {
  const { database, openAll, count } = await setUp();
  await openAll();
  expect(await count()).toBe(8);
  await database.close();
  expect(await count()).toBe(0);
});

test('connections that the server ends while we close are no news; those that it ends at any other time are', async () => {
  const { database, lines, openAll, terminate } = await setUp();
  const warnings = () => lines.filter(({ level }) => level !== 'debug').map(({ message }) => message);
  await openAll();
  await terminate();
  await expect.poll(() => warnings().length).toBe(8);
  expect(new Set(warnings())).toEqual(new Set(['idle database connection lost']));
  lines.length = 0;
  await openAll();
  await Promise.all([terminate(), database.close()]);
  expect(warnings()).toEqual([]);
});

test('closing twice, or a database that was never used, is fine', async () => {
  const { database } = await setUp();
  await Promise.all([database.close(), database.close()]);
});
