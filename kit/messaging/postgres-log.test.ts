import { afterAll, beforeAll } from 'vitest';
import type { Database } from '#kit/runtime';
import { describeEventLog } from './conformance/index.ts';
import { createPostgresLog, logMigrations } from './postgres-log.ts';
import { openTestDatabase, quietWorld } from './testing/index.ts';

let database: Database;
beforeAll(async () => {
  database = await openTestDatabase([logMigrations], { connectionsMax: 12 });
});
afterAll(() => database.close());

describeEventLog('PostgreSQL log', () => ({
  open: async () => createPostgresLog({ database, world: quietWorld }),
  async expireMembers() {
    await database.query(`update log_group_member set expires_at = now() - interval '1 second'`);
  },
}));
