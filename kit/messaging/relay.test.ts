import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Database } from '#kit/runtime';
import type { EventLog } from './log.ts';
import { createOutbox, outboxMigrations } from './outbox.ts';
import { partitionOf } from './partition.ts';
import { createPostgresLog, logMigrations } from './postgres-log.ts';
import { createRelay, type Relay } from './relay.ts';
import { Crash, createCrashPoints, openTestDatabase, readAll, quietWorld as world } from './testing/index.ts';

let database: Database;
let logDatabase: Database;
let log: EventLog;
let published: Map<string, number[]>;
let counter = 0;

beforeAll(async () => {
  database = await openTestDatabase([outboxMigrations]);
  logDatabase = await openTestDatabase([logMigrations]);
});
afterAll(() => Promise.all([database.close(), logDatabase.close()]));

beforeEach(async () => {
  await database.query('delete from outbox');
  await database.query('update outbox_partition set relay = null');
  for (const table of ['log_event', 'log_partition', 'log_producer']) await logDatabase.query(`delete from ${table}`);
  log = createPostgresLog({ database: logDatabase, world });
  published = new Map();
});

/** Publishes `count` events of each key, numbered in order. */
async function publish(keys: readonly string[], count = 1): Promise<void> {
  const outbox = createOutbox({ source: 'shop', database, log, world });
  const events = keys.flatMap((key) => Array.from({ length: count }, () => ({ type: 't', key, data: ++counter })));
  await database.transaction((tx) => outbox.publish(tx, events));
  for (const { key, data } of events) published.set(key, [...(published.get(key) ?? []), data]);
}

async function runUntilIdle(relay: Relay): Promise<void> {
  while ((await relay.turn()) !== 'idle');
}

async function expectAllExactlyOnce(): Promise<void> {
  const found = new Map<string, unknown[]>();
  for (const { event } of await readAll(log, 'shop'))
    found.set(event.subject, [...(found.get(event.subject) ?? []), event.data]);
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(published));
}

test('what is committed is relayed in order per key, and the outbox is empty afterwards', async () => {
  await publish(['a', 'b', 'c'], 150);
  await publish(['a', 'b'], 3);
  await runUntilIdle(createRelay({ source: 'shop', database, log, world, partitionBatchMax: 7 }));
  await expectAllExactlyOnce();
  expect((await database.query('select from outbox')).count).toBe(0);
});

test('what is rolled back is never relayed', async () => {
  const outbox = createOutbox({ source: 'shop', database, log, world });
  const failing = database.transaction(async (tx) => {
    await outbox.publish(tx, [{ type: 't', key: 'a', data: 1 }]);
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  await runUntilIdle(createRelay({ source: 'shop', database, log, world }));
  expect(await readAll(log, 'shop')).toEqual([]);
});

/** The relay that everyone writes first: a cursor over ids. */
function createNaiveRelay() {
  let last = 0;
  return async (): Promise<unknown[]> => {
    const { rows } = await database.query<{ id: number; data: number }>(
      `select id, (envelope ->> 'data')::integer as data from outbox where id > $1 order by id`,
      [last],
    );
    last = rows.at(-1)?.id ?? last;
    return rows.map((row) => row.data);
  };
}

test('an event whose transaction commits after that of a higher id is found; a relay by `id > last` loses it', async () => {
  const naive = createNaiveRelay();
  const relay = createRelay({ source: 'shop', database, log, world });
  const outbox = createOutbox({ source: 'shop', database, log, world });
  const draft = (data: number) => [{ type: 't', key: `key-${data}`, data }];
  const inserted = Promise.withResolvers<void>();
  const mayCommit = Promise.withResolvers<void>();
  const slow = database.transaction(async (tx) => {
    await outbox.publish(tx, draft(1));
    inserted.resolve();
    await mayCommit.promise;
  });
  await inserted.promise;
  await database.transaction((tx) => outbox.publish(tx, draft(2)));

  const seenByNaive = await naive();
  await relay.turn();
  mayCommit.resolve();
  await slow;
  seenByNaive.push(...(await naive()), ...(await naive()));
  await runUntilIdle(relay);

  expect(seenByNaive).toEqual([2]);
  expect((await readAll(log, 'shop')).map((record) => record.event.data).toSorted()).toEqual([1, 2]);
});

test('a relay killed after any statement repeats nothing and loses nothing', async () => {
  const points = createCrashPoints();
  let steps = 0;
  for (let step = 1; ; step++) {
    await publish(['a', 'b', 'c', 'd'], 2);
    points.arm(step);
    const relay = createRelay({
      source: 'shop',
      database: points.wrap(database),
      log: createPostgresLog({ database: points.wrap(logDatabase), world }),
      world,
      partitionBatchMax: 1,
      leaseMs: 0,
    });
    await runUntilIdle(relay).catch(() => {});
    if (!points.crashed) break;
    steps = step;
    // Another process takes over; the one that crashed may also only have seen an error and go on.
    points.arm(0);
    await runUntilIdle(step % 2 === 0 ? relay : createRelay({ source: 'shop', database, log, world }));
    await expectAllExactlyOnce();
  }
  await expectAllExactlyOnce();
  expect(steps).toBeGreaterThan(30);
});

test('killed again and again at random, several relays at once and events committed late: still each exactly once', async () => {
  const oneRound = async (crashSteps: readonly number[], late: readonly boolean[]) => {
    const relays = crashSteps.map(async (first) => {
      // Each lives several lives, each life ended after some steps.
      for (let life = 0; life < 3; life++) {
        const points = createCrashPoints();
        points.arm(first + life * 5);
        const relay = createRelay({
          source: 'shop',
          database: points.wrap(database),
          log: createPostgresLog({ database: points.wrap(logDatabase), world }),
          world,
          partitionBatchMax: 2,
          leaseMs: life === 1 ? 1_000 : 0,
        });
        for (let turn = 0; turn < 8; turn++) {
          try {
            await relay.turn();
          } catch (error) {
            if (error instanceof Crash) break;
          }
        }
        await relay.leave();
      }
    });
    const gate = Promise.withResolvers<void>();
    const outbox = createOutbox({ source: 'shop', database, log, world });
    const writers = late.map(async (isLate, i) => {
      const events = [1, 2, 3].map(() => ({ type: 't', key: `writer-${i}`, data: ++counter }));
      await database.transaction(async (tx) => {
        await outbox.publish(tx, events);
        if (isLate) await gate.promise;
      });
      const key = `writer-${i}`;
      published.set(key, [...(published.get(key) ?? []), ...events.map((event) => event.data)]);
    });
    await Promise.all(writers.filter((_, i) => !late[i]));
    gate.resolve();
    await Promise.all([...relays, ...writers]);
    await database.query('update outbox_partition set relay = null');
    await runUntilIdle(createRelay({ source: 'shop', database, log, world }));
    await expectAllExactlyOnce();
  };
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 2, maxLength: 3 }),
      fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      oneRound,
    ),
    { numRuns: 15 },
  );
});

