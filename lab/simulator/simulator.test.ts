import { afterAll, beforeAll, expect, test } from 'vitest';
import { allChecks, type Evidence, readHistory, runChecks, writeHistory } from '#lab/checkers';
import { type Finding, huntBug } from './bug-hunt.ts';
import { type Bug, bugSeedsMax, bugs } from './bugs/index.ts';
import { checks } from './checks.ts';
import { planOf } from './conditions.ts';
import { drawPlan } from './draw-plan.ts';
import { dumpTables } from './facts.ts';
import { prepareImages } from './images.ts';
import { calmMail } from './mail.ts';
import { minimise } from './minimise.ts';
import type { Image } from './pglite/image.ts';
import { databaseNames } from './plan.ts';
import { runInProcesses, type Work } from './processes.ts';
import { failureText, isFailure, reportText } from './report.ts';
import { type RunResult, runSeed } from './run.ts';
import { summarise } from './runner.ts';
import { simulate } from './simulate.ts';
import { parseDuration, parseRange } from './simulate-options.ts';
import { spaceTimePage } from './space-time/page.ts';
import { calmMerchants } from './webhooks/merchants.ts';
import { runRequest } from './worker.ts';

let images: ReadonlyMap<string, Image>;

beforeAll(async () => {
  images = await prepareImages();
}, 240_000);

const cleanSeeds = 50;
/** The first of them run in a process of their own, the others here. */
const seedsElsewhere = 20;
const digests = new Map<number, string>();
/** Runs without a bug, by plan. */
const clean = new Map<string, RunResult>();
const keyOf = (seed: number, bug?: Bug) => JSON.stringify([seed, planOf(seed, bug?.conditions)]);
/** Runs of everything, and one in which a database server is killed: all of them elsewhere. */
const sample = [3, 2, 5, 7];

/** Bugs that nobody hunts yet: here from the first on, elsewhere from the last on, as each takes seconds of a whole core. */
const waiting = [...bugs];
const findings = new Map<Bug, Promise<Finding>>();
/** The other process. It has databases of its own, whose making takes as long as a dozen seeds: so it is used to the full. */
let elsewhere: Promise<void> | undefined;

afterAll(() => {
  waiting.length = 0;
  return elsewhere;
});

function* workElsewhere(onSeeds: (results: readonly RunResult[]) => void): Work {
  const results: RunResult[] = [];
  for (let seed = 1; seed <= seedsElsewhere; seed++) results.push(yield { seed });
  onSeeds(results);
  for (let bug = waiting.pop(); bug; bug = waiting.pop()) {
    const { promise, resolve } = Promise.withResolvers<Finding>();
    findings.set(bug, promise);
    resolve(yield* huntSharing(bug));
  }
}

/** A clean run is remembered: several bugs may have it in common, and it would be the same. */
function* huntSharing(bug: Bug): Work<Finding> {
  const work = huntBug(bug);
  let step = work.next();
  while (!step.done) {
    const key = step.value.isSpared ? keyOf(step.value.seed, bug) : '';
    const result: RunResult = clean.get(key) ?? (yield step.value);
    if (step.value.isSpared) clean.set(key, result);
    step = work.next(result);
  }
  return step.value;
}

/** What became of a bug: hunted here, unless somebody has or does. */
async function hunt(bug: Bug): Promise<Finding> {
  const known = findings.get(bug);
  if (known) {
    await Promise.race([known, elsewhere]);
    return known;
  }
  waiting.splice(waiting.indexOf(bug), 1);
  const finding = huntHere(bug);
  findings.set(bug, finding);
  return finding;
}

async function huntHere(bug: Bug): Promise<Finding> {
  const work = huntSharing(bug);
  let step = work.next();
  while (!step.done) step = work.next(await runRequest(step.value, images));
  return step.value;
}

test(`seeds 1 to ${cleanSeeds} break no promise, and faults did happen`, { timeout: 600_000 }, async () => {
  const first = Promise.withResolvers<readonly RunResult[]>();
  elsewhere = runInProcesses([workElsewhere(first.resolve)]);
  // Where it fails, whoever waits for it is told.
  elsewhere.catch(first.reject);
  const results: RunResult[] = [];
  for (let seed = seedsElsewhere + 1; seed <= cleanSeeds; seed++) results.push(await runRequest({ seed }, images));
  results.push(...(await first.promise));
  for (const result of results) {
    digests.set(result.seed, result.digest);
    clean.set(keyOf(result.seed), result);
  }
  const result = summarise(results);
  expect(result.failed, 'replay: npx holdfast simulate --seed N --trace').toEqual([]);
  expect(new Set(digests.values()).size).toBe(cleanSeeds);
  for (const fault of commonFaults) expect(result.faults, fault).toHaveProperty([fault]);
  for (const { name } of checks) {
    if (!ofOtherLaboratories.has(name)) expect(result.checks[name], name).toBeGreaterThan(0);
  }
});

