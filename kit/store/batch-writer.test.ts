import fc from 'fast-check';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { createVirtualWorld, type Database, type Logger, systemWorld, type Transaction } from '#kit/runtime';
import { createTestDatabase } from '#kit/store/embedded/testing';
import {
  type BatchWriterOptions,
  CommitOutcomeUnknown,
  createBatchWriter,
  createDatabase,
  DatabaseFull,
  DatabaseUnavailable,
  StoreOverloaded,
  type Verdict,
} from './index.ts';
import { createFaultyProxy } from './testing/proxy.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };

/** How a transaction of the model database ends, and how long it takes. */
interface Ending {
  readonly how: 'ok' | 'away' | 'full' | 'overloaded' | 'lost-in-statement' | 'unknown-done' | 'unknown-lost';
  readonly durationMs: number;
}

interface Command {
  readonly key: number;
  readonly kind: 'good' | 'refused' | 'poison';
}

/** A database in memory, in virtual time: counts how often each key was applied. Endings beyond the list are `ok`. */
function createModel(endings: readonly Ending[], options: { idempotent?: boolean } = {}) {
  const world = createVirtualWorld({ seed: 1 });
  const applied = new Map<number, number>();
  const sizes: number[] = [];
  let turn = 0;
  let open = 0;
  let openMax = 0;
  let staged: number[] = [];

  async function transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const { how, durationMs } = endings[turn++] ?? { how: 'ok', durationMs: 1 };
    if (how === 'overloaded') throw new StoreOverloaded('model');
    if (how === 'full') throw new DatabaseFull('model', 'no space left');
    if (how === 'away') throw new DatabaseUnavailable('model', 'away');
    open += 1;
    openMax = Math.max(open, openMax);
    try {
      await world.timers.sleep(durationMs);
      if (how === 'lost-in-statement') throw new DatabaseUnavailable('model', 'lost');
      staged = [];
      const result = await work({
        database: 'model',
        seal() {},
        query: () => Promise.reject(new Error('no SQL here')),
      });
      if (how !== 'unknown-lost') for (const key of staged) applied.set(key, (applied.get(key) ?? 0) + 1);
      if (how.startsWith('unknown')) throw new CommitOutcomeUnknown('model', how);
      return result;
    } finally {
      open -= 1;
    }
  }

  function apply(_tx: Transaction, commands: readonly Command[]): Promise<Verdict<string>[]> {
    sizes.push(commands.length);
    const poison = commands.find(({ kind }) => kind === 'poison');
    if (poison) return Promise.reject(new Error(`poison ${poison.key}`));
    return Promise.resolve(
      commands.map(({ key, kind }) => {
        if (kind === 'refused') return { error: new Error(`refused ${key}`) };
        if (options.idempotent === false || !applied.has(key)) staged.push(key);
        return { ok: `result ${key}` };
      }),
    );
  }

  const database = { name: 'model', transaction } as unknown as Database;
  return {
    world,
    applied,
    sizes,
    database,
    apply,
    get openMax() {
      return openMax;
    },
    writer: (more: Partial<BatchWriterOptions<Command, string>> = {}) =>
      createBatchWriter<Command, string>({ name: 'w', ...world, database, apply, ...more }),
  };
}

const good = (key: number): Command => ({ key, kind: 'good' });

test('an idle writer starts in the same turn: nothing is waited for', async () => {
  const { world, writer } = createModel([{ how: 'ok', durationMs: 7 }]);
  const startMs = world.nowMs;
  let tookMs = -1;
  void writer()
    .submit(good(1))
    .then(() => {
      tookMs = world.nowMs - startMs;
    });
  await world.runUntilIdle();
  expect(tookMs).toBe(7);
  // One event to gather the turn, one for the transaction: no timer besides.
  expect(world.eventCount).toBe(2);
});

test('commands of one turn share a commit, and so do those that wait while it is under way', async () => {
  const { world, writer, sizes } = createModel([{ how: 'ok', durationMs: 10 }]);
  const commits: number[] = [];
  const w = writer({ onCommit: ({ size }) => commits.push(size) });
  for (let key = 0; key < 3; key++) void w.submit(good(key));
  await world.advance(1);
  for (let key = 3; key < 103; key++) void w.submit(good(key));
  expect(w.waiting).toBe(100);
  await world.runUntilIdle();
  expect(sizes).toEqual([3, 100]);
  expect(commits).toEqual([3, 100]);
});

