import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Database, type Logger, systemWorld, type Transaction } from '#kit/runtime';
import { createDatabase, migrate } from '#kit/store';
import { createTestDatabase } from '#kit/store/embedded/testing';
import {
  type Claim,
  type ClaimState,
  claimKeys,
  completeKeys,
  fingerprintOf,
  idempotencyMigrations,
  sweepKeys,
} from './index.ts';

/** The machine may be busy. */
const eventually = <T>(probe: () => T) => expect.poll(probe);

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);

let database: Database;
let admin: pg.Client;

beforeAll(async () => {
  const { url } = await createTestDatabase();
  await migrate(url, [idempotencyMigrations]);
  database = createDatabase({ url, ...world, connectionsMax: 16 });
  admin = new pg.Client(url);
  await admin.connect();
  await admin.query('create table effect (name text not null)');
});

beforeEach(() => admin.query('truncate idempotency_key, effect'));

afterAll(async () => {
  await database.close();
  await admin.end();
});

const claim = (key: string, payload: unknown = 'payload', scope = 'ada'): Claim => ({
  scope,
  key,
  fingerprint: fingerprintOf(payload),
  reference: `made by ${key}`,
});
const claimOne = (tx: Transaction, wanted: Claim) => claimKeys(tx, [wanted]).then(([state]) => state as ClaimState);
const complete = (key: string, result: unknown, scope = 'ada') =>
  database.transaction((tx) => completeKeys(tx, [{ scope, key, result }]));
const states = (...wanted: Claim[]) => database.transaction((tx) => claimKeys(tx, wanted));

test('a key is claimed once; a repeat is told that it is in flight, and then the result', async () => {
  expect(await states(claim('k'))).toEqual([{ state: 'claimed' }]);
  expect(await states(claim('k'))).toEqual([{ state: 'in-flight', reference: 'made by k' }]);
  await complete('k', { status: 201, body: 'first' });
  expect(await states(claim('k'))).toEqual([{ state: 'done', result: { status: 201, body: 'first' } }]);
});

test('a result never changes', async () => {
  await states(claim('k'));
  await complete('k', 'first');
  await complete('k', 'second');
  expect(await states(claim('k'))).toEqual([{ state: 'done', result: 'first' }]);
});

test('a falsy result is a result; null is a mistake that is found at once', async () => {
  const results = [false, 0, '', []];
  await states(...results.map((_, i) => claim(`k${i}`)));
  for (const [i, result] of results.entries()) await complete(`k${i}`, result);
  expect(await states(...results.map((_, i) => claim(`k${i}`)))).toEqual(
    results.map((result) => ({ state: 'done', result })),
  );
  await expect(complete('k', null)).rejects.toThrow(/ada k has no result/);
  await expect(complete('k', undefined)).rejects.toThrow(/ada k has no result/);
});

test('the same key with another payload is refused, in flight or done', async () => {
  await states(claim('k', { quantity: 1 }));
  expect(await states(claim('k', { quantity: 2 }))).toEqual([{ state: 'mismatch' }]);
  await complete('k', 'result');
  expect(await states(claim('k', { quantity: 2 }))).toEqual([{ state: 'mismatch' }]);
});

test('one caller never sees another’s result, however the names are composed', async () => {
  await states(claim('k', 'p', 'ada'));
  await complete('k', 'of ada', 'ada');
  expect(await states(claim('k', 'p', 'bob'))).toEqual([{ state: 'claimed' }]);
  const tricky = [claim('b\nc', 'p', 'a'), claim('c', 'p', 'a\nb'), claim('1:a', 'p', ''), claim('', 'p', '1:a')];
  expect(await states(...tricky)).toEqual(tricky.map(() => ({ state: 'claimed' })));
});

test('the claim goes with its effect: a rollback frees the key', async () => {
  const failing = database.transaction(async (tx) => {
    expect(await claimOne(tx, claim('k'))).toEqual({ state: 'claimed' });
    await tx.query(`insert into effect values ('k')`);
    throw new Error('the effect failed');
  });
  await expect(failing).rejects.toThrow('the effect failed');
  expect(await states(claim('k'))).toEqual([{ state: 'claimed' }]);
});

/** Resolves once a session of this database waits for another transaction. */
async function untilOneWaits(): Promise<void> {
  const waiting = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  await eventually(async () => (await admin.query(waiting)).rowCount).toBe(1);
}

test.each([
  ['commits', { state: 'in-flight', reference: 'made by k' }],
  ['commits with its result', { state: 'done', result: 'result' }],
  ['rolls back', { state: 'claimed' }],
] as const)('a twin waits for the transaction that has the key: when it %s', async (end, expected) => {
  const twin = { begun: Promise.withResolvers<void>(), state: Promise.resolve() as Promise<unknown> };
  const first = database.transaction(async (tx) => {
    await claimOne(tx, claim('k'));
    twin.begun.resolve();
    await untilOneWaits();
    if (end === 'commits with its result') await completeKeys(tx, [{ scope: 'ada', key: 'k', result: 'result' }]);
    if (end === 'rolls back') throw new Error(end);
  });
  await twin.begun.promise;
  const second = states(claim('k'));
  await first.catch(() => {});
  expect(await second).toEqual([expected]);
});

