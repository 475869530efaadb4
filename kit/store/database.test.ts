import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type Database, type Logger, systemWorld } from '#kit/runtime';
import { createTestDatabase, type TestDatabase } from '#kit/store/embedded/testing';
import {
  CommitOutcomeUnknown,
  createDatabase,
  DatabaseFull,
  type DatabaseOptions,
  DatabaseUnavailable,
  Overtaken,
  StoreOverloaded,
} from './index.ts';
import { createFaultyProxy } from './testing/proxy.ts';

/** The machine may be busy. */
const eventually = <T>(probe: () => T) => expect.poll(probe);

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);

let real: TestDatabase;
let admin: pg.Client;

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));

beforeAll(async () => {
  real = await createTestDatabase();
  admin = new pg.Client(real.url);
  await admin.connect();
  await admin.query('create table item (id int primary key, n int not null default 0)');
  await admin.query('create table doubtful (id int, constraint once unique (id) deferrable initially deferred)');
});

afterEach(async () => {
  await admin.query('truncate item, doubtful');
  await new Promise(setImmediate);
  expect(unhandled.splice(0)).toEqual([]);
});

afterAll(() => admin.end());

/** Closed at the end of the test, which fails if a connection is left in a transaction or busy. */
function open(options: Partial<DatabaseOptions> = {}): Database {
  const name = `db${Math.random().toString(36).slice(2)}`;
  const database = createDatabase({ url: real.url, name, ...world, ...options });
  onTestFinished(async () => {
    // An error is told before its session has come to rest.
    await eventually(async () => (await sessions(name)).filter(({ state }) => state !== 'idle')).toEqual([]);
    await database.close();
    await eventually(() => sessions(name)).toEqual([]);
  });
  return database;
}

async function sessions(name: string): Promise<{ pid: number; state: string; query: string }[]> {
  const { rows } = await admin.query(
    'select pid, state, query from pg_stat_activity where application_name = $1 order by pid',
    [`holdfast ${name}`],
  );
  return rows;
}

async function items(): Promise<number[]> {
  return (await admin.query('select id from item order by id')).rows.map((row) => row.id);
}

/** Resolves once a session of the database waits for a lock or sleeps. */
async function untilBusy(database: Database, text: string): Promise<number> {
  let pid = 0;
  await eventually(async () => {
    const busy = (await sessions(database.name)).find(({ state, query }) => state === 'active' && query.includes(text));
    pid = busy?.pid ?? 0;
    return pid;
  }).toBeGreaterThan(0);
  return pid;
}

test('values come back as the port says, and nobody else’s pg is changed', async () => {
  const { rows } = await open().query(
    `select 9007199254740991::int8 as big, 1.50::numeric as exact, '{"a":[1]}'::jsonb as json,
      '2030-01-01T00:00:00Z'::timestamptz as at, array[1,2]::int[] as list, $1::text[] as texts, $2::jsonb as object`,
    [['a"b', 'c,d', 'null', null, 'a\\b', '🪢', ''], { deep: { yes: true } }],
  );
  expect(rows).toEqual([
    {
      big: 9007199254740991,
      exact: '1.50',
      json: { a: [1] },
      at: new Date('2030-01-01T00:00:00Z'),
      list: [1, 2],
      texts: ['a"b', 'c,d', 'null', null, 'a\\b', '🪢', ''],
      object: { deep: { yes: true } },
    },
  ]);
  expect((await admin.query('select 1::int8 as big')).rows).toEqual([{ big: '1' }]);
});

