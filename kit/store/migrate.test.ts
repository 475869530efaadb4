import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { createTestDatabase } from '#kit/store/embedded/testing';
import { isMigrated, type Migrations, migrate } from './index.ts';

/** The machine may be busy. */
const eventually = <T>(probe: () => T) => expect.poll(probe);

function scripts(files: Record<string, string>, table = 'schema_test'): Migrations {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-migrate-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, sql] of Object.entries(files)) writeFileSync(join(directory, name), sql);
  return { directory, table };
}

async function emptyDatabase(): Promise<{ url: string; admin: pg.Client; tables: () => Promise<string[]> }> {
  const { url } = await createTestDatabase();
  const admin = new pg.Client(url);
  await admin.connect();
  onTestFinished(() => admin.end());
  const tables = async () =>
    (await admin.query(`select tablename from pg_tables where schemaname = 'public' order by 1`)).rows.map(
      ({ tablename }) => tablename,
    );
  return { url, admin, tables };
}

test('scripts run in order, once, in sequences of their own', async () => {
  const { url, tables } = await emptyDatabase();
  const one = scripts(
    { '001.do.a.sql': 'create table a (id int)', '002.do.b.sql': 'alter table a add b int' },
    's_one',
  );
  const two = scripts({ '001.do.c.sql': 'create table c (id int); insert into c values (1);' }, 's_two');
  const names = async () =>
    (await migrate(url, [one, two])).map(({ table, applied }) => [table, applied.map((file) => basename(file))]);
  expect(await names()).toEqual([
    ['s_one', ['001.do.a.sql', '002.do.b.sql']],
    ['s_two', ['001.do.c.sql']],
  ]);
  expect(await names()).toEqual([
    ['s_one', []],
    ['s_two', []],
  ]);
  writeFileSync(join(one.directory, '003.do.d.sql'), 'create table d (id int)');
  expect(await names()).toEqual([
    ['s_one', ['003.do.d.sql']],
    ['s_two', []],
  ]);
  expect(await tables()).toEqual(['a', 'c', 'd', 's_one', 's_two']);
});

test('a database is known to be up to date exactly when each script has run as it is written now, and no other has', async () => {
  const { url, admin } = await emptyDatabase();
  const database = { query: async (sql: string) => admin.query(sql) } as unknown as Parameters<typeof isMigrated>[0];
  const [one, two] = [
    scripts({ '001.do.a.sql': 'create table a (id int);\r\n', '001.undo.a.sql': 'drop table a' }, 's_one'),
    scripts({ '001.do.b.sql': 'create table b (id int)' }, 's_two'),
  ];
  const isCurrent = () => isMigrated(database, [one, two]);
  expect(await isCurrent()).toBe(false);
  await migrate(url, [one]);
  expect(await isMigrated(database, [one])).toBe(true);
  expect(await isCurrent()).toBe(false);
  await migrate(url, [one, two]);
  expect(await isCurrent()).toBe(true);

  const added = join(one.directory, '002.do.c.sql');
  writeFileSync(added, 'create table c (id int)');
  expect(await isCurrent(), 'a script is new').toBe(false);
  await migrate(url, [one, two]);
  expect(await isCurrent()).toBe(true);
  rmSync(added);
  expect(await isCurrent(), 'the database is newer than the scripts').toBe(false);
  writeFileSync(added, 'create table c (id bigint)');
  expect(await isCurrent(), 'a script was changed after it ran').toBe(false);
});

test('a script changed after it ran is refused, with its name and the remedy', async () => {
  const { url } = await emptyDatabase();
  const sequence = scripts({ '001.do.a.sql': 'create table a (id int);\n' });
  await migrate(url, [sequence]);
  writeFileSync(join(sequence.directory, '001.do.a.sql'), 'create table a (id int);\r\n');
  await migrate(url, [sequence]);
  writeFileSync(join(sequence.directory, '001.do.a.sql'), 'create table a (id bigint);\n');
  await expect(migrate(url, [sequence])).rejects.toThrow(
    /001\.do\.a\.sql was changed after it ran here; restore it and put the change into a new script/,
  );
});

