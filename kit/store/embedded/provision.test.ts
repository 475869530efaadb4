import pg from 'pg';
import { expect, test } from 'vitest';
import { createTestDatabase, testPostgres } from './testing.ts';

test('a test database is fresh, reachable and its own', async () => {
  const [one, two] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  expect(one.name).not.toBe(two.name);
  const client = new pg.Client(one.url);
  await client.connect();
  const { rows } = await client.query('select current_database() as name');
  await client.end();
  expect(rows).toEqual([{ name: one.name }]);
  expect((await testPostgres()).adminUrl).toMatch(/^postgres:/);
});
