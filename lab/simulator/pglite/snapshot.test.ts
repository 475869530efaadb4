import { beforeAll, expect, test } from 'vitest';
import { seededRandom } from '#kit/runtime';
import { createImages, type Image } from './image.ts';
import type { Session } from './session.ts';

/** The canary: a new version of PGlite that keeps state elsewhere fails here first. */
let image: Image;

beforeAll(async () => {
  [image] = (await createImages([{ name: 'canary', migrations: [] }])) as [Image];
}, 180_000);

const surroundings = (seed: number) => ({
  wallMs: () => Date.UTC(2030, 0, 1) + seed,
  entropy: seededRandom(seed, 'entropy'),
});

/** Writes, DDL, a sequence, randomness, time, an open transaction: whatever could leak into the next run. */
function work(session: Session, seed: number): string {
  session.exec('create table t (id bigint generated always as identity, u uuid default gen_random_uuid(), v int)');
  session.exec('create index on t (v)');
  for (let i = 0; i < 50; i++) session.run('insert into t (v) values ($1)', [i * seed]);
  if (seed % 2 === 0) session.exec('create table extra as select generate_series(1, 5000) as n; checkpoint');
  const rows = [
    session.run('select ctid::text, id, u, v from t', []).rows,
    session.run('select random(), gen_random_uuid(), now(), clock_timestamp()', []).rows,
    session.run('select txid_current()::text as xid, pg_current_wal_lsn()::text as lsn', []).rows,
    session.run('select relname, oid::text from pg_class order by oid desc limit 5', []).rows,
  ];
  session.exec('begin');
  session.run('delete from t', []);
  return JSON.stringify(rows);
}

test('a database that is reset does the same again, to the last transaction id and byte of log', () => {
  const first = new Map<number, string>();
  for (let round = 0; round < 2; round++) {
    for (const seed of [1, 2, 3]) {
      const seen = work(image.reset(surroundings(seed)), seed);
      if (round === 0) first.set(seed, seen);
      else expect(seen).toBe(first.get(seed));
    }
  }
  expect(first.get(1)).not.toBe(first.get(3));
});

test('values come and go as the production driver would have it', () => {
  const session = image.reset(surroundings(1));
  const { rows } = session.run(
    `select $1::bigint as big, $2::numeric as exact, $3::jsonb as json, $4::text[] as list, $5::timestamptz as at,
       $6::boolean as yes, $7::text as nothing`,
    [7, '1.50', { a: [1] }, ['x', 'with "quotes"', null], new Date(Date.UTC(2030, 0, 1)), true, null],
  );
  expect(rows).toEqual([
    {
      big: 7,
      exact: '1.50',
      json: { a: [1] },
      list: ['x', 'with "quotes"', null],
      at: new Date(Date.UTC(2030, 0, 1)),
      yes: true,
      nothing: null,
    },
  ]);
});

test('an error carries what the server says of it, and the session goes on', () => {
  const session = image.reset(surroundings(1));
  expect(() => session.run('select 1 / $1::int', [0])).toThrow(expect.objectContaining({ code: '22012' }));
  expect(() => session.run('select nothing_there', [])).toThrow(expect.objectContaining({ code: '42703' }));
  expect(session.run('select 1 as one', []).rows).toEqual([{ one: 1 }]);
});

test('nobody else sees the time and randomness of a simulated server', () => {
  const session = image.reset(surroundings(1));
  const before = Date.now();
  expect(session.run('select now() as at', []).rows).toEqual([{ at: new Date(Date.UTC(2030, 0, 1) + 1) }]);
  expect(Date.now()).toBeGreaterThanOrEqual(before);
  expect(Date.now()).toBeLessThan(Date.UTC(2029, 0, 1));
});

test('a killed server recovers from its log what was committed, and only that, in the same way each time', async () => {
  const seen: unknown[] = [];
  for (let round = 0; round < 2; round++) {
    const session = image.reset(surroundings(1));
    session.exec('create table t (v int, u uuid default gen_random_uuid())');
    session.exec('checkpoint');
    session.run('insert into t (v) values (1)', []);
    session.exec('begin; set local synchronous_commit = off; insert into t (v) values (2); commit');
    session.exec('begin; insert into t (v) values (3)');
    const recovered = await image.recover(surroundings(2));
    seen.push(
      recovered.run('select v, u, gen_random_uuid() as next, pg_current_wal_lsn()::text as lsn from t', []).rows,
    );
    recovered.run('insert into t (v) values (4)', []);
    const again = await image.recover(surroundings(3));
    expect(again.run('select v from t order by v', []).rows).toEqual([{ v: 1 }, { v: 4 }]);
  }
  expect(seen[0]).toEqual(seen[1]);
  expect(seen[0]).toMatchObject([{ v: 1 }]);
});