test('an int8 that a number can not hold is refused, and the connection stays good', async () => {
  const database = open({ connectionsMax: 1 });
  await expect(database.query('select 9007199254740993::int8')).rejects.toThrow(/does not fit a number/);
  expect((await database.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
});

test('a transaction commits as a whole or not at all', async () => {
  const database = open();
  await database.transaction(async (tx) => {
    await tx.query('insert into item (id) values ($1)', [1]);
    await tx.query('insert into item (id) values ($1)', [2]);
  });
  const failing = database.transaction(async (tx) => {
    await tx.query('insert into item (id) values ($1)', [3]);
    throw new Error('changed my mind');
  });
  await expect(failing).rejects.toThrow('changed my mind');
  expect(await items()).toEqual([1, 2]);
});

test('statements sent together travel together, in order', async () => {
  const database = open({ connectionsMax: 1 });
  const results = await database.transaction((tx) =>
    Promise.all([
      tx.query('insert into item (id) values ($1)', [1]),
      tx.query<{ n: number }>('update item set n = n + 1 where id = $1 returning n', [1]),
      tx.query<{ n: number }>('update item set n = n + 1 where id = $1 returning n', [1]),
    ]),
  );
  expect(results.map(({ rows }) => rows)).toEqual([[], [{ n: 1 }], [{ n: 2 }]]);
});

test('each text is prepared once a connection, up to a bound', async () => {
  const database = open({ connectionsMax: 1 });
  for (let i = 0; i < 1_100; i++) await database.query(`select ${i} as n`);
  for (let i = 0; i < 5; i++) await database.query('select $1::int as n', [i]);
  const { rows } = await database.query<{ n: number }>('select count(*) as n from pg_prepared_statements');
  expect(rows[0]?.n).toBe(1_000);
});

test('a table that is altered while its statements are prepared does not disturb anyone', async () => {
  const database = open({ connectionsMax: 4 });
  await admin.query('create table changing (a int)');
  const read = () => database.query('select * from changing');
  const readInTransaction = () => database.transaction((tx) => tx.query('select * from changing'));
  await Promise.all([read(), read(), readInTransaction(), readInTransaction()]);
  await admin.query('alter table changing add column b int');
  await Promise.all([read(), readInTransaction(), read(), readInTransaction(), read(), read()]);
  await admin.query('drop table changing');
});

test('of callers beyond the bound each is refused at once, the others are served', async () => {
  const database = open({ connectionsMax: 2, waitingMax: 3 });
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => database.query('select pg_sleep(0.05)')));
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
  expect(refused).toHaveLength(3);
  expect(refused.every(({ reason }) => reason instanceof StoreOverloaded)).toBe(true);
  await database.query('select 1');
});

test('a caller who gets no connection in time is told that there is too much to do', async () => {
  const database = open({ connectionsMax: 1, connectTimeoutMs: 1_000 });
  // The one connection is there: how long this machine takes to make it is not what is asked.
  await eventually(() =>
    database.query('select 1').then(
      ({ count }) => count,
      () => 0,
    ),
  ).toBe(1);
  const slow = database.query('select pg_sleep(1.5)');
  await expect(database.query('select 1')).rejects.toBeInstanceOf(StoreOverloaded);
  await slow;
});

test('a caller who gives up waiting for a connection leaves none behind', async () => {
  const database = open({ connectionsMax: 1 });
  const slow = database.query('select pg_sleep(0.1)');
  const giveUp = new AbortController();
  const waiting = database.transaction((tx) => tx.query('select 1'), { signal: giveUp.signal });
  giveUp.abort(new Error('no time'));
  await expect(waiting).rejects.toThrow('no time');
  await slow;
  await database.query('select 1');
});

test('serialisation failures run again until every increment is counted', async () => {
  const database = open({ connectionsMax: 4 });
  await database.query('insert into item (id) values (1)');
  let runs = 0;
  const firstsHaveRead = Promise.withResolvers<void>();
  const increment = () =>
    database.transaction(
      async (tx) => {
        runs += 1;
        const run = runs;
        const { rows } = await tx.query<{ n: number }>('select n from item where id = 1');
        // As many as there are connections read before any of them writes: all but one must fail.
        if (run === 4) firstsHaveRead.resolve();
        if (run <= 4) await firstsHaveRead.promise;
        await tx.query('update item set n = $1 where id = 1', [(rows[0]?.n ?? 0) + 1]);
      },
      { isolation: 'serializable', retries: 50 },
    );
  await Promise.all(Array.from({ length: 8 }, increment));
  expect((await database.query('select n from item')).rows).toEqual([{ n: 8 }]);
  expect(runs).toBeGreaterThan(8);
});

