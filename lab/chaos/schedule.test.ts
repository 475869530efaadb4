import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loadTopology } from '../../cli/topology.ts';
import { faults } from './faults/index.ts';
import { shapeOf } from './run.ts';
import { chooseFaults, scenarios } from './scenarios.ts';
import { type Drawable, drawSchedule } from './schedule.ts';

const shape = shapeOf(loadTopology('process-per-service'));
const drawable: Drawable[] = faults.map((fault) => ({ ...fault, targets: fault.targets(shape) }));

test('the same seed plans the same, another seed something else', () => {
  const plan = (seed: number) => drawSchedule({ seed, forMs: 60_000, faults: drawable });
  expect(plan(7)).toEqual(plan(7));
  expect(plan(7)).not.toEqual(plan(8));
});

test('whatever the seed, faults are in order, within the time, at targets that exist, and every kind comes before any comes again', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0 }), fc.integer({ min: 5_000, max: 600_000 }), (seed, forMs) => {
      const planned = drawSchedule({ seed, forMs, faults: drawable });
      expect(planned.length).toBeGreaterThan(0);
      for (const [index, { fault, target, atMs, durationMs }] of planned.entries()) {
        const kind = drawable.find(({ name }) => name === fault);
        expect(kind?.targets).toContain(target);
        expect(atMs).toBeGreaterThanOrEqual(planned[index - 1]?.atMs ?? 0);
        expect(atMs).toBeLessThan(forMs);
        expect(durationMs).toBeLessThanOrEqual(kind?.durationMs[1] ?? 0);
      }
      const counts = new Map<string, number>(drawable.map(({ name }) => [name, 0]));
      for (const { fault } of planned) counts.set(fault, (counts.get(fault) ?? 0) + 1);
      expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(1);
    }),
    // The last fault of this one came so late that it was rounded to the end.
    { numRuns: 40, examples: [[801_595_045, 426_887]] },
  );
});

test('every fault of a topology has somebody to strike, in one process too', () => {
  const alone = shapeOf(loadTopology('one-process'));
  for (const fault of faults) {
    expect(fault.targets(shape), fault.name).not.toEqual([]);
    // Within one process there is neither mesh nor way between services, but always one to clients and to the database.
    if (!['duplicate', 'reorder', 'stale-discovery', 'revoked-identity', 'expired-identity'].includes(fault.name))
      expect(fault.targets(alone), fault.name).not.toEqual([]);
  }
});

test('the default set needs no privileges and covers every class', () => {
  const chosen = chooseFaults(faults, 'random', false);
  if ('mistake' in chosen) throw new Error(chosen.mistake);
  const classes = new Set(chosen.faults.map((fault) => fault.class));
  expect([...classes].sort()).toEqual(['clock', 'dependency', 'disk', 'network', 'process']);
  expect(chosen.faults.some(({ privileged }) => privileged)).toBe(false);
  for (const { fault, why } of chosen.skipped) expect(why, fault).toMatch(/--privileged/);
});

test('a scenario is a class, names, or both, and an unknown one is told with what there is', () => {
  const names = (scenario: string) => {
    const chosen = chooseFaults(faults, scenario, false);
    return 'mistake' in chosen ? chosen.mistake : chosen.faults.map(({ name }) => name);
  };
  expect(names('kill,partition')).toEqual(['kill', 'partition']);
  expect(names('clock')).toContain('skew');
  expect(names('short')).toEqual(['kill', 'pause', 'partition', 'lost-reply', 'skew']);
  expect(names('earthquake')).toMatch(
    /There is no scenario earthquake: give one of random, short, .*; a class \(process, network/,
  );
});

test('a scenario names faults that there are', () => {
  const known = new Set(faults.map(({ name }) => name));
  for (const scenario of scenarios) {
    if (scenario.faults === 'all') continue;
    expect(
      scenario.faults.filter((name) => !known.has(name)),
      scenario.name,
    ).toEqual([]);
    expect(known.has(scenario.name), `${scenario.name} is no name of a fault too`).toBe(false);
  }
});

test('each fault says in one sentence what it does', () => {
  for (const { name, does } of faults) {
    expect(name).toMatch(/^[a-z][a-z-]+$/);
    expect(does, name).toMatch(/^[a-z].{20,140}[^.]$/);
  }
  expect(new Set(faults.map(({ name }) => name)).size).toBe(faults.length);
});
