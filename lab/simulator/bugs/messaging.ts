import type { Bug } from './index.ts';
import { rewriteSql } from './rewire.ts';

export const messagingBugs: readonly Bug[] = [
  {
    name: 'publish-without-outbox',
    summary: 'events are published after the commit instead of in it',
    seedsMax: 80,
    hooks: () => ({
      database(database, owner) {
        if (owner !== 'orders') return database;
        return {
          ...database,
          async transaction(work, options) {
            let later: (() => Promise<unknown>)[] = [];
            const result = await database.transaction((tx) => {
              later = [];
              return work({
                database: tx.database,
                query(text, values) {
                  if (!/insert into outbox /.test(text)) return tx.query(text, values);
                  later.push(() => database.query(text, values));
                  return Promise.resolve({ rows: [], count: 0 });
                },
              });
            }, options);
            for (const publish of later) await publish().catch(() => {});
            return result;
          },
        };
      },
    }),
  },
  {
    name: 'relay-skips',
    summary: 'the relay takes an append without an answer for done, and goes on behind it',
    seedsMax: 20,
    hooks: () => ({
      log: (log) => ({
        ...log,
        async appendExactly(topic, producer, appends) {
          try {
            return await log.appendExactly(topic, producer, appends);
          } catch {
            return new Set(appends.map(({ partition }) => partition));
          }
        },
      }),
    }),
  },
  {
    name: 'relay-forgets-versions',
    summary: 'the relay appends without saying what it expects, so an append without an answer is there twice',
    seedsMax: 80,
    hooks: () => ({
      log: (log) => ({
        ...log,
        async appendExactly(topic, _producer, appends) {
          const events = appends.flatMap(({ envelopes }) => envelopes.map((text) => JSON.parse(text)));
          await log.append(topic, events);
          return new Set(appends.map(({ partition }) => partition));
        },
      }),
    }),
  },
  {
    name: 'inbox-apart',
    summary: 'the consumer commits its effect first and its position afterwards',
    seedsMax: 80,
    hooks: () => ({ reader: (handler) => ({ delivery: 'at-least-once', handler }) }),
  },
  {
    name: 'dead-letter-lost',
    summary: 'an event that can not be handled is skipped, and nobody keeps it',
    seedsMax: 40,
    hooks: () => ({
      database: (database, owner) =>
        owner !== 'log'
          ? database
          : rewriteSql(database, (text) =>
              /insert into dead_letter /.test(text) ? { answer: { rows: [], count: 1 } } : undefined,
            ),
    }),
  },
];