test('the victim of a deadlock runs again', async () => {
  const database = open({ connectionsMax: 2 });
  await database.query('insert into item (id) values (1), (2)');
  let runs = 0;
  const meeting = Promise.withResolvers<void>();
  const lockBoth = (first: number, second: number) =>
    database.transaction(async (tx) => {
      runs += 1;
      await tx.query('update item set n = n + 1 where id = $1', [first]);
      if (runs === 2) meeting.resolve();
      await meeting.promise;
      await tx.query('update item set n = n + 1 where id = $1', [second]);
    });
  await Promise.all([lockBoth(1, 2), lockBoth(2, 1)]);
  expect((await database.query('select n from item')).rows).toEqual([{ n: 2 }, { n: 2 }]);
  expect(runs).toBe(3);
});

test('retries are bounded, and what work concluded from a serialisation failure counts for nothing', async () => {
  const database = open();
  let runs = 0;
  const overtaken = database.transaction(
    async () => {
      runs += 1;
      throw new Overtaken('by another');
    },
    { retries: 3 },
  );
  await expect(overtaken).rejects.toBeInstanceOf(Overtaken);
  expect(runs).toBe(4);

  runs = 0;
  await database.transaction(async (tx) => {
    runs += 1;
    if (runs > 2) return;
    await tx.query(`do $$ begin raise exception using errcode = '40001'; end $$`).catch(() => {
      throw new Error('my own idea of what happened');
    });
  });
  expect(runs).toBe(3);
});

test('a server whose disk is full says so, once in the log, and serves when there is room again', async () => {
  const told: string[] = [];
  const database = open({ connectionsMax: 1, log: { ...quiet, error: (message) => void told.push(message) } });
  const full = `do $$ begin raise exception using errcode = '53100', message = 'no space left'; end $$`;
  const inTransaction = database.transaction(async (tx) => {
    await tx.query('insert into item (id) values (1)');
    await tx.query(full);
  });
  await expect(inTransaction).rejects.toMatchObject({
    category: 'unavailable',
    retry: { afterMs: 10_000 },
    message: expect.stringContaining('is full (no space left'),
  });
  await expect(inTransaction).rejects.toBeInstanceOf(DatabaseFull);
  await expect(database.transaction((tx) => tx.query(full))).rejects.toBeInstanceOf(DatabaseFull);
  expect(told).toEqual([expect.stringContaining('free some space')]);
  // It may have failed in its commit: nobody knows.
  await expect(database.query(full)).rejects.toBeInstanceOf(CommitOutcomeUnknown);
  await database.transaction((tx) => tx.query('insert into item (id) values (2)'));
  expect(await items()).toEqual([2]);
});

test('a failed statement fails its pipeline with the first cause, and no promise is left unhandled', async () => {
  const database = open({ connectionsMax: 1 });
  const together = database.transaction((tx) =>
    Promise.all([
      tx.query('insert into item (id) values ($1)', ['not a number']),
      tx.query('insert into item (id) values (2)'),
      tx.query('insert into item (id) values (3)'),
    ]),
  );
  await expect(together).rejects.toMatchObject({ code: '22P02' });
  const behind = database.transaction(async (tx) => {
    // Sent, not awaited: the second fails because of the first, which is what has to be told.
    void tx.query('insert into nowhere values (1)');
    void tx.query('insert into item (id) values (1)');
    await tx.query('insert into item (id) values (2)');
  });
  await expect(behind).rejects.toMatchObject({ code: '42P01' });
  expect(await items()).toEqual([]);
  await database.query('insert into item (id) values (4)');
});

test('a transaction whose failure was swallowed is not reported as committed', async () => {
  const database = open();
  const swallowing = database.transaction(async (tx) => {
    await tx.query('insert into item (id) values (1)');
    await tx.query('insert into item (id) values (1)').catch(() => {});
  });
  await expect(swallowing).rejects.toMatchObject({ code: '23505' });
  const unawaited = database.transaction(async (tx) => {
    await tx.query('insert into item (id) values (1)');
    void tx.query('insert into item (id) values (1)');
  });
  await expect(unawaited).rejects.toMatchObject({ code: '23505' });
  expect(await items()).toEqual([]);
});

test('a savepoint lets a transaction survive a failed statement', async () => {
  const database = open();
  await database.transaction(async (tx) => {
    await tx.query('insert into item (id) values (1)');
    await tx.query('savepoint before');
    await tx.query('insert into item (id) values (1)').catch(() => tx.query('rollback to savepoint before'));
    await tx.query('insert into item (id) values (2)');
  });
  expect(await items()).toEqual([1, 2]);
});

