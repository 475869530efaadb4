import type { Transaction } from '#kit/runtime';
import { CommitOutcomeUnknown } from '#kit/store';
import { lossyNetwork, weakDatabase } from './conditions.ts';
import type { Bug } from './index.ts';
import { inDatabaseOf, inStatementsOf, isCall, replaceInSql, rewireCalls, rewriteSql } from './rewire.ts';

export const orderBugs: readonly Bug[] = [
  {
    name: 'order-stamps-alone',
    foundAt: 12,
    summary: 'an event is stamped by the clock of its instance alone, not after what the row of its order says',
    conditions: {
      instances: { orders: 3 },
      units: 25,
      operations: [['place', 12]],
      nemesis: [
        { kind: 'clock-step', count: 2, on: 'orders', byMs: 2_000 },
        { kind: 'crash', count: 4, on: 'orders' },
        { kind: 'pause', count: 2, on: 'orders', forMs: 6_500 },
      ],
    },
    hooks: () =>
      inStatementsOf(
        'orders',
        replaceInSql(/from customer_order o where o\.id = any/, (text) => text.replace('o.hlc', 'null::text as hlc')),
      ),
  },
  {
    name: 'no-recovery',
    summary: 'nobody takes over the orders of a process that died',
    // Nothing else in this run takes long, and what hangs would be watched for two minutes.
    conditions: { nemesis: [{ kind: 'crash', count: 4, on: 'orders' }], livenessMs: 30_000 },
    hooks: () =>
      inStatementsOf(
        'orders',
        replaceInSql(/update saga set (owner = \$1, )?fence = saga\.fence \+ 1/, (text) =>
          text.replace(/limit \$\d+/, 'limit 0'),
        ),
      ),
  },
  {
    name: 'no-fencing',
    foundAt: 2,
    summary: 'progress is written by whoever comes, also by a process that has lost its lease',
    conditions: {
      instances: { orders: 3 },
      units: 25,
      // Orders have to be under way when they are abandoned, or when their owner sleeps for longer than its lease.
      provider: [{ do: 'stall', ms: 3_000, at: 'before', probability: 0.6 }],
      operations: [
        ['place', 6],
        ['abandon', 14],
      ],
      nemesis: [{ kind: 'pause', count: 4, on: 'orders', forMs: 6_500 }],
    },
    hooks: () =>
      inStatementsOf(
        'orders',
        replaceInSql(/saga\.revision < wanted\.revision/, (text) =>
          text.replace(/and saga\.fence = wanted\.fence and saga\.revision < wanted\.revision/, ''),
        ),
      ),
  },
  {
    name: 'ordered-by-wall-clock',
    summary: 'of two records of progress the one with the later time of day wins, not the one with the higher revision',
    conditions: { skewMsMax: 200, instances: { orders: 2 }, nemesis: [{ kind: 'crash', count: 3, on: 'orders' }] },
    hooks: () => ({
      database: (database, owner, { world }) =>
        owner !== 'orders'
          ? database
          : rewriteSql(database, (text, values) =>
              /saga\.revision < wanted\.revision/.test(text)
                ? {
                    text: text.replace(
                      'saga.revision < wanted.revision',
                      'saga.updated_at < to_timestamp($11::double precision / 1000)',
                    ),
                    values: [...values, world.clock.now()],
                  }
                : undefined,
            ),
    }),
  },
  {
    name: 'commit-assumed',
    summary: 'a commit that was answered by a broken connection counts as done',
    // Shows where a commit is lost that takes an order or a change in, and stock is there: what is refused for want of it
    // leaves no hold and no payment behind that nobody knows of. Of relays, leases and progress the next turn makes up for it.
    conditions: { database: { unknownCommit: 0.2 }, units: 25, operations: [['place', 20]] },
    hooks: () =>
      inDatabaseOf('orders', (database) => ({
        ...database,
        async transaction(work, options) {
          let result: { readonly value: Awaited<ReturnType<typeof work>> } | undefined;
          try {
            return await database.transaction(async (tx) => {
              const value = await work(tx);
              result = { value };
              return value;
            }, options);
          } catch (error) {
            if (error instanceof CommitOutcomeUnknown && result) return result.value;
            throw error;
          }
        },
      })),
  },
  {
    name: 'claim-apart',
    summary: 'the idempotency key is claimed in a transaction of its own, before that of the effect',
    conditions: weakDatabase,
    hooks: () =>
      inDatabaseOf('orders', (database) => ({
        ...database,
        async transaction(work, options) {
          let claims: (() => Promise<unknown>)[] = [];
          const claimApart = (tx: Transaction): Transaction => ({
            ...tx,
            query(text, values) {
              if (/insert into idempotency_key/.test(text)) claims.push(() => database.query(text, values));
              return tx.query(text, values);
            },
          });
          try {
            return await database.transaction((tx) => {
              claims = [];
              return work(claimApart(tx));
            }, options);
          } catch (error) {
            // The effect is undone. The claim, in its own transaction, would have been there before it.
            for (const claim of claims) await claim().catch(() => {});
            throw error;
          }
        },
      })),
  },
  {
    name: 'keys-forgotten-early',
    summary: 'results are forgotten as soon as they are swept, while their clients may still repeat',
    conditions: { lateRepeats: true, units: 6 },
    hooks: () =>
      inDatabaseOf('orders', (database) =>
        rewriteSql(database, (text, values) =>
          /delete from idempotency_key/.test(text) ? { text, values: [0, ...values.slice(1)] } : undefined,
        ),
      ),
  },
  {
    name: 'retry-with-new-key',
    summary: 'the client makes a new Idempotency-Key for each attempt',
    conditions: lossyNetwork,
    client(transport) {
      let attempts = 0;
      return rewireCalls(transport, (request, send, signal) => {
        if (!isCall(request, 'orders', 'place')) return undefined;
        const key = `${request.headers['idempotency-key']}~${attempts++}`;
        return send({ ...request, headers: { ...request.headers, 'idempotency-key': key } }, signal);
      });
    },
  },
];
