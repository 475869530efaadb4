import type { Database } from '#kit/runtime';
import { weakDatabase } from './conditions.ts';
import type { Bug } from './index.ts';
import { inDatabaseOf, inStatementsOf, isCall, replaceInSql } from './rewire.ts';

/** How long after it was asked to a database writes that puts it off. */
const laterMs = 2_000;

export const bookBugs: readonly Bug[] = [
  {
    name: 'line-after-the-answer',
    summary: 'who did what is written down some time after the answer, and lost with a process that dies meanwhile',
    conditions: {
      storefront: { gateway: 2 },
      operations: [['receive', 12]],
      nemesis: [{ kind: 'crash', count: 6, on: 'gateway' }],
    },
    hooks: () => ({
      database: (database, owner, { world }) =>
        owner !== 'gateway'
          ? database
          : {
              ...database,
              query(text, values) {
                if (!/insert into audit_entry/.test(text)) return database.query(text, values);
                world.timers.after(laterMs, () => void database.query(text, values).catch(() => {}));
                return Promise.resolve({ rows: [], count: 1 });
              },
            },
    }),
  },
  {
    name: 'line-an-attempt',
    summary: 'lines of the audit log whose commit was not answered are written once more',
    conditions: { ...weakDatabase, storefront: { gateway: 2 }, operations: [['receive', 12]] },
    hooks: () =>
      inStatementsOf(
        'gateway',
        replaceInSql(/insert into audit_entry/, (text) => text.replace(/where exists \(select 1 from moved\)/, '')),
      ),
  },
  {
    name: 'revoked-key-remembered',
    summary: 'a gateway looks a key up once and takes it as it was ever after',
    conditions: { storefront: { gateway: 1 }, errands: [['program', 4]] },
    hooks: () =>
      inDatabaseOf('gateway', (database) => {
        const known = new Map<string, ReturnType<Database['query']>>();
        return {
          ...database,
          query(text, values = []) {
            if (!/from api_key where hash/.test(text)) return database.query(text, values);
            const name = Buffer.from(values[0] as Uint8Array).toString('hex');
            const asked = known.get(name) ?? database.query(text, values);
            known.set(name, asked);
            asked.catch(() => known.delete(name));
            return asked as never;
          },
        };
      }),
  },
  {
    name: 'key-opens-everything',
    summary: 'a key may do whatever its role may, not what it was made for',
    conditions: { storefront: { gateway: 1 }, errands: [['program', 3]] },
    hooks: () =>
      inStatementsOf(
        'gateway',
        replaceInSql(/from api_key where hash/, (text) => text.replace(' operations,', ` array['*'] as operations,`)),
      ),
  },
  {
    name: 'key-kept-in-clear',
    summary: 'a key is kept beside its hash, so that it can be shown again',
    conditions: { storefront: { gateway: 1 }, errands: [['program', 3]] },
    hooks() {
      const databases = new Map<string, Database>();
      return {
        database(database, owner, { node }) {
          if (owner === 'gateway') databases.set(node.name, database);
          return database;
        },
        server: (server, { node }) => ({
          ...server,
          async handle(request, signal) {
            const reply = await server.handle(request, signal);
            if (!isCall(request, 'gateway', 'gateway.createApiKey') || reply.status !== 201) return reply;
            const { id, key } = JSON.parse(String(reply.body)) as { id: string; key: string };
            const keep = 'update api_key set name = $2 where id = $1';
            await databases
              .get(node.name)
              ?.query(keep, [id, key])
              .catch(() => {});
            return reply;
          },
        }),
      };
    },
  },
];