test('what COMMIT refuses for sure is refused, not unknown', async () => {
  const failing = open().transaction((tx) => tx.query('insert into doubtful values (1), (1)'));
  await expect(failing).rejects.toMatchObject({ code: '23505' });
});

test('a sealed transaction commits with its last statements, and takes no more', async () => {
  const database = open();
  const answer = await database.transaction(async (tx) => {
    await tx.query('insert into item (id) values (1)');
    const last = tx.query('insert into item (id) values (2)');
    tx.seal();
    await expect(tx.query('insert into item (id) values (3)')).rejects.toThrow(/transaction had ended/);
    await last;
    return 'done';
  });
  expect(answer).toBe('done');
  expect(await items()).toEqual([1, 2]);
});

test('a sealed transaction is undone by a statement that fails, and by nothing else', async () => {
  const database = open();
  const failing = database.transaction(async (tx) => {
    const both = [tx.query('insert into item (id) values (1)'), tx.query('insert into item (id) values (1)')];
    tx.seal();
    await Promise.all(both);
  });
  await expect(failing).rejects.toMatchObject({ code: '23505' });
  expect(await items()).toEqual([]);
  const late = database.transaction(async (tx) => {
    const last = tx.query('insert into item (id) values (4)');
    tx.seal();
    await last;
    throw new Error('too late');
  });
  await expect(late).rejects.toThrow('too late');
  expect(await items()).toEqual([4]);
});

test('a statement sent after its transaction has ended is refused', async () => {
  const database = open({ connectionsMax: 1 });
  const kept = await database.transaction(async (tx) => tx);
  await expect(kept.query('insert into item (id) values (1)')).rejects.toThrow(/transaction had ended/);
  expect(await items()).toEqual([]);
});

test('statements and lock waits are cut short by the server', async () => {
  const database = open({ statementTimeoutMs: 50 });
  const tooSlow = { name: 'DatabaseUnavailable', retry: { afterMs: 500 }, cause: { code: '57014' } };
  await expect(database.query('select pg_sleep(5)')).rejects.toMatchObject(tooSlow);
  await expect(database.transaction((tx) => tx.query('select pg_sleep(5)'))).rejects.toMatchObject(tooSlow);
  await admin.query('insert into item (id) values (1)');
  await admin.query('begin');
  await admin.query('select from item where id = 1 for update');
  // Of two bounds close to each other either may be met first.
  const patient = open({ lockTimeoutMs: 30 });
  const waiting = patient.transaction((tx) => tx.query('update item set n = 1 where id = 1'));
  await expect(waiting).rejects.toMatchObject({ name: 'StoreOverloaded', cause: { code: '55P03' } });
  const alone = patient.query('update item set n = 1 where id = 1');
  await expect(alone).rejects.toMatchObject({ name: 'StoreOverloaded', retry: { afterMs: 200 } });
  await admin.query('rollback');
});

test('a transaction that sits idle is ended, and nothing of it is kept', async () => {
  const database = open({ idleTransactionTimeoutMs: 50 });
  const untilEnded = () => eventually(async () => (await sessions(database.name)).length).toBe(0);
  const idle = database.transaction(async (tx) => {
    await tx.query('insert into item (id) values (1)');
    await untilEnded();
    await tx.query('insert into item (id) values (2)');
  });
  await expect(idle).rejects.toBeInstanceOf(DatabaseUnavailable);
  const idleAtCommit = database.transaction(async (tx) => {
    await tx.query('insert into item (id) values (1)');
    await untilEnded();
  });
  // COMMIT was never sent, so there is no doubt about it.
  await expect(idleAtCommit).rejects.toBeInstanceOf(DatabaseUnavailable);
  expect(await items()).toEqual([]);
});

