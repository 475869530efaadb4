import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Database, Transaction } from '#kit/runtime';
import { createEnvelope, type EventEnvelope } from './envelope.ts';
import { inboxMigrations } from './inbox.ts';
import type { EventLog } from './log.ts';
import { partitionCount } from './partition.ts';
import { createPostgresLog, logMigrations } from './postgres-log.ts';
import { type Subscription, type SubscriptionOptions, subscribe } from './subscription.ts';
import { createCrashPoints, openTestDatabase, until, quietWorld as world } from './testing/index.ts';

let database: Database;
let logDatabase: Database;
let log: EventLog;
let running: Subscription[] = [];
let groupCount = 0;
let group: string;
let topic: string;

beforeAll(async () => {
  database = await openTestDatabase([inboxMigrations], { connectionsMax: 12 });
  logDatabase = await openTestDatabase([logMigrations], { connectionsMax: 12 });
  await database.query('create table applied (place bigserial, key text, value integer, member text)');
});
afterAll(() => Promise.all([database.close(), logDatabase.close()]));

beforeEach(async () => {
  group = `group-${++groupCount}`;
  topic = `topic-${groupCount}`;
  log = createPostgresLog({ database: logDatabase, world, memberLeaseMs: 400 });
  await database.query('delete from applied');
});
afterEach(async () => {
  for (const subscription of running) await subscription.component.stop?.();
  running = [];
});

const fast = { heartbeatMs: 20, backoffMsMin: 1, backoffMsMax: 5 };
let eventCount = 0;

function event(key: string, value: number, type = 'thing.counted'): EventEnvelope<number> {
  return createEnvelope({ source: 'test', world }, { type, key, data: value, id: `evt_${++eventCount}` });
}

async function write(tx: Transaction, events: readonly EventEnvelope[], member = 'm'): Promise<void> {
  for (const one of events) {
    if (one.type === 'thing.poisoned') throw new Error(`can't count ${one.data}`);
    await tx.query('insert into applied (key, value, member) values ($1, $2, $3)', [
      one.subject,
      one.data as number,
      member,
    ]);
  }
}

type EffectivelyOnce = Extract<SubscriptionOptions, { delivery: 'effectively-once' }>;

function make(options: Partial<EffectivelyOnce> = {}): Subscription {
  const subscription = subscribe({
    group,
    topics: [topic],
    log,
    database,
    world,
    delivery: 'effectively-once',
    handler: (tx, events) => write(tx, events),
    reset: async (tx) => {
      await tx.query('delete from applied');
    },
    ...fast,
    ...options,
  });
  running.push(subscription);
  return subscription;
}

async function start(options: Partial<EffectivelyOnce> = {}): Promise<Subscription> {
  const subscription = make(options);
  await subscription.component.start?.();
  return subscription;
}

async function applied(): Promise<Record<string, number[]>> {
  const { rows } = await database.query<{ key: string; value: number }>(
    'select key, value from applied order by place',
  );
  const byKey: Record<string, number[]> = {};
  for (const { key, value } of rows) byKey[key] = [...(byKey[key] ?? []), value];
  return byKey;
}

async function isCaughtUp(subscription: Subscription): Promise<boolean> {
  return (await subscription.lag()).every((one) => one.events === 0);
}

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i);

async function append(keys: readonly string[], values: readonly number[]): Promise<void> {
  await log.append(
    topic,
    values.flatMap((value) => keys.map((key) => event(key, value))),
  );
}

test('every event is applied once and in order per key, those from before and those from after the start', async () => {
  await append(['a', 'b', 'c'], numbers(50));
  const subscription = await start();
  await append(['a', 'b', 'c'], numbers(50, 50));
  await until(() => isCaughtUp(subscription));
  expect(await applied()).toEqual({ a: numbers(100), b: numbers(100), c: numbers(100) });
});

test('only events of the wanted types reach the handler', async () => {
  await log.append(topic, [event('a', 1), event('a', 2, 'other'), event('a', 3)]);
  const subscription = await start({ types: ['thing.counted'] });
  await until(() => isCaughtUp(subscription));
  expect(await applied()).toEqual({ a: [1, 3] });
});

test('a new group can start at the end', async () => {
  await append(['a'], [1, 2]);
  const subscription = await start({ from: 'latest' });
  await append(['a'], [3]);
  await until(async () => 'a' in (await applied()));
  await until(() => isCaughtUp(subscription));
  expect(await applied()).toEqual({ a: [3] });
});