test('a script that fails leaves nothing behind, of any sequence, and is named', async () => {
  const { url, tables } = await emptyDatabase();
  const good = scripts({ '001.do.good.sql': 'create table good (id int)' }, 's_good');
  const bad = scripts(
    { '001.do.first.sql': 'create table first (id int)', '002.do.oops.sql': 'create tabel x' },
    's_bad',
  );
  await expect(migrate(url, [good, bad])).rejects.toThrow(
    /migration failed, nothing was changed: 002\.do\.oops\.sql: syntax error/,
  );
  expect(await tables()).toEqual([]);
});

test('instances that start at the same moment wait for each other, and each script runs once', async () => {
  const { url, admin } = await emptyDatabase();
  const sequence = scripts({
    '001.do.a.sql': 'create table a (id int); select pg_sleep(0.1); insert into a values (1);',
    '002.do.b.sql': 'insert into a values (2)',
  });
  const results = await Promise.all([1, 2, 3, 4].map(() => migrate(url, [sequence])));
  expect(results.map(([result]) => result?.applied.length).sort()).toEqual([0, 0, 0, 2]);
  expect((await admin.query('select id from a order by id')).rows).toEqual([{ id: 1 }, { id: 2 }]);
});

test('one that waits for another goes on when that one dies', async () => {
  const { url, admin, tables } = await emptyDatabase();
  const slow = scripts({ '001.do.a.sql': 'create table a (id int); select pg_sleep(30)' });
  const dying = migrate(url, [slow]);
  const failed = expect(dying).rejects.toThrow(/nothing was changed/);
  const find = `select pid from pg_stat_activity where datname = current_database() and query like '%pg_sleep(30)%'
    and pid <> pg_backend_pid()`;
  await eventually(async () => (await admin.query(find)).rows.length).toBe(1);
  const next = migrate(url, [scripts({ '001.do.a.sql': 'create table a (id int)' })]);
  await admin.query('select pg_terminate_backend($1)', [(await admin.query(find)).rows[0].pid]);
  await failed;
  expect((await next)[0]?.applied).toHaveLength(1);
  expect(await tables()).toEqual(['a', 'schema_test']);
});

test('scripts that would be passed over without a word are refused', async () => {
  const { url, tables } = await emptyDatabase();
  await expect(migrate(url, [scripts({})])).rejects.toThrow(/there are no scripts/);
  await expect(migrate(url, [scripts({ '001.create.sql': 'select 1' })])).rejects.toThrow(/name it like 001\.do/);
  const sequence = scripts({ '001.do.a.sql': 'select 1', '003.do.c.sql': 'select 3' });
  await migrate(url, [sequence]);
  writeFileSync(join(sequence.directory, '002.do.late.sql'), 'create table late (id int)');
  await expect(migrate(url, [sequence])).rejects.toThrow(/002\.do\.late\.sql has not run, but 3 has: give it a number/);
  expect(await tables()).toEqual(['schema_test']);
});

test('a script that ends the transaction is refused', async () => {
  const { url } = await emptyDatabase();
  const sequence = scripts({ '001.do.a.sql': 'create table a (id int); commit; begin;' });
  await expect(migrate(url, [sequence])).rejects.toThrow(/ended the transaction/);
});

test('a directory is taken as it is written, brackets and all', async () => {
  const { url, tables } = await emptyDatabase();
  const directory = join(scripts({}).directory, 'my [shop] (copy) {1}');
  await mkdir(directory);
  writeFileSync(join(directory, '001.do.a.sql'), 'create table a (id int)');
  await migrate(url, [{ directory, table: 'schema_test' }]);
  expect(await tables()).toEqual(['a', 'schema_test']);
});

test('a server that takes the connection and stays silent is told as a database that can not serve', async () => {
  const silent = createServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => void silent.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void silent.close());
  const url = `postgres://somebody:secret@127.0.0.1:${(silent.address() as AddressInfo).port}/orders`;
  await expect(migrate(url, [], 50)).rejects.toMatchObject({
    ...{ name: 'DatabaseUnavailable', category: 'unavailable' },
    message: 'orders: the database can not serve (timeout expired)',
  });
});
