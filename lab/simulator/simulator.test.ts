import { beforeAll, expect, test } from 'vitest';
import { type Bug, bugs } from './bugs/index.ts';
import { prepareImages } from './images.ts';
import { minimise } from './minimise.ts';
import type { Image } from './pglite/image.ts';
import { drawPlan } from './plan.ts';
import { runSeed } from './run.ts';
import { runSeeds } from './runner.ts';
import { parseDuration, parseRange, simulate } from './simulate.ts';
import { spaceTimePage } from './space-time.ts';

let images: ReadonlyMap<string, Image>;

beforeAll(async () => {
  images = await prepareImages();
}, 240_000);

const cleanSeeds = 12;
const digests = new Map<number, string>();

test(`seeds 1 to ${cleanSeeds} break no promise, and faults did happen`, { timeout: 240_000 }, async () => {
  let faults = 0;
  for (let seed = 1; seed <= cleanSeeds; seed++) {
    const { violations, digest, faults: counts } = await runSeed({ seed, images });
    expect(violations, `replay: holdfast simulate --seed ${seed} --trace`).toEqual([]);
    digests.set(seed, digest);
    faults += Object.values(counts).reduce((sum, count) => sum + count, 0);
  }
  expect(faults).toBeGreaterThan(100);
});

test('the same seed gives the same digest, with and without a trace, and another seed another', {
  timeout: 120_000,
}, async () => {
  for (const seed of [3, 1, 5]) {
    const again = await runSeed({ seed, images, keepTrace: seed === 5 });
    expect(again.digest).toBe(digests.get(seed));
  }
  expect(new Set(digests.values()).size).toBe(cleanSeeds);
});

test('another process gives the same digests', { timeout: 240_000 }, async () => {
  const seen = new Map<number, string>();
  await runSeeds({ from: 1, to: 4, workers: 1, onResult: ({ seed, digest }) => seen.set(seed, digest) });
  expect([...seen]).toEqual([...digests].slice(0, 4));
});

/** Bugs that a few seeds find. The others want more than a test run has: `holdfast simulate --bug NAME --seeds 1..200`. */
const quickBugs = bugs.filter(({ seedsMax }) => seedsMax <= 20);

async function firstSeedThatFinds(bug: Bug): Promise<number | undefined> {
  for (let seed = 1; seed <= bug.seedsMax; seed++) {
    if ((await runSeed({ seed, images, bug })).violations.length > 0) return seed;
  }
  return undefined;
}

test('at least fifteen bugs can be planted', () => {
  expect(bugs.length).toBeGreaterThanOrEqual(15);
});

test.each(quickBugs)('the planted bug $name is found: $summary', { timeout: 240_000 }, async (bug) => {
  expect(await firstSeedThatFinds(bug)).toBeDefined();
});

test('a failing run is made smaller and still fails, and its page tells the story', { timeout: 240_000 }, async () => {
  const bug = bugs.find(({ name }) => name === 'retry-with-new-key');
  if (!bug) throw new Error('the bug is gone');
  const seed = (await firstSeedThatFinds(bug)) as number;
  const before = drawPlan(seed);
  const { plan, runs } = await minimise({ plan: before, images, bug, runsMax: 60 });
  expect(runs).toBeLessThanOrEqual(60);
  expect(plan.operations.length).toBeLessThan(before.operations.length);
  const { violations, trace } = await runSeed({ seed, plan, images, bug, keepTrace: true });
  expect(violations.length).toBeGreaterThan(0);
  const page = spaceTimePage({ title: `Seed ${seed}`, replay: 'holdfast simulate', plan, violations, events: trace });
  expect(page).toContain('orders.place');
  expect(page).toContain(violations[0]?.check);
  expect(page).not.toContain('<script');
});

test('a workload without faults does nothing wrong, and says that it has shown nothing', {
  timeout: 60_000,
}, async () => {
  const plan = { ...drawPlan(2), nemesis: [], provider: [] };
  const calm = {
    ...plan,
    network: { delayMs: 1, loss: 0, duplication: 0, straggler: 0 },
    database: { crash: 0, connectionLoss: 0, unknownCommit: 0, deadlock: 0 },
  };
  const { violations, faults } = await runSeed({ seed: 2, plan: calm, images });
  expect(violations).toEqual([]);
  expect(faults).toEqual({});
});

test('flags that make no sense end with code 2 and a sentence', async () => {
  const said: string[] = [];
  const screen = { out: (text: string) => void said.push(text), progress: () => {}, elapsedMs: () => 0 };
  expect(await simulate({ seeds: '9..1' }, screen)).toBe(2);
  expect(await simulate({ for: 'soon' }, screen)).toBe(2);
  expect(await simulate({ bug: 'none' }, screen)).toBe(2);
  expect(said).toHaveLength(3);
  expect(await simulate({ listBugs: true, json: true }, screen)).toBe(0);
  expect(JSON.parse(said[3] as string)).toHaveLength(bugs.length);
});

test('ranges and durations', () => {
  expect(parseRange('1..200')).toEqual({ from: 1, to: 200 });
  expect(parseRange('7')).toEqual({ from: 7, to: 7 });
  expect(parseRange('a..b')).toBeUndefined();
  expect(parseDuration('10m')).toBe(600_000);
  expect(parseDuration('90s')).toBe(90_000);
});