test('a relay that was overtaken between reading and appending is refused', async () => {
  await publish(['a']);
  const first = createRelay({ source: 'shop', database, log: { ...log, appendExactly: overtaken }, world });
  async function overtaken(...args: Parameters<EventLog['appendExactly']>) {
    // As if this process had been paused here for longer than its lease.
    await database.query(`update outbox_partition set leased_until = now() - interval '1 second'`);
    await runUntilIdle(createRelay({ source: 'shop', database, log, world }));
    return log.appendExactly(...args);
  }
  await runUntilIdle(first);
  await expectAllExactlyOnce();
});

test('partitions that another relay is at are left to it, and looked at again soon', async () => {
  await publish(['a']);
  await database.query(`update outbox_partition set relay = 'other', leased_until = now() + interval '1 minute'`);
  const relay = createRelay({ source: 'shop', database, log, world });
  expect(await relay.turn()).toEqual({ afterMs: 50 });
  await database.query(`update outbox_partition set leased_until = now() - interval '1 second'`);
  expect(await relay.turn()).toEqual({ worked: 1 });
  await runUntilIdle(relay);
  await expectAllExactlyOnce();
});

test('a new outbox under an old name is not mistaken for the old one, though its ids begin at 1 again', async () => {
  await publish(['a'], 3);
  const relay = createRelay({ source: 'shop', database, log, world });
  await relay.turn();
  const fresh = await openTestDatabase([outboxMigrations]);
  const outbox = createOutbox({ source: 'shop', database: fresh, log, world });
  await fresh.transaction((tx) =>
    outbox.publish(
      tx,
      [1, 2, 3].map((data) => ({ type: 't', key: 'fresh', data })),
    ),
  );
  await runUntilIdle(createRelay({ source: 'shop', database: fresh, log, world }));
  await fresh.close();
  expect((await readAll(log, 'shop')).filter((record) => record.event.subject === 'fresh')).toHaveLength(3);
});

test('an idle relay asks one question a turn', async () => {
  let queries = 0;
  const counting: Database = {
    ...database,
    query: (text, values) => {
      queries += 1;
      return database.query(text, values);
    },
    transaction: (work) => {
      queries += 10;
      return database.transaction(work);
    },
  };
  const relay = createRelay({ source: 'shop', database: counting, log, world });
  await runUntilIdle(relay);
  queries = 0;
  expect(await relay.turn()).toBe('idle');
  expect(queries).toBe(1);
});

test('an event too large for the log is refused when it is published, by name', async () => {
  const outbox = createOutbox({ source: 'shop', database, log, world });
  const large = { type: 'thing.happened', key: 'k', data: 'ü'.repeat(200_000) };
  await expect(database.transaction((tx) => outbox.publish(tx, [large]))).rejects.toThrow(
    /thing.happened of k has \d+ bytes, at most 262144/,
  );
});

test('partitions of keys never change and are even', () => {
  expect(['ord_1', 'ord_2', 'a', ''].map(partitionOf)).toMatchInlineSnapshot(`
    [
      2,
      13,
      3,
      11,
    ]
  `);
  const counts = new Map<number, number>();
  for (let i = 0; i < 16_000; i++) counts.set(partitionOf(`ord_${i}`), (counts.get(partitionOf(`ord_${i}`)) ?? 0) + 1);
  for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});