test('what a busy event loop brings turn by turn shares a commit; nobody waits longer than 4 ms for it', async () => {
  const { world, writer, sizes } = createModel([{ how: 'ok', durationMs: 1 }]);
  // The loop works 1.5 ms of each turn: the world's own clock stands still while events run.
  let workedMs = 0;
  const clock = { ...world.clock, monotonicMs: () => world.clock.monotonicMs() + workedMs };
  const w = writer({ clock });
  const turns = (key: number) => {
    void w.submit(good(key));
    workedMs += 1.5;
    if (key < 6) world.timers.soon(() => turns(key + 1));
  };
  turns(1);
  await world.runUntilIdle();
  expect(sizes).toEqual([3, 3]);
});

test('batches and the queue are bounded', async () => {
  const { world, writer, sizes } = createModel([]);
  const w = writer({ batchMax: 4, waitingMax: 10 });
  const outcomes = Array.from({ length: 15 }, (_, key) => w.submit(good(key)));
  for (const refused of outcomes.slice(10)) await expect(refused).rejects.toBeInstanceOf(StoreOverloaded);
  await world.runUntilIdle();
  await Promise.all(outcomes.slice(0, 10));
  expect(sizes).toEqual([4, 4, 2]);
});

test('groups stay apart: the group of who has waited longest goes next, whole, and the order within it is kept', async () => {
  const batches: number[][] = [];
  const { world, writer, apply } = createModel([]);
  const w = writer({
    groupOf: ({ key }) => (key % 5 === 0 ? 'rare' : 'usual'),
    batchMax: 4,
    apply(tx, commands) {
      batches.push(commands.map(({ key }) => key));
      return apply(tx, commands);
    },
  });
  for (let key = 1; key <= 11; key++) void w.submit(good(key));
  await world.runUntilIdle();
  expect(batches).toEqual([[1, 2, 3, 4], [5, 10], [6, 7, 8, 9], [11]]);
});

test('as many batches are under way as there are lanes', async () => {
  const model = createModel(Array.from({ length: 9 }, () => ({ how: 'ok', durationMs: 10 })));
  const w = model.writer({ lanes: 3, batchMax: 2 });
  for (let key = 0; key < 18; key++) void w.submit(good(key));
  const startMs = model.world.nowMs;
  await model.world.runUntilIdle();
  expect(model.openMax).toBe(3);
  expect(model.world.nowMs - startMs).toBe(30);
});

test('bad commands fail alone, wherever they stand and however many they are', async () => {
  const places = fc
    .integer({ min: 1, max: 40 })
    .chain((size) => fc.array(fc.boolean(), { minLength: size, maxLength: size }));
  await fc.assert(
    fc.asyncProperty(places, async (isPoison) => {
      const { world, writer, applied } = createModel([]);
      const w = writer();
      const outcomes = isPoison.map((bad, key) => w.submit({ key, kind: bad ? 'poison' : 'good' }));
      const settled = Promise.allSettled(outcomes);
      await world.runUntilIdle();
      (await settled).forEach((outcome, key) => {
        if (isPoison[key]) expect(outcome).toMatchObject({ status: 'rejected', reason: { message: `poison ${key}` } });
        else expect(outcome).toEqual({ status: 'fulfilled', value: `result ${key}` });
        expect(applied.get(key) ?? 0).toBe(isPoison[key] ? 0 : 1);
      });
    }),
  );
});

test('a command that is refused by its verdict costs its neighbours nothing', async () => {
  const { world, writer, sizes } = createModel([]);
  const w = writer();
  const outcomes = Promise.allSettled([w.submit(good(1)), w.submit({ key: 2, kind: 'refused' }), w.submit(good(3))]);
  await world.runUntilIdle();
  expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(sizes).toEqual([3]);
});

test('while the database is away commands are repeated, within their patience', async () => {
  const away = Array.from({ length: 1_000 }, (): Ending => ({ how: 'away', durationMs: 0 }));
  const { world, writer } = createModel(away);
  const w = writer({ patienceMs: 1_000, batchMax: 10 });
  const startMs = world.nowMs;
  const endedMs: number[] = [];
  for (let key = 0; key < 500; key++) {
    void w.submit(good(key)).catch((error) => {
      expect(error).toBeInstanceOf(DatabaseUnavailable);
      endedMs.push(world.nowMs - startMs);
    });
  }
  await world.runUntilIdle();
  expect(endedMs).toHaveLength(500);
  // Also those that never had their turn: the time of one repeat over, not fifty.
  expect(Math.max(...endedMs)).toBeLessThanOrEqual(1_100);
});