test('a consumer killed at any step applies each event once', async () => {
  const points = createCrashPoints();
  let steps = 0;
  for (let step = 1; ; step++) {
    await append(['a', 'b'], [step * 10, step * 10 + 1]);
    // Armed after the start, so that the steps are those of consuming.
    points.arm(0);
    const subscription = make({
      database: points.wrap(database),
      log: createPostgresLog({ database: points.wrap(logDatabase), world }),
      // A crash comes back as a failure of the event: it must not end up as a dead letter.
      attemptsMax: 1_000,
      heartbeatMs: 60_000,
    });
    points.arm(step);
    await subscription.component.start?.().catch(() => {});
    const survivor = await start();
    await until(async () => points.crashed || (await isCaughtUp(survivor)));
    await subscription.component.stop?.();
    await survivor.component.stop?.();
    running = [];
    if (!points.crashed) break;
    steps = step;
  }
  const last = await start();
  await until(() => isCaughtUp(last));
  const all = numbers(steps + 1, 1).flatMap((step) => [step * 10, step * 10 + 1]);
  expect(await applied()).toEqual({ a: all, b: all });
  expect(steps).toBeGreaterThan(10);
});

test('members share the work; one that leaves and one that crashes are replaced', async () => {
  const keys = numbers(40).map((i) => `key-${i}`);
  const [a, b] = [
    await start({ handler: (tx, e) => write(tx, e, 'a') }),
    await start({ handler: (tx, e) => write(tx, e, 'b') }),
  ];
  const total = async (member: string) =>
    (await database.query('select from applied where member = $1', [member])).count;
  let value = 0;
  await until(async () => {
    await append(keys, [value++]);
    return (await total('a')) > 0 && (await total('b')) > 0;
  });
  await a.component.stop?.();
  await append(keys, [value++]);
  await until(() => isCaughtUp(b));
  // A crash: the member says nothing any more, but gives nothing back either.
  await start({ handler: (tx, e) => write(tx, e, 'c'), heartbeatMs: 10 });
  await until(async () => {
    await append(keys, [value++]);
    return (await total('c')) > 0;
  });
  const crashed = log.join(group, [topic], 'crashed');
  await until(async () => (await crashed.beat()).length >= 5);
  await append(keys, [value++]);
  await until(() => isCaughtUp(b));
  expect(await applied()).toEqual(Object.fromEntries(keys.map((key) => [key, numbers(value)])));
});

test('a member that is stopped while it starts keeps no partitions from the others', async () => {
  const quitter = make();
  const started = quitter.component.start?.();
  await quitter.component.stop?.();
  await started;
  await append(numbers(40).map(String), [1]);
  const other = await start();
  await until(() => isCaughtUp(other));
});

test('a member that was replaced without noticing is refused, and nothing is applied twice', async () => {
  const hasRead = Promise.withResolvers<void>();
  const mayGoOn = Promise.withResolvers<void>();
  const pausing: EventLog = {
    ...log,
    async read(...args) {
      const records = await log.read(...args);
      if (records.length > 0) {
        // As if the whole process stood still for longer than its lease, between reading and writing.
        hasRead.resolve();
        await mayGoOn.promise;
      }
      return records;
    },
  };
  const refused: string[] = [];
  const slow = await start({
    log: pausing,
    heartbeatMs: 60_000,
    world: {
      ...world,
      log: { ...world.log, with: () => ({ ...world.log, debug: (message) => refused.push(message) }) },
    },
    handler: (tx, events) => write(tx, events, 'slow'),
  });
  await append(['a'], [1]);
  await hasRead.promise;
  await logDatabase.query(`update log_group_member set expires_at = now() - interval '1 second'`);
  const quick = await start({ handler: (tx, events) => write(tx, events, 'quick') });
  await until(() => isCaughtUp(quick));
  mayGoOn.resolve();
  await until(() => refused.length > 0);
  await append(['a'], [2]);
  slow.wake();
  await until(() => isCaughtUp(quick));
  expect(refused[0]).toBe('positions were moved by someone else');
  const { rows } = await database.query('select key, value, member from applied order by place');
  expect(rows).toEqual([
    { key: 'a', value: 1, member: 'quick' },
    { key: 'a', value: 2, member: 'quick' },
  ]);
});

