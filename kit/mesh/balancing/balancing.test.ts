import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededRandom } from '#kit/runtime';
import { createEndpoint, type Endpoint, noteCall, noteProbe } from './endpoint.ts';
import { available, floorShare, type PickOptions, pick } from './pick.ts';

const endpointOf = (process: string, zone = 'a', sinceMs = Number.NEGATIVE_INFINITY): Endpoint =>
  createEndpoint({ process, startId: process, services: ['s'], host: 'h', port: 1, operatorPort: 2, zone }, sinceMs);
const endpoints = (count: number): Endpoint[] => Array.from({ length: count }, (_, i) => endpointOf(`p-${i}`));

const options = (more: Partial<PickOptions> = {}): PickOptions => ({
  ...{ balancing: { kind: 'least-loaded' }, nowMs: 0, random: seededRandom(1, 'pick'), zone: 'a' },
  ...{ tried: new Set(), key: undefined, turn: 0, slowStartMs: 10_000 },
  ...more,
});

const nameOf = (endpoint: Endpoint | undefined) => endpoint?.instance.process;

const anyEndpoint = fc
  .record({
    zone: fc.constantFrom('a', 'b'),
    active: fc.nat(50),
    isOut: fc.boolean(),
    ejectedUntilMs: fc.constantFrom(0, 5_000),
    sinceMs: fc.integer({ min: -20_000, max: 0 }),
  })
  .map(
    ({ zone, sinceMs, ...state }) =>
      (i: number): Endpoint =>
        Object.assign(endpointOf(`p-${i}`, zone, sinceMs), state),
  );
const anyEndpoints = fc
  .array(anyEndpoint, { minLength: 1, maxLength: 8 })
  .map((makers) => makers.map((make, i) => make(i)));
const anyBalancing = fc.constantFrom<PickOptions['balancing']>(
  { kind: 'least-loaded' },
  { kind: 'round-robin' },
  { kind: 'hash', header: 'x' },
);

test('whatever is suspected or tried, somebody is called; the suspected only when half are', () => {
  fc.assert(
    fc.property(anyEndpoints, anyBalancing, fc.nat(), fc.array(fc.nat(7)), (all, balancing, seed, triedBefore) => {
      const tried = new Set(triedBefore.map((i) => `p-${i}`));
      const random = seededRandom(seed, 'pick');
      const chosen = pick(all, options({ balancing, tried, random, nowMs: 1_000, key: 'k', turn: seed }));
      expect(chosen).toBeDefined();
      const isTried = (endpoint: Endpoint) => tried.has(endpoint.instance.process);
      if (!all.every(isTried)) expect(isTried(chosen as Endpoint)).toBe(false);
      const well = all.filter((endpoint) => !endpoint.isOut && endpoint.ejectedUntilMs <= 1_000);
      const isSuspected = !well.includes(chosen as Endpoint);
      if (isSuspected) expect(well.every(isTried) || well.length < all.length * floorShare).toBe(true);
    }),
  );
});

test('without instances nobody is called', () => {
  expect(pick([], options())).toBeUndefined();
});

test('all are called again when more than half are suspected', () => {
  const all = endpoints(5);
  for (const endpoint of all.slice(0, 2)) endpoint.isOut = true;
  expect(available(all, 0)).toHaveLength(3);
  for (const endpoint of all.slice(0, 3)) endpoint.isOut = true;
  expect(available(all, 0)).toHaveLength(5);
});

test('the more loaded of two is never chosen, and load evens out', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 2, max: 10 }), (seed, count) => {
      const all = endpoints(count);
      const random = seededRandom(seed, 'pick');
      for (let i = 0; i < count * 50; i++) (pick(all, options({ random })) as Endpoint).active += 1;
      const loads = all.map(({ active }) => active);
      expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(8);
    }),
  );
  const [busy, idle] = endpoints(2) as [Endpoint, Endpoint];
  busy.active = 10;
  for (let seed = 0; seed < 20; seed++) {
    expect(pick([busy, idle], options({ random: seededRandom(seed, 'pick') }))).toBe(idle);
  }
});

test('round robin takes each in turn', () => {
  const all = endpoints(3);
  const names = [0, 1, 2, 3].map((turn) => nameOf(pick(all, options({ balancing: { kind: 'round-robin' }, turn }))));
  expect(names).toEqual(['p-0', 'p-1', 'p-2', 'p-0']);
});

const byKey = (all: readonly Endpoint[], key: string) =>
  nameOf(pick(all, options({ balancing: { kind: 'hash', header: 'session' }, key })));
const keys = Array.from({ length: 2_000 }, (_, i) => `customer-${i}`);