test('while the disk of the database is full nobody is kept waiting, and whoever comes when there is room is served', async () => {
  const { world, applied, writer } = createModel([{ how: 'full', durationMs: 0 }]);
  const w = writer({ patienceMs: 1_000, batchMax: 10 });
  const startMs = world.nowMs;
  const outcomes = Promise.allSettled(Array.from({ length: 25 }, (_, key) => w.submit(good(key))));
  await world.runUntilIdle();
  for (const outcome of await outcomes) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'DatabaseFull', category: 'unavailable' } });
  }
  expect(world.nowMs).toBe(startMs);
  const later = w.submit(good(99));
  await world.runUntilIdle();
  expect(await later).toBe('result 99');
  expect([...applied.keys()]).toEqual([99]);
});

test('drain refuses new commands and waits for those accepted', async () => {
  const { world, writer } = createModel([{ how: 'ok', durationMs: 10 }]);
  const w = writer({ batchMax: 1 });
  const accepted = [w.submit(good(1)), w.submit(good(2))];
  let drained = false;
  void w.drain().then(() => {
    drained = true;
  });
  await expect(w.submit(good(3))).rejects.toThrow(/shutting down/);
  await world.advance(10);
  expect(drained).toBe(false);
  await world.runUntilIdle();
  expect(drained).toBe(true);
  expect(await Promise.all(accepted)).toEqual(['result 1', 'result 2']);
  await w.drain();
  await createModel([]).writer().drain();
});

test('a mistake in onCommit or in apply does not wedge the writer', async () => {
  const model = createModel([]);
  const w = model.writer({
    onCommit: () => {
      throw new Error('metrics are broken');
    },
    apply: async (tx, commands) => {
      const verdicts = await model.apply(tx, commands);
      if (commands.some(({ key }) => key === 13)) return verdicts.slice(1);
      if (commands.some(({ key }) => key === 14)) return undefined as never;
      if (commands.some(({ key }) => key === 15)) throw undefined;
      return verdicts;
    },
  });
  const outcomes = Promise.allSettled([1, 13, 14, 15, 2].map((key) => w.submit(good(key))));
  await model.world.runUntilIdle();
  expect((await outcomes).map(({ status }) => status)).toEqual([
    'fulfilled',
    'rejected',
    'rejected',
    'rejected',
    'fulfilled',
  ]);
  // Nothing of a batch without its verdicts is kept.
  expect([...model.applied.keys()]).toEqual([1, 2]);
  await w.drain();
});

// ---- the checker: any commands, any endings ------------------------------------------------------------------------