test('one poisoned event goes to the dead letters after its attempts; its neighbours are applied', async () => {
  await log.append(topic, [
    ...numbers(30).map((i) => event(`key-${i % 7}`, i)),
    event('bad', 7, 'thing.poisoned'),
    ...numbers(30, 30).map((i) => event(`key-${i % 7}`, i)),
    event('bad', 8),
  ]);
  let attempts = 0;
  const subscription = await start({
    attemptsMax: 3,
    handler: (tx, events) => {
      if (events.length === 1 && events[0]?.type === 'thing.poisoned') attempts += 1;
      return write(tx, events);
    },
  });
  await until(() => isCaughtUp(subscription));
  expect(Object.values(await applied()).flat()).toHaveLength(60);
  const letters = await subscription.deadLetters.list();
  expect(letters).toMatchObject([
    { status: 'failed', key: 'bad', attempts: 3, cause: "Error: can't count 7", event: { data: 7 } },
    { status: 'parked', key: 'bad', attempts: 0, cause: null, event: { data: 8 } },
  ]);
  expect(letters[0]?.stack).toContain('subscription.test.ts');
  expect(attempts).toBe(3);
});

test('an error that says never is not tried again', async () => {
  const handler = async () => {
    throw Object.assign(new Error('no such product'), { retry: 'never' });
  };
  await append(['a'], [1]);
  const subscription = await start({ handler });
  await until(() => isCaughtUp(subscription));
  expect(await subscription.deadLetters.list()).toMatchObject([{ attempts: 1 }]);
});

test('an outage of the world is waited out and never counted against an event', async () => {
  let outages = 0;
  const handler = (tx: Transaction, events: readonly EventEnvelope[]) => {
    if (outages++ < 4) throw Object.assign(new Error('down'), { category: 'unavailable' });
    return write(tx, events);
  };
  await append(['a'], [1]);
  const subscription = await start({ handler, attemptsMax: 1 });
  await until(() => isCaughtUp(subscription));
  expect(await applied()).toEqual({ a: [1] });
  expect((await subscription.deadLetters.tally()).total).toBe(0);
});

test('a replay hands a key over in order and frees it; the group goes on behind it', async () => {
  let isMended = false;
  const handler = async (tx: Transaction, events: readonly EventEnvelope[]) => {
    await write(tx, isMended ? events.map((one) => ({ ...one, type: 'thing.counted' })) : events);
  };
  await log.append(topic, [event('a', 1, 'thing.poisoned'), event('a', 2), event('b', 3), event('a', 4)]);
  const subscription = await start({ handler, attemptsMax: 1 });
  await until(() => isCaughtUp(subscription));
  expect(await applied()).toEqual({ b: [3] });
  const [letter] = await subscription.deadLetters.list();

  const tooEarly = await subscription.deadLetters.replay(letter?.id as number);
  expect(tooEarly).toMatchObject({ replayed: 0, remaining: 3, failed: { id: letter?.id } });
  expect(await subscription.deadLetters.show(letter?.id as number)).toMatchObject({ attempts: 2 });

  isMended = true;
  expect(await subscription.deadLetters.replay(letter?.id as number)).toEqual({ replayed: 3, remaining: 0 });
  await append(['a'], [5]);
  await until(() => isCaughtUp(subscription));
  expect(await applied()).toEqual({ a: [1, 2, 4, 5], b: [3] });
});

test('events that arrive during a replay neither overtake nor are left behind', async () => {
  let isMended = false;
  const handler = async (tx: Transaction, events: readonly EventEnvelope[]) => {
    await write(tx, isMended ? events.map((one) => ({ ...one, type: 'thing.counted' })) : events);
  };
  await log.append(topic, [event('a', 0, 'thing.poisoned'), ...numbers(30, 1).map((i) => event('a', i))]);
  const subscription = await start({ handler, attemptsMax: 1, batchMax: 4 });
  await until(() => isCaughtUp(subscription));
  isMended = true;
  const [letter] = await subscription.deadLetters.list();
  const replays = [1, 2].map(() => subscription.deadLetters.replay(letter?.id as number));
  for (let i = 31; i < 60; i++) await append(['a'], [i]);
  await Promise.all(replays);
  await until(() => isCaughtUp(subscription));
  expect((await subscription.deadLetters.tally()).total).toBe(0);
  expect(await applied()).toEqual({ a: numbers(60) });
});