test('abort cancels the SQL on the server, and the pool is as good as before', async () => {
  const database = open({ connectionsMax: 2 });
  for (let round = 0; round < 10; round++) {
    const abort = new AbortController();
    const sleeping = database.transaction((tx) => tx.query('insert into item (id) select 1 from pg_sleep(30)'), {
      signal: abort.signal,
    });
    // Sometimes while the statement is on its way, sometimes while it runs.
    if (round % 2 === 0) await untilBusy(database, 'pg_sleep(30)');
    else await new Promise(setImmediate);
    abort.abort(new Error('deadline'));
    await expect(sleeping).rejects.toThrow('deadline');
    const left = (await sessions(database.name)).filter(
      ({ state, query }) => state === 'active' && query.includes('30'),
    );
    expect(left).toEqual([]);
    const next = await Promise.all([1, 2].map((n) => database.query('select $1::int as n, pg_sleep(0.01)', [n])));
    expect(next.map(({ rows }) => (rows[0] as { n: number }).n)).toEqual([1, 2]);
  }
  expect(await items()).toEqual([]);
});

test('abort ends a transaction whose work waits for something else', async () => {
  const database = open({ connectionsMax: 1 });
  const abort = new AbortController();
  const waiting = database.transaction(
    async (tx) => {
      await tx.query('insert into item (id) values (1)');
      await new Promise(() => {});
    },
    { signal: abort.signal },
  );
  await eventually(async () => (await sessions(database.name))[0]?.state).toBe('idle in transaction');
  abort.abort(new Error('deadline'));
  await expect(waiting).rejects.toThrow('deadline');
  expect(await items()).toEqual([]);
  await database.query('select 1');
});

test('abort is heard though the server is not', async () => {
  const proxy = await createFaultyProxy(real.url);
  onTestFinished(() => proxy.close());
  const database = open({ url: proxy.url, connectionsMax: 1 });
  await database.query('select 1');
  const abort = new AbortController();
  const waiting = database.transaction((tx) => tx.query('select pg_sleep(0)'), { signal: abort.signal });
  proxy.blackHole = true;
  await new Promise(setImmediate);
  abort.abort(new Error('deadline'));
  await expect(waiting).rejects.toThrow('deadline');
  proxy.blackHole = false;
  proxy.cutAll();
  await eventually(() => database.query('select 1').then(() => 'fine', String)).toBe('fine');
});

test('a server that falls silent is given up, not waited for', async () => {
  const proxy = await createFaultyProxy(real.url);
  onTestFinished(() => proxy.close());
  // The margin after which silence is final, without waiting for it: a clock in which it is short.
  const hasty = { ...world.timers, after: (ms: number, task: () => void) => world.timers.after(ms / 50, task) };
  // One connection alone: what is made of a server that says nothing to anybody stands in pulse.test.ts.
  const database = open({ url: proxy.url, connectionsMax: 1, timers: hasty, pulseMs: 0 });
  await database.query('select 1');
  const inStatement = database.transaction(async (tx) => {
    await tx.query('insert into item (id) values (1)');
    proxy.blackHole = true;
    await tx.query('insert into item (id) values (2)');
  });
  await expect(inStatement).rejects.toBeInstanceOf(DatabaseUnavailable);
  proxy.blackHole = false;
  const inCommit = database.transaction(async (tx) => {
    await tx.query('insert into item (id) values (3)');
    proxy.blackHole = true;
  });
  await expect(inCommit).rejects.toBeInstanceOf(CommitOutcomeUnknown);
  proxy.blackHole = false;
});

test('a connection killed while idle is replaced', async () => {
  const database = open({ connectionsMax: 1 });
  await database.query('select 1');
  const [session] = await sessions(database.name);
  await admin.query('select pg_terminate_backend($1, 1000)', [session?.pid]);
  await eventually(() => database.query('select 1').then(() => 'fine', String)).toBe('fine');
  expect((await sessions(database.name))[0]?.pid).not.toBe(session?.pid);
});

test('a connection killed in a statement leaves nothing, says so, and the next transaction is fine', async () => {
  const database = open({ connectionsMax: 1 });
  const killed = database.transaction(async (tx) => {
    await tx.query('insert into item (id) values (1)');
    await tx.query('select pg_sleep(30)');
  });
  const failed = expect(killed).rejects.toBeInstanceOf(DatabaseUnavailable);
  await admin.query('select pg_terminate_backend($1)', [await untilBusy(database, 'pg_sleep(30)')]);
  await failed;
  await database.transaction((tx) => tx.query('insert into item (id) values (2)'));
  expect(await items()).toEqual([2]);
});