test('a key stays with its instance; when one goes only its keys move, and they spread', () => {
  const all = endpoints(5);
  const before = new Map(keys.map((key) => [key, byKey(all, key)]));
  const shares = Map.groupBy(keys, (key) => before.get(key));
  for (const [, share] of shares) expect(share.length).toBeGreaterThan(keys.length / 5 / 1.3);
  const left = all.slice(1);
  const moved = keys.filter((key) => byKey(left, key) !== before.get(key));
  expect(moved).toEqual(shares.get('p-0'));
  expect(new Set(moved.map((key) => byKey(left, key))).size).toBe(4);
});

test('instances of the own zone are preferred until fewer than half of them are well', () => {
  const all = [
    ...['n-1', 'n-2', 'n-3'].map((name) => endpointOf(name, 'near')),
    endpointOf('f-1', 'far'),
    endpointOf('f-2', 'far'),
  ];
  const random = seededRandom(1, 'zones');
  const zonesOf = () =>
    new Set(Array.from({ length: 100 }, () => pick(all, options({ zone: 'near', random }))?.instance.zone));
  expect(zonesOf()).toEqual(new Set(['near']));
  (all[0] as Endpoint).isOut = true;
  expect(zonesOf()).toEqual(new Set(['near']));
  (all[1] as Endpoint).isOut = true;
  expect(zonesOf()).toEqual(new Set(['near', 'far']));
});

test('a newcomer takes a growing share of the calls', () => {
  const sharesAt = (nowMs: number) => {
    const all = [endpointOf('old'), endpointOf('new', 'a', 0)] as [Endpoint, Endpoint];
    const random = seededRandom(1, 'slow');
    for (let i = 0; i < 1_000; i++) (pick(all, options({ nowMs, random })) as Endpoint).active += 1;
    return all[1].active / 1_000;
  };
  expect(sharesAt(0)).toBeLessThan(0.12);
  expect(sharesAt(5_000)).toBeCloseTo(1 / 3, 1);
  expect(sharesAt(10_000)).toBeCloseTo(0.5, 1);
});

test('three probes that fail in a row take an instance out, one that is answered brings it back', () => {
  const endpoint = endpointOf('p');
  const outcomes = [false, false, true, false, false, false, false, true];
  expect(outcomes.map((isWell) => noteProbe(endpoint, isWell))).toEqual([
    ...[false, false, false, false, false, true],
    ...[false, true],
  ]);
  expect(endpoint.isOut).toBe(false);
});

test('five calls that fail in a row eject an instance, longer with each time, and it comes back by itself', () => {
  const [endpoint, other] = endpoints(2) as [Endpoint, Endpoint];
  const fail = (nowMs: number) => noteCall(endpoint, 'failed', nowMs);
  expect([1, 2, 3, 4, 5].map((ms) => fail(ms))).toEqual([false, false, false, false, true]);
  expect(available([endpoint, other], 5_004)).toEqual([other]);
  expect(available([endpoint, other], 5_006)).toHaveLength(2);
  // On probation one failure is enough.
  expect(fail(6_000)).toBe(true);
  expect(available([endpoint, other], 15_999)).toEqual([other]);
  expect(available([endpoint, other], 16_000)).toHaveLength(2);
});

test('calls that go well between failures keep an instance', () => {
  const endpoint = endpointOf('p');
  for (let i = 0; i < 100; i++) expect(noteCall(endpoint, i % 5 === 4 ? 'well' : 'failed', i)).toBe(false);
});

test('who sheds load or waits for others is believed, but not for ever: 5 s of nothing else eject it as failures do', () => {
  const [endpoint, other] = endpoints(2) as [Endpoint, Endpoint];
  const excuse = (nowMs: number) => noteCall(endpoint, 'excused', nowMs);
  // Overloaded, it still serves one in a hundred.
  for (let ms = 0; ms < 60_000; ms += 10) {
    expect(ms % 1_000 === 0 ? noteCall(endpoint, 'well', ms) : excuse(ms)).toBe(false);
  }
  noteCall(endpoint, 'well', 60_000);
  for (let ms = 60_100; ms < 65_100; ms += 100) expect(excuse(ms)).toBe(false);
  expect(excuse(65_100)).toBe(true);
  expect(available([endpoint, other], 65_101)).toEqual([other]);
  // It has to use up its excuses anew, and few of them say nothing however long they take.
  expect(available([endpoint, other], 70_101)).toHaveLength(2);
  for (let i = 0; i < 19; i++) expect(excuse(71_000 + i * 1_000)).toBe(false);
});

test('where all have nothing but excuses, none is left out', () => {
  const all = endpoints(3);
  for (let ms = 0; ms <= 20_000; ms += 50) for (const endpoint of all) noteCall(endpoint, 'excused', ms);
  expect(available(all, 20_001)).toHaveLength(3);
});

test('excuses between failures clear nobody', () => {
  const endpoint = endpointOf('p');
  for (let i = 0; i < 4; i++) {
    expect(noteCall(endpoint, 'failed', i)).toBe(false);
    expect(noteCall(endpoint, 'excused', i)).toBe(false);
  }
  expect(noteCall(endpoint, 'failed', 5)).toBe(true);
});
