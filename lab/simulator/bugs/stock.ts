import type { Reply, Request } from '#kit/runtime';
import { lateMessages, lossyNetwork, silentProvider } from './conditions.ts';
import type { Bug } from './index.ts';
import { inDatabaseOf, inStatementsOf, replaceInSql, rewriteSql } from './rewire.ts';

export const stockBugs: readonly Bug[] = [
  {
    name: 'hold-not-idempotent',
    foundAt: 4,
    summary: 'inventory makes a new hold for each request instead of one for each order',
    conditions: lossyNetwork,
    hooks: () => {
      const seen = new Map<string, number>();
      return {
        server: (server) => ({
          ...server,
          handle(request, signal) {
            if (request.service !== 'inventory' || request.operation !== 'hold') return server.handle(request, signal);
            const body = request.body as { orderId: string };
            const count = (seen.get(body.orderId) ?? 0) + 1;
            seen.set(body.orderId, count);
            const orderId = count === 1 ? body.orderId : body.orderId.slice(0, -2) + String(10 + count);
            return server.handle({ ...request, body: { ...body, orderId } }, signal);
          },
        }),
      };
    },
  },
  {
    name: 'check-then-act',
    summary: 'inventory reads stock, decides, and writes it back without a transaction or a lock',
    hooks: () =>
      inDatabaseOf('inventory', (database) => ({
        ...database,
        transaction: (work) =>
          work({
            database: database.name,
            seal() {},
            query: (text, values) => database.query(text.replace(/for update/, ''), values),
          }),
      })),
  },
  {
    name: 'double-release',
    foundAt: 7,
    summary: 'a released hold is taken for a sale, so that a second release gives the units back again',
    conditions: { ...lossyNetwork, declined: 0.5 },
    hooks: () =>
      inStatementsOf(
        'inventory',
        replaceInSql(/from hold where order_id = any/, (text) =>
          text.replace(
            /\bstatus\b/,
            `case when status = 'released' and lines <> '[]' then 'sold' else status end as status`,
          ),
        ),
      ),
  },
  {
    name: 'expired-hold-committed',
    summary: 'a hold whose time was up, and whose units went back on sale, is committed as if it still held them',
    conditions: {
      ...silentProvider,
      nemesis: [{ kind: 'clock-step', count: 4, on: 'db-inventory', byMs: 16 * 60_000 }],
    },
    hooks: () =>
      inStatementsOf(
        'inventory',
        replaceInSql(/from hold where order_id = any/, (text) =>
          text.replace(/\bstatus\b/, `case when status = 'expired' then 'held' else status end as status`),
        ),
      ),
  },
  {
    name: 'release-leaves-no-word',
    foundAt: 6,
    summary: 'a release that finds no hold leaves nothing behind, so a late hold sets stock aside for ever',
    conditions: { ...lateMessages, operations: [['abandon', 12]] },
    hooks: () =>
      inDatabaseOf('inventory', (database) =>
        rewriteSql(database, (text, values) => {
          const statuses = values[2];
          if (!/insert into hold /.test(text) || !Array.isArray(statuses)) return undefined;
          if (!statuses.every((status) => status === 'released')) return undefined;
          return { answer: { rows: [], count: statuses.length } };
        }),
      ),
  },
  {
    name: 'stale-stock-answers',
    summary: 'each process remembers what it answered about stock for two seconds',
    conditions: {
      instances: { inventory: 2 },
      operations: [
        ['look', 8],
        ['receive', 6],
      ],
    },
    hooks: (simulation) => ({
      server(server) {
        const remembered = new Map<string, { readonly untilMs: number; readonly reply: Reply }>();
        return {
          ...server,
          async handle(request: Request, signal) {
            if (request.operation !== 'availability') return server.handle(request, signal);
            const name = JSON.stringify(request.query);
            const { nowMs } = simulation.world;
            const known = remembered.get(name);
            if (known && known.untilMs > nowMs) return known.reply;
            const reply = await server.handle(request, signal);
            remembered.set(name, { untilMs: nowMs + 2_000, reply });
            return reply;
          },
        };
      },
    }),
  },
];
