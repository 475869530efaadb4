import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom, systemWorld } from '#kit/runtime';
import { createTestDatabase } from '#kit/store/embedded/testing';
import {
  allMigrations,
  bugNamed,
  bugs,
  createRig,
  failureOf,
  quietLog,
  type Rig,
  runWorkload,
  tableOf,
  workloadNamed,
  workloads,
} from './index.ts';
import { createScheduler, Stuck } from './scheduler.ts';
import type { Workload } from './workload.ts';

const seed = 1;
const roundsEach = 4;
const world = systemWorld(quietLog);
let rig: Rig;

beforeAll(async () => {
  const { url } = await createTestDatabase();
  rig = await createRig({ url, world, migrations: allMigrations });
});
afterAll(() => rig.close());

const named = (name: string) => workloadNamed(name) as Workload;

test.each(workloads.map(({ name }) => name))('%s keeps its promises whatever the schedule', async (name) => {
  const result = await runWorkload({ rig, workload: named(name), seed, rounds: roundsEach });
  expect(failureOf(result)).toBe('');
  expect(result.counts.interleaved).toBeGreaterThan(0);
});

test.each(bugs.map(({ name, summary }) => [name, summary]))('%s is found: %s', async (name) => {
  const bug = bugNamed(name as string) as (typeof bugs)[number];
  const result = await runWorkload({ rig, workload: named(bug.workload), seed, rounds: bug.roundsMax, bug });
  expect(result.failure?.violations.map(({ promise }) => promise).join('\n') ?? tableOf([result])).toMatch(bug.breaks);
  expect(failureOf(result)).toContain(`--seed ${seed} --only ${bug.workload} --round ${result.failure?.round}`);
});

test('locks taken in no order end in 40P01, and no order is kept only by luck', async () => {
  const bug = bugNamed('unordered-locks');
  const { counts } = await runWorkload({ rig, workload: named('holds'), seed, rounds: 10, bug });
  expect(counts.errors['40P01']).toBeGreaterThan(0);
  expect(counts.blocked).toBeGreaterThan(0);
});

test('two instances do decide on recalled rows, and do find that others have changed them', async () => {
  const { facts } = await runWorkload({ rig, workload: named('recalled'), seed, rounds: 6 });
  expect(facts['batches decided on recalled rows']).toBeGreaterThan(10);
  expect(facts['recalled rows that were no longer so']).toBeGreaterThan(0);
});

test('READ COMMITTED shows anomalies, SERIALIZABLE none and refuses with 40001 instead', async () => {
  const result = await runWorkload({ rig, workload: named('lists'), seed, rounds: 12 });
  expect(failureOf(result)).toBe('');
  const anomalies = (level: string) =>
    Object.keys(result.facts).filter((fact) => fact.startsWith(`${level}: `) && !fact.endsWith('transactions'));
  expect(anomalies('read committed').join()).toMatch(/G-single|G-nonadjacent|G2-item/);
  expect(anomalies('serializable')).toEqual([]);
  expect(result.facts['serializable: transactions']).toBeGreaterThan(0);
  expect(result.counts.errors['40001']).toBeGreaterThan(0);
});

test('a run in which nothing overlapped has failed', async () => {
  const alone: Workload = {
    name: 'alone',
    summary: 'one session',
    tables: [],
    async round(round) {
      const database = await round.process('alone').open();
      await round.run([() => database.transaction(async (tx) => void (await tx.query('select 1')))]);
    },
  };
  const { failure } = await runWorkload({ rig, workload: alone, seed, rounds: 2 });
  expect(failure?.violations[0]?.promise).toBe('sessions overlap');
});

test('a planted bug whose statement is gone from production is an error, not a clean run', async () => {
  const bug = { ...(bugs[0] as (typeof bugs)[number]), name: 'gone', parts: {}, rewrite: () => undefined };
  await expect(runWorkload({ rig, workload: named('claims'), seed, rounds: 1, bug })).rejects.toThrow(/no statement/);
});

test('programs that wait for ever are told of, with the last steps', async () => {
  const scheduler = createScheduler({ ...world, findBlocked: async () => new Set(), patienceMs: 20 });
  const lane = scheduler.addLane('lonely');
  const waits = async () => {
    await lane.pass('a statement');
    lane.land();
    await new Promise(() => {});
  };
  const driven = scheduler.drive(seededRandom(1), [waits]);
  await expect(driven).rejects.toThrow(Stuck);
  await expect(driven).rejects.toThrow(/a statement/);
});

test('whoever is in the way goes also where nobody gets stuck behind it', async () => {
  const scheduler = createScheduler({ ...world, findBlocked: async () => new Set(), patienceMs: 20 });
  const lane = scheduler.addLane('unhindered');
  const passes = async () => {
    await lane.pass('a statement');
    lane.land();
  };
  await scheduler.drive(seededRandom(1), [() => scheduler.untilBlocked('unhindered'), passes]);
  expect(scheduler.trace.join()).toContain('a statement');
});