/** Checks of what this workload does not do. */
const ofOtherLaboratories = new Set([
  'holds are linearizable against units on hand',
  'registers are linearizable',
  'transactions are isolated as promised',
]);

/** What fifty seeds meet for certain: of every part of the simulation something. */
const commonFaults = [
  'clock-step',
  'commit unknown, durable',
  'commit unknown, undone',
  'crash',
  'crash after a statement',
  'crash before a statement',
  'database-crash',
  'database-outage',
  'deadlock',
  'event delivered again',
  'isolate',
  'mail taken, reply lost',
  'message duplicated',
  'message late',
  'message lost',
  'partition',
  'pause',
  'provider: connection_lost',
  'restart',
  'slow-database',
  'slow-link',
];

test('the same seed gives the same digest in another process, with a trace and without', {
  timeout: 240_000,
}, async () => {
  expect(sample.some((seed) => drawPlan(seed).nemesis.some(({ kind }) => kind === 'database-crash'))).toBe(true);
  expect(Math.max(...sample)).toBeLessThanOrEqual(seedsElsewhere);
  for (const seed of sample) {
    const { digest } = await runSeed({ seed, images, keepTrace: true });
    expect(digest, `seed ${seed}`).toBe(digests.get(seed));
  }
});

test('a digest covers every table of every database', async () => {
  const listeners = { notifications: 1, analytics: 1, assistant: 1, webhooks: 1 };
  const plan = { ...drawPlan(1), listeners, storefront: { carts: 1, tills: 1, gateway: 1, users: 1, products: 1 } };
  const named = new Map<string, Set<string>>();
  const tables = new Map<string, Set<string>>();
  await runSeed({
    seed: 1,
    plan,
    images,
    onDatabase(name, session) {
      named.set(name, new Set(dumpTables(session, name).map(({ row }) => row.split(' ')[0] as string)));
      const all = session.run(tablesSql, []).rows as readonly { name: string }[];
      const filled = all.filter((table) => session.run(`select 1 from ${table.name} limit 1`, []).rows.length > 0);
      tables.set(name, new Set(filled.map((table) => table.name)));
    },
  });
  expect([...named.keys()].sort()).toEqual([...databaseNames].sort());
  // The id of the books was drawn by the database itself: it comes from the entropy of the simulation.
  expect(named.get('payments')).toContain('books');
  for (const [name, filled] of tables) expect(named.get(name), name).toEqual(filled);
});

/** All tables, except those in which migrations note themselves. */
const tablesSql = `
  select relname::text as name from pg_class
  where relkind = 'r' and relnamespace = 'public'::regnamespace and relname not like 'schema\\_%'`;