test('a lone statement whose connection is killed has an unknown outcome', async () => {
  const database = open({ connectionsMax: 1 });
  const killed = database.query('select pg_sleep(30)');
  const failed = expect(killed).rejects.toBeInstanceOf(CommitOutcomeUnknown);
  await admin.query('select pg_terminate_backend($1)', [await untilBusy(database, 'pg_sleep(30)')]);
  await failed;
});

test('a COMMIT whose answer is lost is unknown, whether it happened or not', async () => {
  const proxy = await createFaultyProxy(real.url);
  onTestFinished(() => proxy.close());
  const database = open({ url: proxy.url, connectionsMax: 1 });
  const insert = (id: number) => database.transaction((tx) => tx.query('insert into item (id) values ($1)', [id]));
  proxy.commitFaults.push('lose-reply', 'lose-commit');
  await expect(insert(1)).rejects.toBeInstanceOf(CommitOutcomeUnknown);
  await expect(insert(2)).rejects.toBeInstanceOf(CommitOutcomeUnknown);
  await insert(3);
  expect(await items()).toEqual([1, 3]);
});

test('a COMMIT killed by the server while it waits is unknown', async () => {
  const database = open({ connectionsMax: 1 });
  await admin.query(`create function dawdle() returns trigger language plpgsql as
    'begin perform pg_sleep(30); return null; end'`);
  await admin.query(`create constraint trigger slow_commit after insert on doubtful deferrable initially deferred
    for each row execute function dawdle()`);
  const killed = database.transaction((tx) => tx.query('insert into doubtful values (7)'));
  const failed = expect(killed).rejects.toBeInstanceOf(CommitOutcomeUnknown);
  await admin.query('select pg_terminate_backend($1)', [await untilBusy(database, 'commit')]);
  await failed;
  await admin.query('drop trigger slow_commit on doubtful');
});

test('a database that is away says so, and is used again when it is back', async () => {
  const proxy = await createFaultyProxy(real.url);
  onTestFinished(() => proxy.close());
  const database = open({ url: proxy.url });
  await Promise.all([database.query('select 1'), database.query('select 2')]);
  proxy.down = true;
  proxy.cutAll();
  await eventually(() => database.query('select 1').catch((error) => error)).toBeInstanceOf(DatabaseUnavailable);
  await expect(database.transaction((tx) => tx.query('select 1'))).rejects.toBeInstanceOf(DatabaseUnavailable);
  proxy.down = false;
  await database.transaction((tx) => tx.query('insert into item (id) values (1)'));
});

test('a listener hears, survives the loss of its connection, and ends with the database', async () => {
  const hasty = { ...world.timers, after: (ms: number, task: () => void) => world.timers.after(ms / 100, task) };
  const database = open({ timers: hasty });
  const heard: string[] = [];
  await database.listen('news_1', (payload) => {
    heard.push(payload);
    if (payload === 'bad') throw new Error('a listener that fails');
  });
  expect(heard).toEqual(['']);
  await admin.query(`notify news_1, 'bad'`);
  await admin.query(`notify news_1, 'first'`);
  await eventually(() => heard).toEqual(['', 'bad', 'first']);
  const [session] = await sessions(database.name);
  await admin.query('select pg_terminate_backend($1)', [session?.pid]);
  // Made up for by one wake-up.
  await eventually(() => heard).toEqual(['', 'bad', 'first', '']);
  await admin.query(`notify news_1, 'second'`);
  await eventually(() => heard.at(-1)).toBe('second');
});

test('a listener that is called off hears no more', async () => {
  const database = open();
  const heard: string[] = [];
  const cancel = await database.listen('news', (payload) => heard.push(payload));
  cancel();
  cancel();
  await eventually(() => sessions(database.name)).toEqual([]);
  await admin.query(`notify news, 'late'`);
  expect(heard).toEqual(['']);
});

test('closing twice is harmless, and afterwards nothing is served', async () => {
  const database = createDatabase({ url: real.url, ...world });
  await database.query('select 1');
  await Promise.all([database.close(), database.close()]);
  await expect(database.query('select 1')).rejects.toBeInstanceOf(DatabaseUnavailable);
});