const ending = fc.record<Ending>({
  how: fc.constantFrom(
    'ok',
    'ok',
    'ok',
    'away',
    'full',
    'overloaded',
    'lost-in-statement',
    'unknown-done',
    'unknown-lost',
  ),
  durationMs: fc.integer({ min: 0, max: 400 }),
});
const scenario = fc.record({
  endings: fc.array(ending, { maxLength: 40 }),
  commands: fc.array(
    fc.record({
      kind: fc.constantFrom<Command['kind']>('good', 'good', 'good', 'refused', 'poison'),
      atMs: fc.integer({ min: 0, max: 500 }),
    }),
    { minLength: 1, maxLength: 40 },
  ),
  batchMax: fc.integer({ min: 1, max: 16 }),
  lanes: fc.integer({ min: 1, max: 3 }),
  patienceMs: fc.integer({ min: 0, max: 1_000 }),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

/** Throws when the writer told a caller something that the database does not bear out. */
async function check(
  { endings, commands, batchMax, lanes, patienceMs }: Scenario,
  model: ReturnType<typeof createModel> = createModel(endings),
  database: Database = model.database,
): Promise<void> {
  const { world, applied, sizes } = model;
  const w = model.writer({ database, batchMax, lanes, patienceMs });
  const outcomes = commands.map(async ({ kind, atMs }, key) => {
    await world.timers.sleep(atMs);
    return w.submit({ key, kind });
  });
  const settled = Promise.allSettled(outcomes);
  await world.runUntilIdle();
  await w.drain();
  (await settled).forEach((outcome, key) => {
    const times = applied.get(key) ?? 0;
    expect(times, `command ${key} applied`).toBeLessThanOrEqual(1);
    if (outcome.status === 'fulfilled') {
      expect(outcome.value).toBe(`result ${key}`);
      expect(times, `command ${key} acknowledged`).toBe(1);
    } else if (!(outcome.reason instanceof CommitOutcomeUnknown)) {
      expect(times, `command ${key} refused with: ${outcome.reason}`).toBe(0);
      const blame = /^(poison|refused) (\d+)$/.exec(outcome.reason.message);
      if (blame) expect(Number(blame[2])).toBe(key);
    }
  });
  expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(batchMax);
  expect(model.openMax).toBeLessThanOrEqual(lanes);
  expect(world.pendingCount).toBe(0);
}

test('whatever fails, what callers are told is true, and each command is applied at most once', async () => {
  await fc.assert(
    fc.asyncProperty(scenario, (s) => check(s)),
    { numRuns: 1_000 },
  );
});

async function failureOf(run: (s: Scenario) => Promise<void>): Promise<string> {
  const details = await fc.check(fc.asyncProperty(scenario, run), { numRuns: 1_000, seed: 7, endOnFailure: true });
  return String(details.errorInstance);
}

test('the checker finds an apply that is not idempotent', async () => {
  const failure = await failureOf((s) => check(s, createModel(s.endings, { idempotent: false })));
  expect(failure).toMatch(/applied/);
});

test('the checker finds a writer that takes an unknown commit for success', async () => {
  const failure = await failureOf((s) => {
    const model = createModel(s.endings);
    return check(s, model, {
      ...model.database,
      async transaction(work) {
        let result: unknown;
        try {
          return await model.database.transaction(async (tx) => {
            const done = await work(tx);
            result = done;
            return done;
          });
        } catch (error) {
          if (error instanceof CommitOutcomeUnknown) return result as never;
          throw error;
        }
      },
    });
  });
  expect(failure).toMatch(/acknowledged/);
});

test('the checker finds a writer that takes an unknown commit for failure', async () => {
  const failure = await failureOf((s) => {
    const model = createModel(s.endings);
    return check(s, model, {
      ...model.database,
      transaction: (work) =>
        model.database.transaction(work).catch((error) => {
          throw error instanceof CommitOutcomeUnknown ? new DatabaseUnavailable('model', error) : error;
        }),
    });
  });
  expect(failure).toMatch(/refused with/);
});

// ---- real PostgreSQL, behind a proxy that loses COMMITs ---------------------------------------------------------------

test('on real PostgreSQL every acknowledged command is applied once, though COMMITs and connections are lost', async () => {
  const real = await createTestDatabase();
  const admin = new pg.Client(real.url);
  await admin.connect();
  await admin.query('create table claim (key int primary key)');
  await admin.query('create table counter (id int primary key, n int not null)');
  const proxy = await createFaultyProxy(real.url);
  const world = systemWorld(quiet);
  const database = createDatabase({ url: proxy.url, ...world, connectionsMax: 3 });
  onTestFinished(async () => {
    await database.close();
    await proxy.close();
    await admin.end();
  });

  const faults = fc.array(fc.constantFrom('lose-reply' as const, 'lose-commit' as const, undefined, undefined), {
    maxLength: 12,
  });
  const bad = fc.uniqueArray(fc.integer({ min: 0, max: 59 }), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(faults, bad, fc.boolean(), async (commitFaults, badKeys, cut) => {
      await admin.query('truncate claim, counter; insert into counter values (1, 0), (2, 0)');
      proxy.commitFaults.splice(0, Number.POSITIVE_INFINITY, ...commitFaults);
      const w = createBatchWriter<number, number>({
        name: 'real',
        ...world,
        database,
        lanes: 2,
        batchMax: 16,
        patienceMs: 10_000,
        async apply(tx, keys) {
          const { rows } = await tx.query<{ key: number }>(
            `insert into claim select key from unnest($1::int[]) as new (key) order by key on conflict do nothing returning key`,
            [keys],
          );
          // A command that violates a constraint of the database, not one that apply knows of.
          const harm = keys.some((key) => badKeys.includes(key)) ? 0 : 1;
          for (const id of [1, 2]) {
            await tx.query('update counter set n = n + $1::int / $2::int where id = $3', [rows.length, harm, id]);
          }
          return keys.map((key) => ({ ok: key }));
        },
      });
      const outcomes = await Promise.allSettled(
        Array.from({ length: 60 }, async (_, key) => {
          if (key % 20 === 19) await new Promise((resolve) => setTimeout(resolve, 3));
          if (cut && key === 39) proxy.cutAll();
          return w.submit(key);
        }),
      );
      await w.drain();
      const refused = outcomes.flatMap((outcome, key) => (outcome.status === 'rejected' ? [key] : []));
      expect(refused).toEqual([...badKeys].sort((a, b) => a - b));
      const { rows } = await admin.query('select n, (select count(*)::int from claim) as claims from counter');
      const n = 60 - badKeys.length;
      expect(rows).toEqual([
        { n, claims: n },
        { n, claims: n },
      ]);
    }),
    { numRuns: 8 },
  );
});
