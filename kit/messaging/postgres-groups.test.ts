import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '#kit/runtime';
import { createPostgresLog, logMigrations } from './postgres-log.ts';
import { openTestDatabase, quietWorld as world } from './testing/index.ts';

let database: Database;
beforeAll(async () => {
  database = await openTestDatabase([logMigrations]);
});
afterAll(() => database.close());

test('a heartbeat of a settled group is one statement', async () => {
  let statements = 0;
  let transactions = 0;
  const counting: Database = {
    ...database,
    query: (text, values) => {
      statements += 1;
      return database.query(text, values);
    },
    transaction: (work, options) => {
      transactions += 1;
      return database.transaction(work, options);
    },
  };
  const log = createPostgresLog({ database: counting, world });
  const [a, b] = [log.join('g', ['t'], 'a'), log.join('g', ['t'], 'b')];
  for (let round = 0; round < 3; round++) {
    await a.beat();
    await b.beat();
  }
  statements = 0;
  transactions = 0;
  expect(await a.beat()).toHaveLength(8);
  expect(await b.beat()).toHaveLength(8);
  expect([statements, transactions]).toEqual([2, 0]);
});

test('members with different topics share each topic among those who read it', async () => {
  const log = createPostgresLog({ database, world });
  const [old, young] = [log.join('rolling', ['x'], 'old'), log.join('rolling', ['x', 'y'], 'young')];
  for (let round = 0; round < 3; round++) {
    await old.beat();
    await young.beat();
  }
  const ofYoung = await young.beat();
  expect(await old.beat()).toHaveLength(8);
  expect(ofYoung.filter((one) => one.topic === 'x')).toHaveLength(8);
  expect(ofYoung.filter((one) => one.topic === 'y')).toHaveLength(16);
});
