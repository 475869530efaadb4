import { weakDatabase } from './conditions.ts';
import type { Bug } from './index.ts';
import { afterwards, inDatabaseOf, rewriteSql } from './rewire.ts';

export const messagingBugs: readonly Bug[] = [
  {
    name: 'publish-without-outbox',
    foundAt: 4,
    summary: 'events are published after the commit instead of in it',
    conditions: weakDatabase,
    hooks: () => ({
      database(database, owner) {
        return owner === 'orders' ? afterwards(database, /insert into outbox /) : database;
      },
    }),
  },
  {
    name: 'relay-skips',
    summary: 'the relay takes an append without an answer for done, and goes on behind it',
    conditions: weakDatabase,
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
    conditions: weakDatabase,
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
    foundAt: 4,
    summary: 'the consumer commits its effect first and its position afterwards',
    conditions: { ...weakDatabase, readers: 2 },
    hooks: () => ({ reader: (handler) => ({ delivery: 'at-least-once', handler }) }),
  },
  {
    name: 'dead-letter-lost',
    summary: 'an event that can not be handled is skipped, and nobody keeps it',
    conditions: { readers: 1, poison: true },
    hooks: () => ({
      database: (database, owner) =>
        owner !== 'log'
          ? database
          : rewriteSql(database, (text) =>
              /insert into dead_letter /.test(text) ? { answer: { rows: [], count: 1 } } : undefined,
            ),
    }),
  },
  {
    name: 'figures-apart',
    foundAt: 10,
    summary: 'analytics commits its sums first and its position afterwards',
    conditions: { database: { crash: 0.02, connectionLoss: 0.12 }, listeners: { analytics: 2 } },
    hooks: () =>
      inDatabaseOf('analytics', (database) =>
        afterwards(database, /update inbox_position p set next_offset/, {
          countOf: (values) => (values[1] as readonly unknown[]).length,
          tellsFailures: true,
        }),
      ),
  },
  {
    name: 'mail-and-forget',
    summary: 'a mail counts as sent when it is on its way, whatever the mail server says',
    conditions: { listeners: { notifications: 1 }, mail: { unreachable: 0.3 } },
    hooks: () => ({
      mailer: (mailer) => ({
        ...mailer,
        async send(mail, signal) {
          mailer.send(mail, signal).catch(() => {});
        },
      }),
    }),
  },
  {
    name: 'letter-a-delivery',
    summary: 'a letter is known by its own id instead of the event, so an event that comes again makes another one',
    conditions: { ...weakDatabase, listeners: { notifications: 2 } },
    hooks: () => {
      let letters = 0;
      return {
        database: (database, owner) =>
          owner !== 'notifications'
            ? database
            : rewriteSql(database, (text, values) => {
                const eventIds = values[1];
                if (!/insert into notification/.test(text) || !Array.isArray(eventIds)) return undefined;
                const unique = eventIds.map((id) => `${id}#${letters++}`);
                return { text, values: [values[0] ?? null, unique, ...values.slice(2)] };
              }),
      };
    },
  },
  {
    name: 'commit-not-on-disk',
    foundAt: 5,
    summary: 'a commit is answered before the log is on the disk (synchronous_commit = off)',
    conditions: { nemesis: [{ kind: 'database-crash', count: 2, on: 'orders', forMs: 500 }] },
    hooks: () => ({
      database: (database) => ({
        ...database,
        transaction: (work, options) =>
          database.transaction(async (tx) => {
            await tx.query('set local synchronous_commit = off');
            return work(tx);
          }, options),
      }),
    }),
  },
];
