import { afterAll } from 'vitest';
import { testDatabases } from './testing.databases.ts';

/** Vitest runs this anew for each test file: whoever is done leaves no database to the next. */
afterAll(async () => {
  for (const database of [...testDatabases.values()]) await database.drop();
});
