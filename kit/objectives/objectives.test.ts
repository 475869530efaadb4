import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import {
  badMin,
  budgetLeft,
  burnRate,
  type Counts,
  createHistory,
  createRecorder,
  type Objective,
  periodMs,
  statusOf,
  type Tallies,
} from './index.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const target = 0.999;
const available: Objective = { key: 'orders.place', kind: 'availability', target };
const quick: Objective = { key: 'orders.place', kind: 'latency', target: 0.99, withinSec: 1 };

const counted = fc
  .tuple(fc.integer({ min: 1, max: 1_000_000 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([total, share]) => ({ total, bad: Math.floor(total * share) }));
const targets = fc.constantFrom(0.9, 0.99, 0.995, 0.999, 0.9999);

test('a burn rate of 1 over the whole period leaves exactly nothing of the budget, and twice that misses it by as much', () => {
  fc.assert(
    fc.property(counted, targets, (window, goal) => {
      const rate = burnRate(window, goal);
      expect(budgetLeft(window, goal)).toBeCloseTo(1 - rate, 6);
      expect(rate).toBeGreaterThanOrEqual(0);
      expect(burnRate({ ...window, bad: 0 }, goal)).toBe(0);
      expect(budgetLeft({ ...window, bad: 0 }, goal)).toBe(1);
    }),
  );
  expect(budgetLeft({ total: 1_000_000, bad: 1_000 }, target)).toBeCloseTo(0);
  expect(budgetLeft({ total: 1_000_000, bad: 2_000 }, target)).toBeCloseTo(-1);
  expect(burnRate({ total: 0, bad: 0 }, target)).toBe(0);
});

test('what is spent in parts is spent in all: budgets add up over any split of the time', () => {
  fc.assert(
    fc.property(counted, counted, targets, (a, b, goal) => {
      const both = { total: a.total + b.total, bad: a.bad + b.bad };
      const spent = (window: typeof a) => burnRate(window, goal) * window.total;
      expect(spent(both)).toBeCloseTo(spent(a) + spent(b), 3);
    }),
  );
});

test('sums over the files’ two resolutions are the sums of what was counted, whichever hours are closed', () => {
  const events = fc.array(fc.tuple(fc.nat(100), fc.nat(10)), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(events, fc.nat(100), (counts, closed) => {
      const history = createHistory();
      const startMs = 1_000 * hourMs;
      const stepMs = 10 * minuteMs;
      const tallies = counts.map(([good, bad]): Tallies => [good + bad, bad, 0]);
      const hours = new Map<number, number[]>();
      tallies.forEach((each, i) => {
        const atMs = startMs + i * stepMs;
        // Beyond what is kept in full, an hour is always closed in time.
        history.add({ source: 'a', atMs, forMs: stepMs, counts: { k: each } });
        const hourAt = Math.floor(atMs / hourMs) * hourMs;
        const sum = hours.get(hourAt) ?? [0, 0, 0];
        hours.set(
          hourAt,
          sum.map((value, j) => value + (each[j] as number)),
        );
        const isLast = i % 6 === 5;
        if (isLast && (i / 6 < closed || counts.length - i > 30)) {
          history.add({
            source: 'a',
            atMs: hourAt,
            forMs: hourMs,
            counts: { k: hours.get(hourAt) as unknown as Tallies },
          });
        }
      });
      const nowMs = startMs + counts.length * stepMs;
      const whole = tallies.reduce((sum, [total]) => sum + total, 0);
      expect(history.sum(nowMs, periodMs).get('k')?.[0] ?? 0).toBe(whole);
      const lastSix = tallies.slice(-36).reduce((sum, [total]) => sum + total, 0);
      expect(history.sum(nowMs, 6 * hourMs).get('k')?.[0] ?? 0).toBe(lastSix);
    }),
    { numRuns: 60 },
  );
});

/** A service with 100 requests a second, of which `badShare` fail from an hour on; what fires first when, in minutes. */
function firstAlerts(badShare: number, stepMs: number, lastMs: number): Record<string, number> {
  const history = createHistory();
  const first: Record<string, number> = {};
  const startMs = 5_000 * hourMs;
  const total = (100 * stepMs) / 1_000;
  for (let atMs = 0; atMs < lastMs; atMs += stepMs) {
    const failed = atMs < hourMs ? 0 : Math.round(total * badShare);
    history.add({ source: 'a', atMs: startMs + atMs, forMs: stepMs, counts: { 'orders.place': [total, failed, 0] } });
    const [status] = statusOf([available], history, startMs + atMs + stepMs);
    for (const { severity, factor } of status?.alerts ?? []) {
      first[`${severity} ${factor}`] ??= (atMs + stepMs - hourMs) / minuteMs;
    }
  }
  return first;
}

test('each rule fires when the burn it is for has lasted its share of the long window, and not for a slower one', () => {
  // Everything fails: 1.44 % of an hour, so the second minute.
  expect(firstAlerts(1, minuteMs, 2 * hourMs)['page 14.4']).toBeLessThanOrEqual(2);
  // The budget of 30 days in two days: 15 times as fast as it would last, after 58 minutes.
  expect(firstAlerts(0.015, minuteMs, 3 * hourMs)['page 14.4']).toBeGreaterThan(50);
  expect(firstAlerts(0.015, minuteMs, 3 * hourMs)['page 14.4']).toBeLessThanOrEqual(60);
  // In four days: too slow for the first rule, and the second one finds it within its window.
  const inFourDays = firstAlerts(0.0075, 10 * minuteMs, 8 * hourMs);
  expect(inFourDays['page 14.4']).toBeUndefined();
  expect(inFourDays['page 6']).toBeLessThanOrEqual(6 * 60);
  // In three weeks: nobody is woken, and a ticket is written within three days.
  const inThreeWeeks = firstAlerts(0.0015, 30 * minuteMs, 80 * hourMs);
  expect(Object.keys(inThreeWeeks)).toEqual(['ticket 1']);
  expect(inThreeWeeks['ticket 1']).toBeLessThanOrEqual(72 * 60);
  // As planned: the budget lasts.
  expect(firstAlerts(0.0009, 30 * minuteMs, 80 * hourMs)).toEqual({});
});

test('a page ends within ten minutes of the end of its cause', () => {
  const history = createHistory();
  const paged: number[] = [];
  for (let minute = 0; minute < 240; minute++) {
    const failed = minute >= 120 && minute < 150 ? 60 : 0;
    history.add({ source: 'a', atMs: minute * minuteMs, forMs: minuteMs, counts: { 'orders.place': [60, failed, 0] } });
    const [status] = statusOf([available], history, (minute + 1) * minuteMs);
    if (status?.alerts.some(({ factor }) => factor === 14.4)) paged.push(minute + 1);
  }
  expect(paged[0]).toBeLessThanOrEqual(122);
  expect(paged.at(-1)).toBeLessThanOrEqual(160);
});

test('a handful of failures wakes nobody, however few the requests', () => {
  const history = createHistory();
  const atMs = 5_000 * hourMs;
  const add = (failed: number) =>
    history.add({ source: 'a', atMs, forMs: minuteMs, counts: { 'orders.place': [failed, failed, 0] } });
  add(badMin - 1);
  expect(statusOf([available], history, atMs + minuteMs)[0]?.alerts).toEqual([]);
  add(1);
  expect(statusOf([available], history, atMs + minuteMs)[0]?.alerts.length).toBeGreaterThan(0);
});

test('a request that fails spends the budget of availability alone; a slow one that of latency', () => {
  const history = createHistory();
  history.add({ source: 'a', atMs: 0, forMs: minuteMs, counts: { 'orders.place': [100, 10, 5] } });
  const statuses = statusOf([available, quick, { ...quick, key: 'never.asked' }], history, minuteMs);
  expect(statuses.map(({ objective: { kind }, counted: window }) => [kind, window])).toEqual([
    ['availability', { total: 100, bad: 10 }],
    ['latency', { total: 90, bad: 5 }],
  ]);
});

const root = mkdtempSync(join(tmpdir(), 'objectives-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function gateway(world: ReturnType<typeof createVirtualWorld>, folder: string, source: string) {
  let counts: Counts = new Map();
  const recorder = createRecorder({ world, objectives: [available], read: () => counts, root: folder, source });
  let total = 0;
  let failed = 0;
  return {
    recorder,
    async serve(minutes: number, badShare: number) {
      for (let minute = 0; minute < minutes; minute++) {
        total += 60;
        failed += Math.round(60 * badShare);
        counts = new Map([['orders.place', [total, failed, 0]]]);
        await world.advance(minuteMs);
        await recorder.look();
      }
      return recorder.status()[0];
    },
  };
}

test('what was spent is remembered over restarts and over gateways, and each alert is told once at its begin and end', async () => {
  const world = createVirtualWorld({ seed: 1, startMs: Date.UTC(2026, 0, 1, 12, 30) });
  const folder = join(root, 'system');
  // The timer of the recorder waits behind this: looks are made by hand.
  const first = gateway({ ...world, timers: { ...world.timers, every: () => () => {} } }, folder, 'gateway-1');
  await first.recorder.component.start?.();
  expect((await first.serve(90, 0))?.budgetLeft).toBe(1);
  const during = await first.serve(3, 1);
  expect(during?.alerts.map(({ severity }) => severity)).toContain('page');
  await first.recorder.component.stop?.();

  const second = gateway({ ...world, timers: { ...world.timers, every: () => () => {} } }, folder, 'gateway-1');
  const other = gateway({ ...world, timers: { ...world.timers, every: () => () => {} } }, folder, 'gateway-2');
  await second.recorder.component.start?.();
  await other.recorder.component.start?.();
  await second.recorder.look();
  expect(second.recorder.status()[0]?.counted).toEqual({ total: 93 * 60, bad: 180 });
  await other.serve(10, 0);
  await second.serve(70, 0);
  expect(second.recorder.status()[0]?.counted).toEqual({ total: 173 * 60, bad: 180 });
  expect(second.recorder.status()[0]?.alerts.filter(({ factor }) => factor === 14.4)).toEqual([]);
  const told = world.lines.map(({ message }) => message).filter((message) => message.startsWith('error budget'));
  expect(told[0]).toBe('error budget burns too fast');
  expect(told).toContain('error budget no longer burns too fast');
});