test('a discarded letter is gone, and the rest of its key can be replayed', async () => {
  await log.append(topic, [event('a', 1, 'thing.poisoned'), event('a', 2)]);
  const subscription = await start({ attemptsMax: 1 });
  await until(() => isCaughtUp(subscription));
  const [bad, good] = await subscription.deadLetters.list({ key: 'a' });
  expect(await subscription.deadLetters.discard(bad?.id as number)).toEqual({ discarded: true, remaining: 1 });
  expect(await subscription.deadLetters.discard(bad?.id as number)).toEqual({ discarded: false, remaining: 0 });
  expect(await subscription.deadLetters.replay(good?.id as number)).toEqual({ replayed: 1, remaining: 0 });
  expect(await applied()).toEqual({ a: [2] });
});

test('many are replayed key by key up to the newest that was meant, and a key that fails again holds up no other', async () => {
  let isMended = false;
  const handler = async (tx: Transaction, events: readonly EventEnvelope[]) => {
    await write(tx, isMended ? events.map((one) => (one.subject === 'k07' ? one : { ...one, type: 'ok' })) : events);
  };
  const keys = numbers(45).map((i) => `k${String(i).padStart(2, '0')}`);
  await log.append(
    topic,
    [...keys, ...keys].map((key, i) => event(key, i, i < 45 ? 'thing.poisoned' : 'ok')),
  );
  const { deadLetters, wake } = await start({ handler, attemptsMax: 1 });
  await until(async () => (await deadLetters.tally()).total === 90);
  const { lastId } = await deadLetters.tally();
  await log.append(topic, [event('later', 1, 'thing.poisoned')]);
  wake();
  await until(async () => (await deadLetters.tally()).total === 91);
  isMended = true;
  const calls: { replayed: number; failed: number }[] = [];
  let afterId: number | undefined = 0;
  while (afterId !== undefined) {
    const outcome = await deadLetters.replayMany({ throughId: lastId, afterId });
    calls.push({ replayed: outcome.replayed, failed: outcome.failed.length });
    afterId = outcome.nextAfterId;
  }
  expect(calls.reduce((sum, { replayed }) => sum + replayed, 0)).toBe(88);
  expect(calls.map(({ failed }) => failed).sort()).toEqual([0, 0, 1]);
  const left = await deadLetters.list();
  expect(left.map(({ key }) => key)).toEqual(['k07', 'k07', 'later']);
});

test('many are discarded up to the newest that was meant, of one key or of all', async () => {
  await log.append(topic, [
    ...['a', 'a', 'b', 'c'].map((key, i) => event(key, i, 'thing.poisoned')),
    event('d', 9, 'thing.poisoned'),
  ]);
  const { deadLetters } = await start({ attemptsMax: 1 });
  await until(async () => (await deadLetters.tally()).total === 5);
  const all = await deadLetters.list();
  const { lastId } = await deadLetters.tally({ key: 'a' });
  expect(await deadLetters.discardMany({ key: 'a', throughId: lastId })).toEqual({ discarded: 2, remaining: 0 });
  const meant = all.filter(({ key }) => key !== 'a')[1]?.id as number;
  expect(await deadLetters.discardMany({ throughId: meant })).toEqual({ discarded: 2, remaining: 0 });
  expect((await deadLetters.list()).map(({ id }) => id)).toEqual([all.filter(({ key }) => key !== 'a')[2]?.id]);
  // A key that was discarded is free: its next event is handled again.
  await append(['a'], [5]);
  await until(async () => (await applied())['a'] !== undefined);
});

test('with skip, later events of the key go on past the dead letter', async () => {
  await log.append(topic, [event('a', 1, 'thing.poisoned'), event('a', 2)]);
  const subscription = await start({ attemptsMax: 1, onPoison: 'skip' });
  await until(() => isCaughtUp(subscription));
  expect(await applied()).toEqual({ a: [2] });
  expect((await subscription.deadLetters.tally()).total).toBe(1);
});

test('a read model rebuilt from the log equals the one that grew, also while events arrive and members work', async () => {
  const subscription = await start({ batchMax: 10 });
  await start({ batchMax: 10 });
  await append(['a', 'b', 'c'], numbers(50));
  await until(async () => (await database.query('select from applied')).count > 20);
  await subscription.rebuild();
  await append(['a', 'b', 'c'], numbers(10, 50));
  await until(() => isCaughtUp(subscription));
  await subscription.rebuild();
  await until(() => isCaughtUp(subscription));
  expect(await applied()).toEqual({ a: numbers(60), b: numbers(60), c: numbers(60) });
});

