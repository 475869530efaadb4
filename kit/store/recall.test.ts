import { beforeAll, beforeEach, expect, test } from 'vitest';
import { type Logger, systemWorld } from '#kit/runtime';
import { createDatabase, type PooledDatabase } from './database.ts';
import { createTestDatabase } from './embedded/testing.ts';
import { isInexact } from './errors.ts';
import { createRecall, exactly } from './recall.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
let database: PooledDatabase;

beforeAll(async () => {
  const { url } = await createTestDatabase();
  database = createDatabase({ url, ...systemWorld(quiet) });
  await database.query('create table item (id text primary key, state text not null)');
  return () => database.close();
});

beforeEach(async () => {
  await database.query('delete from item');
  await database.query(`insert into item values ('a', 'new'), ('b', 'new')`);
});

const closeSql = exactly(
  `update item set state = 'closed' from unnest($1::text[]) as w (id) where item.id = w.id and item.state = 'new'`,
  '$2',
);
const states = async () => (await database.query<{ state: string }>('select state from item order by id')).rows;

test('a write that changes as many rows as expected is committed', async () => {
  await database.transaction(async (tx) => {
    const closed = tx.query(closeSql, [['a', 'b'], 2]);
    tx.seal();
    await closed;
  });
  expect(await states()).toEqual([{ state: 'closed' }, { state: 'closed' }]);
});

test.each([0, 1])('a write of 2 rows that meets %i undoes its transaction, COMMIT with it or not', async (left) => {
  await database.query(`update item set state = 'taken' where id = any ($1::text[])`, [
    left === 1 ? ['a'] : ['a', 'b'],
  ]);
  const before = await states();
  const closing = database.transaction(async (tx) => {
    const closed = tx.query(closeSql, [['a', 'b'], 2]);
    tx.seal();
    await closed;
  });
  await expect(closing).rejects.toSatisfy(isInexact);
  expect(await states()).toEqual(before);
});

test('rows are recalled until they are forgotten, doubted, or too many came after them', () => {
  const recall = createRecall<{ n: number }>(2);
  recall.keep('a', { n: 1 });
  expect(recall.get('a')).toEqual({ n: 1 });
  recall.doubt('a');
  expect([recall.get('a'), recall.isDoubted('a')]).toEqual([undefined, true]);
  recall.keep('a', { n: 2 });
  expect([recall.get('a'), recall.isDoubted('a')]).toEqual([{ n: 2 }, false]);
  recall.forget('a');
  expect(recall.get('a')).toBeUndefined();
  for (const key of ['a', 'b', 'a', 'c']) recall.keep(key, { n: 3 });
  expect([recall.get('a'), recall.get('b'), recall.get('c')]).toEqual([{ n: 3 }, undefined, { n: 3 }]);
});
