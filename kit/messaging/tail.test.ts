import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '#kit/runtime';
import { createEnvelope } from './envelope.ts';
import { createOutbox, outboxMigrations } from './outbox.ts';
import { createPostgresLog, logMigrations } from './postgres-log.ts';
import { createSweeper } from './sweeper.ts';
import { createTail } from './tail.ts';
import { openTestDatabase, until, quietWorld as world } from './testing/index.ts';

let database: Database;
beforeAll(async () => {
  database = await openTestDatabase([logMigrations, outboxMigrations], { connectionsMax: 12 });
});
afterAll(() => database.close());

const event = (data: number) => createEnvelope({ source: 'test', world }, { type: 't', key: `key-${data}`, data });

test('a tail sees every event from its start on, in every process, and survives its handler', async () => {
  const [here, there] = [createPostgresLog({ database, world }), createPostgresLog({ database, world })];
  await here.append('news', [event(1)]);
  const seen: number[][] = [[], []];
  const tails = [here, there].map((log, i) =>
    createTail({
      name: `tail-${i}`,
      topics: ['news'],
      log,
      world,
      handler(events) {
        seen[i]?.push(...events.map((one) => one.data as number));
        if (seen[i]?.length === 1) throw new Error('a handler that fails');
      },
    }),
  );
  for (const tail of tails) await tail.start?.();
  for (const data of [2, 3, 4]) {
    await here.append('news', [event(data)]);
    await until(() => seen.every((values) => values.includes(data)));
  }
  expect(seen).toEqual([
    [2, 3, 4],
    [2, 3, 4],
  ]);
  for (const tail of tails) await tail.stop?.();
});

test('a sweeper keeps topics within their retention', async () => {
  const log = createPostgresLog({ database, world });
  for (let i = 0; i < 20; i++)
    await log.append('old', [createEnvelope({ source: 'test', world }, { type: 't', key: 'k', data: i })]);
  const sweeper = createSweeper({ log, topics: ['old'], retention: { eventsMax: 5 }, world });
  await sweeper.start?.();
  await until(async () => (await log.bounds(['old'])).some((one) => one.firstOffset === 15));
  await sweeper.stop?.();
});

test('a relay that is woken relays at once, and tells how much', async () => {
  const log = createPostgresLog({ database, world });
  let relayed = 0;
  const outbox = createOutbox({
    source: 'woken',
    database,
    log,
    world,
    pollMs: 60_000,
    metrics: {
      relayed: ({ source, count }) => {
        expect(source).toBe('woken');
        relayed += count;
      },
    },
  });
  await outbox.component.start?.();
  await until(async () => (await outbox.pending()) === 0);
  await database.transaction((tx) => outbox.publish(tx, [{ type: 't', key: 'k', data: 1 }]));
  outbox.wake();
  await until(() => relayed === 1);
  await until(async () => (await outbox.pending()) === 0);
  await outbox.component.stop?.();
});

test('what caused an event travels in its envelope', async () => {
  const log = createPostgresLog({ database, world });
  const outbox = createOutbox({
    source: 'caused',
    database,
    log,
    world,
    logicalClock: { tick: () => 'time-7', receive: () => {} },
  });
  const context = { correlationId: 'c1', step: 2, traceparent: '00-a-b-01', idempotencyKey: 'k1' };
  const [envelope] = await database.transaction((tx) =>
    outbox.publish(tx, [{ type: 'thing.happened', key: 'thing-1', data: { a: 1 }, context, id: 'evt_1' }]),
  );
  expect(envelope).toEqual({
    specversion: '1.0',
    id: 'evt_1',
    source: 'caused',
    type: 'thing.happened',
    subject: 'thing-1',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    datacontenttype: 'application/json',
    data: { a: 1 },
    traceparent: '00-a-b-01',
    businesskey: 'k1',
    hlc: 'time-7',
    step: 3,
    correlationid: 'c1',
  });
});