test('a failing run is made smaller and still fails, and its page tells the story', { timeout: 240_000 }, async () => {
  const bug = bugs.find(({ name }) => name === 'retry-with-new-key');
  if (!bug) throw new Error('the bug is gone');
  const seed = (await hunt(bug)).seed as number;
  const before = planOf(seed, bug.conditions);
  const { plan, runs } = await minimise({ plan: before, images, bug, runsMax: 60 });
  expect(runs).toBeLessThanOrEqual(60);
  expect(plan.operations.length).toBeLessThan(before.operations.length);
  const result = await runSeed({ seed, plan, images, bug, keepTrace: true });
  const { violations, faults, checks: looked, trace: events } = result;
  expect(violations.length).toBeGreaterThan(0);
  const said = failureText(result, 'npx holdfast simulate --seed 1');
  expect(said).toContain(violations[0]?.detail);
  expect(said).toContain('orders.place');
  expect(said.split('\n').at(-1)).toBe('Replay: npx holdfast simulate --seed 1');
  const page = spaceTimePage({
    title: `Seed ${seed}`,
    replay: 'npx holdfast simulate',
    plan,
    violations,
    faults,
    checks: looked,
    events,
  });
  expect(page).toContain('orders.place');
  expect(page).toContain(violations[0]?.check);
  // It can be mailed and kept: nothing comes from elsewhere.
  expect(page).not.toMatch(/(?:src|href)=|@import|url\(\s*['"]?http/);
});

test('a workload without faults does nothing wrong, and says that it has shown nothing', {
  timeout: 60_000,
}, async () => {
  const plan = { ...drawPlan(2), nemesis: [], provider: [], mail: calmMail, merchants: calmMerchants };
  const calm = {
    ...plan,
    network: { delayMs: 1, loss: 0, duplication: 0, straggler: 0 },
    database: { crash: 0, connectionLoss: 0, unknownCommit: 0, deadlock: 0 },
  };
  const result = await runSeed({ seed: 2, plan: calm, images });
  expect(result.violations).toEqual([]);
  expect(result.faults).toEqual({});
  const shown = summarise([result]);
  expect(isFailure(shown)).toBe(true);
  expect(reportText(shown, 1_000)).toContain('this run has shown nothing');
  expect(isFailure({ ...shown, faults: { crash: 1 } })).toBe(false);
});

test('a provider that fails again and again is left alone by the breaker, tried once more, and used again', {
  timeout: 120_000,
}, async () => {
  const seed = 3;
  const plan = planOf(seed, {
    instances: { payments: 1 },
    units: 25,
    operations: [['place', 30]],
    provider: [{ do: 'error', status: 500, at: 'before', probability: 0.95 }],
  });
  const { faults, violations } = await runSeed({ seed, plan: { ...plan, nemesis: [] }, images });
  expect(violations, `seed ${seed}`).toEqual([]);
  for (const state of ['open', 'half-open', 'closed']) expect(faults[`breaker ${state}`], state).toBeGreaterThan(0);
});

test('a recorded history says the same to the checkers alone', { timeout: 120_000 }, async () => {
  const bug = bugs.find(({ name }) => name === 'retry-with-new-key');
  if (!bug) throw new Error('the bug is gone');
  const { seed = 0, violated } = await hunt(bug);
  let lines: string[] = [];
  const onEvidence = (evidence: Evidence) => {
    lines = [...writeHistory(evidence, 'a test')];
  };
  await runSeed({ seed, images, bug, onEvidence });
  const { evidence } = await readHistory(lines);
  const failed = runChecks(evidence, allChecks).filter(({ status }) => status === 'violated');
  // Some are noticed on the way, and letters are told of by the simulator alone.
  const ofFile = violated.filter((name) => allChecks.some((check) => check.name === name));
  expect(failed.map(({ name }) => name).sort()).toEqual(ofFile.toSorted());
});

test('flags that make no sense are refused with a sentence that names them, before anything runs', async () => {
  const said: string[] = [];
  const screen = { out: (text: string) => void said.push(text), progress: () => {}, elapsedMs: () => 0 };
  const refusals = await Promise.all(
    [
      { seeds: '9..1' },
      { seeds: '1..9999999999' },
      { seeds: '1..2000000' },
      { for: 'soon' },
      { for: '0s' },
      { trace: true },
      { history: 'h.ndjson' },
      { seed: 1, seeds: '1..9' },
      { seed: 1, for: '10s' },
      { bug: 'none' },
    ].map((options) => simulate(options, screen).catch(({ message, exitCode }) => `${exitCode}: ${message}`)),
  );
  expect(refusals).toEqual([
    '2: "9..1" is no range of seeds: give it as 1..200, the smaller number first.',
    '2: --seeds 1..9999999999 is too much: give at most 1000000 seeds, none above 999999999.',
    '2: --seeds 1..2000000 is too much: give at most 1000000 seeds, none above 999999999.',
    '2: "soon" is no duration: give --for as 90s, 10m or 1h, at most 24h.',
    '2: "0s" is no duration: give --for as 90s, 10m or 1h, at most 24h.',
    '2: --trace looks at one seed: add --seed and its number.',
    '2: --history looks at one seed: add --seed and its number.',
    '2: --seed runs one seed: leave it out, or leave out --seeds.',
    '2: --seed runs one seed: leave it out, or leave out --for.',
    '2: There is no planted bug none; --list-bugs names them all.',
  ]);
  expect(await simulate({ listBugs: true, json: true }, screen)).toBe(0);
  expect(said).toHaveLength(1);
  expect(JSON.parse(said[0] as string)).toHaveLength(bugs.length);
});

test('ranges and durations', () => {
  expect(parseRange('1..200')).toEqual({ from: 1, to: 200 });
  expect(parseRange('7')).toEqual({ from: 7, to: 7 });
  expect(parseRange('a..b')).toBeUndefined();
  expect(parseDuration('10m')).toBe(600_000);
  expect(parseDuration('90s')).toBe(90_000);
});

test('at least fifteen bugs can be planted', () => {
  expect(bugs.length).toBeGreaterThanOrEqual(15);
});

test.each(bugs)(
  'the planted bug $name is found, in a run that is clean without it',
  {
    timeout: 300_000,
  },
  async (bug) => {
    const finding = await hunt(bug);
    expect(finding.seed, `${bug.summary}: not found within ${bugSeedsMax} seeds`).toBeDefined();
    expect(finding.isCleanWithout, `without ${bug.name} the run of seed ${finding.seed} breaks a promise too`).toBe(
      true,
    );
  },
);