test('of twins in one batch the first wins, and the key is kept with its payload and reference', async () => {
  for (let round = 0; round < 20; round++) {
    const key = `k${round}`;
    const twins = ['a', 'b', 'a', 'c'].map((payload) => claim(key, payload));
    const [first, ...others] = twins.map((twin, i) => ({ ...twin, reference: `twin ${i}` }));
    expect(await states(first as Claim, ...others)).toEqual([
      { state: 'claimed' },
      { state: 'mismatch' },
      { state: 'in-flight', reference: 'twin 0' },
      { state: 'mismatch' },
    ]);
    expect(await states({ ...claim(key, 'a') })).toEqual([{ state: 'in-flight', reference: 'twin 0' }]);
  }
});

test('sweeping forgets results when their time is up, counted from their end, and nothing under way', async () => {
  await states(claim('old'), claim('slow'), claim('new'), claim('under way'));
  for (const key of ['old', 'slow', 'new']) await complete(key, 'result');
  await admin.query(`update idempotency_key set created_at = now() - interval '9 days' where key <> 'new'`);
  await admin.query(`update idempotency_key set completed_at = now() - interval '8 days' where key = 'old'`);
  // Under way for nine days, and ended just now: its client will still ask.
  await admin.query(`update idempotency_key set completed_at = now() where key = 'slow'`);
  expect(await sweepKeys(database, 7 * 24 * 3600 * 1000)).toBe(1);
  const { rows } = await admin.query('select key from idempotency_key order by key');
  expect(rows.map(({ key }) => key)).toEqual(['new', 'slow', 'under way']);
});

test('sweeping keeps pace with however many results end in a minute', async () => {
  await admin.query(
    `insert into idempotency_key (scope, key, fingerprint, result, created_at, completed_at)
     select 'ada', i::text, 'f', '1', now() - interval '9 days', now() - interval '8 days' from generate_series(1, 12000) as i`,
  );
  expect(await sweepKeys(database, 7 * 24 * 3600 * 1000)).toBe(12_000);
});

test('results recorded before the time of their end was kept are swept by their age', async () => {
  const { url } = await createTestDatabase();
  const old = new pg.Client(url);
  await old.connect();
  for (const [name, after] of [
    ['001.do.create-idempotency-key.sql', `insert into idempotency_key values ('s', 'k', 'f', null, '1')`],
    ['002.do.keep-from-completion.sql', `insert into idempotency_key values ('s', 'l', 'f')`],
  ]) {
    await old.query(readFileSync(`${idempotencyMigrations.directory}/${name}`, 'utf8'));
    await old.query(after as string);
  }
  const { rows } = await old.query('select key, completed_at = created_at as aged from idempotency_key order by key');
  await old.end();
  expect(rows).toEqual([
    { key: 'k', aged: true },
    { key: 'l', aged: null },
  ]);
});

interface Batch {
  readonly keys: readonly number[];
  readonly fail: boolean;
}

/** Sixteen transactions at once over few keys: each key has at most one effect, and exactly one if any batch kept it. */
async function checkBatches(batches: readonly Batch[], claimAll: typeof claimKeys): Promise<void> {
  await admin.query('truncate idempotency_key, effect');
  let transactions = 0;
  const outcomes = await Promise.allSettled(
    batches.map(({ keys, fail }) =>
      database.transaction(async (tx) => {
        transactions += 1;
        const claims = keys.map((key) => claim(`k${key}`));
        const found = await claimAll(tx, claims);
        const claimed = claims.filter((_, i) => found[i]?.state === 'claimed');
        await tx.query('insert into effect select * from unnest($1::text[])', [claimed.map(({ key }) => key)]);
        if (fail) throw new Error('planned');
      }),
    ),
  );
  for (const [i, outcome] of outcomes.entries()) {
    if (outcome.status === 'rejected') expect(outcome.reason.message).toBe('planned');
    else expect(batches[i]?.fail).toBe(false);
  }
  const { rows } = await admin.query('select name, count(*)::int as times from effect group by name');
  const kept = new Set(batches.flatMap(({ keys, fail }) => (fail ? [] : keys)).map((key) => `k${key}`));
  expect(new Map(rows.map(({ name, times }) => [name, times]))).toEqual(new Map([...kept].map((key) => [key, 1])));
  // A deadlock would have been repeated by the store, and shows only as a transaction too many.
  expect(transactions, 'transactions').toBe(batches.length);
}

const batches = fc.array(
  fc.record({ keys: fc.array(fc.nat(11), { minLength: 1, maxLength: 12 }), fail: fc.boolean() }),
  { minLength: 16, maxLength: 16 },
);

test('sixteen batches at once with overlapping keys never deadlock, and each effect happens once', async () => {
  await fc.assert(
    fc.asyncProperty(batches, (all) => checkBatches(all, claimKeys)),
    { numRuns: 25 },
  );
});

test('the check fails for who looks first and inserts then', async () => {
  const lookThenInsert: typeof claimKeys = async (tx, claims) => {
    const seen = new Set<string>();
    const found: ClaimState[] = [];
    for (const { scope, key, fingerprint } of claims) {
      const { count } = await tx.query('select from idempotency_key where scope = $1 and key = $2', [scope, key]);
      const taken = count > 0 || seen.has(key);
      seen.add(key);
      found.push(taken ? { state: 'in-flight', reference: undefined } : { state: 'claimed' });
      if (!taken) {
        await tx.query('insert into idempotency_key values ($1, $2, $3) on conflict do nothing', [
          scope,
          key,
          fingerprint,
        ]);
      }
    }
    return found;
  };
  const details = await fc.check(
    fc.asyncProperty(batches, (all) => checkBatches(all, lookThenInsert)),
    { numRuns: 25, endOnFailure: true },
  );
  expect(details.failed).toBe(true);
});