test('a rebuild is refused when the beginning of the log is gone', async () => {
  await append(['a'], numbers(10));
  const subscription = await start();
  await until(() => isCaughtUp(subscription));
  await log.sweep(topic, { eventsMax: 2 });
  await expect(subscription.rebuild()).rejects.toThrow('retention removed events');
  expect((await applied())['a']).toHaveLength(10);
});

test('a group that retention has overtaken stops and says so', async () => {
  await append(['a'], numbers(3));
  const subscription = await start();
  await until(() => isCaughtUp(subscription));
  await subscription.component.stop?.();
  await append(['a'], numbers(10, 3));
  await log.sweep(topic, { eventsMax: 2 });
  const again = await start();
  await until(async () => (await again.component.check?.()) !== undefined);
  expect(await again.component.check?.()).toMatch(/retention removed events before they were read/);
  expect((await applied())['a']).toHaveLength(3);
});

test('at least once: the effect is repeated after a failure, and nothing is missed', async () => {
  const seen: number[] = [];
  let failures = 0;
  const subscription = subscribe({
    ...{ group, topics: [topic], log, database, world, ...fast },
    delivery: 'at-least-once',
    handler: async (events) => {
      seen.push(...events.map((one) => one.data as number));
      if (failures++ === 0) throw new Error('after the effect');
    },
  });
  running.push(subscription);
  await append(['a'], [1, 2, 3]);
  await subscription.component.start?.();
  await until(() => isCaughtUp(subscription));
  expect([...new Set(seen)]).toEqual([1, 2, 3]);
  expect(seen.length).toBeGreaterThan(3);
});

test('at most once: what fails is gone, and never handed over again', async () => {
  const seen: number[] = [];
  const subscription = subscribe({
    ...{ group, topics: [topic], log, database, world, ...fast },
    delivery: 'at-most-once',
    handler: async (events) => {
      seen.push(...events.map((one) => one.data as number));
      throw new Error('no');
    },
  });
  running.push(subscription);
  await append(['a'], [1, 2]);
  await subscription.component.start?.();
  await until(() => isCaughtUp(subscription));
  await append(['a'], [3]);
  await until(() => seen.length === 3);
  expect(seen).toEqual([1, 2, 3]);
});

test('an event from a clock that is too far ahead is handled, and an alarm is raised', async () => {
  const alarms: string[] = [];
  const subscription = await start({
    logicalClock: {
      tick: () => '1',
      receive: () => {
        throw new Error('ahead');
      },
    },
    metrics: { clockAhead: ({ source }) => alarms.push(source) },
  });
  await log.append(topic, [{ ...event('a', 1), hlc: 'far away' }]);
  await until(() => isCaughtUp(subscription));
  expect(alarms).toEqual(['test']);
  expect(await applied()).toEqual({ a: [1] });
});

test('lag counts what was appended and not consumed, of all partitions', async () => {
  const subscription = make();
  await append(['a', 'b'], numbers(5));
  const lag = await subscription.lag();
  expect(lag).toHaveLength(partitionCount);
  expect(lag.reduce((sum, one) => sum + one.events, 0)).toBe(10);
});

test('a position beyond the end of the log stops the partition and says that the log was replaced', async () => {
  await append(['a'], numbers(3));
  const subscription = await start();
  await until(() => isCaughtUp(subscription));
  await subscription.component.stop?.();
  await logDatabase.query('delete from log_event where topic = $1', [topic]);
  await logDatabase.query('update log_partition set next_offset = 0 where topic = $1', [topic]);
  const again = await start();
  expect(await again.component.check?.()).toMatch(/the log was replaced by another one/);
});

test('a member that takes over while the one before it still works is not misled by an older look at the log', async () => {
  await append(['a'], [1]);
  const first = await start();
  await until(() => isCaughtUp(first));
  await first.component.stop?.();
  let looks = 0;
  const outdated: EventLog = {
    ...log,
    async bounds(topics) {
      const bounds = await log.bounds(topics);
      return looks++ === 0 ? bounds.map((one) => ({ ...one, nextOffset: 0 })) : bounds;
    },
  };
  const second = await start({ log: outdated });
  expect(await second.component.check?.()).toBeUndefined();
  await append(['a'], [2]);
  await until(() => isCaughtUp(second));
  expect(await applied()).toEqual({ a: [1, 2] });
});
