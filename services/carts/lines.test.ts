import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addUnits,
  dotsMax,
  forgetOldest,
  type LineMap,
  merge,
  noLines,
  removeLine,
  removeSeen,
  replicasMax,
  seeing,
  setUnits,
  unitsOf,
} from './lines.ts';

const replicas = ['shop', 'phone', 'tablet'] as const;
const skus = ['ROPE', '__proto__', 'constructor'] as const;

type Step =
  | { readonly kind: 'add'; readonly at: number; readonly sku: string; readonly quantity: number }
  | { readonly kind: 'set'; readonly at: number; readonly sku: string; readonly quantity: number }
  | { readonly kind: 'remove'; readonly at: number; readonly sku: string }
  | { readonly kind: 'hear'; readonly at: number; readonly from: number };

const at = fc.integer({ min: 0, max: replicas.length - 1 });
const sku = fc.constantFrom(...skus);
const quantity = fc.integer({ min: 1, max: 9 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), at, sku, quantity }),
  fc.record({ kind: fc.constant('set' as const), at, sku, quantity }),
  fc.record({ kind: fc.constant('remove' as const), at, sku }),
  fc.record({ kind: fc.constant('hear' as const), at, from: at }),
);
const history = fc.array(step, { maxLength: 40 });

function apply(lines: LineMap, step: Exclude<Step, { kind: 'hear' }>): LineMap {
  const replica = replicas[step.at] as string;
  if (step.kind === 'add') return addUnits(lines, replica, step.sku, step.quantity);
  if (step.kind === 'set') return setUnits(lines, replica, step.sku, step.quantity);
  return removeLine(lines, step.sku);
}

/** Each replica lives its own life and now and then hears of another. */
function live(steps: readonly Step[]): LineMap[] {
  const states: LineMap[] = replicas.map(() => noLines);
  for (const one of steps) {
    const mine = states[one.at] as LineMap;
    states[one.at] = one.kind === 'hear' ? merge(mine, states[one.from] as LineMap) : apply(mine, one);
  }
  return states;
}

/**
 * The same by its meaning alone: every addition is remembered as an event, every replica knows a set of events, and a
 * removal is the set of additions that it knew of. Units are those of additions that nobody who knew them took away.
 */
function meant(steps: readonly Step[]): Map<string, number> {
  const added: { readonly sku: string; readonly quantity: number }[] = [];
  const known = replicas.map(() => ({ added: new Set<number>(), gone: new Set<number>() }));
  for (const one of steps) {
    const mine = known[one.at] as (typeof known)[number];
    if (one.kind === 'hear') {
      const other = known[one.from] as (typeof known)[number];
      for (const event of other.added) mine.added.add(event);
      for (const event of other.gone) mine.gone.add(event);
      continue;
    }
    if (one.kind !== 'add') {
      for (const event of mine.added) if (added[event]?.sku === one.sku) mine.gone.add(event);
    }
    if (one.kind !== 'remove') mine.added.add(added.push({ sku: one.sku, quantity: one.quantity }) - 1);
  }
  const gone = new Set(known.flatMap((one) => [...one.gone]));
  const units = new Map<string, number>();
  added.forEach(({ sku, quantity }, event) => {
    if (!gone.has(event)) units.set(sku, (units.get(sku) ?? 0) + quantity);
  });
  return units;
}

const mergeAll = (states: readonly LineMap[]): LineMap => states.reduce(merge, noLines);
const asMap = (lines: LineMap) => new Map(unitsOf(lines).map((line) => [line.sku, line.quantity]));

describe('a merge of carts', () => {
  test('is commutative', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const [a, b] = live(steps) as [LineMap, LineMap, LineMap];
        expect(merge(a, b)).toEqual(merge(b, a));
      }),
    );
  });

  test('is associative', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const [a, b, c] = live(steps) as [LineMap, LineMap, LineMap];
        expect(merge(merge(a, b), c)).toEqual(merge(a, merge(b, c)));
      }),
    );
  });

  test('is idempotent, and knows what it has heard before', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const [a, b] = live(steps) as [LineMap, LineMap, LineMap];
        expect(merge(a, a)).toEqual(a);
        expect(merge(merge(a, b), b)).toEqual(merge(a, b));
      }),
    );
  });

  test('loses no unit that was added unseen, and brings none back that was seen and removed', () => {
    const short = fc.array(step, { maxLength: dotsMax });
    fc.assert(
      fc.property(short, (steps) => {
        expect(asMap(mergeAll(live(steps)))).toEqual(meant(steps));
      }),
      { numRuns: 500 },
    );
  });

  test('loses nothing where many additions are summed up: what was never removed is all there', () => {
    const adding = fc.array(fc.record({ kind: fc.constant('add' as const), at, sku, quantity }), {
      minLength: 3 * dotsMax,
      maxLength: 6 * dotsMax,
    });
    fc.assert(
      fc.property(adding, (steps) => {
        const merged = mergeAll(live(steps));
        expect(asMap(merged)).toEqual(meant(steps));
        for (const dots of Object.values(merged.dots)) expect(dots.length).toBeLessThanOrEqual(3 * dotsMax);
      }),
      { numRuns: 30 },
    );
  });
});

test('two tabs: one sets what it saw, the other adds meanwhile, and both are heard', () => {
  const before = addUnits(noLines, 'shop', 'ROPE', 1);
  const other = addUnits(before, 'shop', 'ROPE', 2);
  expect(unitsOf(setUnits(other, 'shop', 'ROPE', 5, seeing(before.seen)))).toEqual([{ sku: 'ROPE', quantity: 7 }]);
  expect(unitsOf(removeLine(other, 'ROPE', seeing(before.seen)))).toEqual([{ sku: 'ROPE', quantity: 2 }]);
});

test('what was ordered goes, what was added meanwhile stays', () => {
  const ordered = addUnits(addUnits(noLines, 'shop', 'ROPE', 1), 'shop', 'BOOK', 1);
  const now = addUnits(ordered, 'shop', 'BOOK', 3);
  expect(unitsOf(removeSeen(now, ordered.seen))).toEqual([{ sku: 'BOOK', quantity: 3 }]);
});

test('a guest’s cart that joins twice adds nothing the second time, and brings nothing back that was removed since', () => {
  const guest = addUnits(noLines, 'guest', 'ROPE', 2);
  const joined = merge(addUnits(noLines, 'own', 'BOOK', 1), guest);
  const emptied = removeLine(joined, 'ROPE');
  expect(unitsOf(merge(emptied, guest))).toEqual([{ sku: 'BOOK', quantity: 1 }]);
  const more = addUnits(guest, 'guest', 'ROPE', 1);
  expect(unitsOf(merge(emptied, more))).toEqual([
    { sku: 'BOOK', quantity: 1 },
    { sku: 'ROPE', quantity: 1 },
  ]);
});

test('what years of joined carts have left stays small, and nothing that is in the cart is forgotten', () => {
  const nameOf = (i: number) => `crt_${String(i).padStart(26, '0')}`;
  const own = nameOf(0);
  let lines = addUnits(noLines, own, 'TENT', 1);
  lines = removeLine(lines, 'TENT');
  for (let i = 1; i <= 3 * replicasMax; i++) {
    const guest = addUnits(noLines, nameOf(i), i === 1 ? 'ROPE' : 'KNIFE', 1);
    lines = forgetOldest(merge(lines, guest), own);
    if (i > 1) lines = removeLine(lines, 'KNIFE');
  }
  expect(Object.keys(lines.seen)).toHaveLength(replicasMax);
  expect(unitsOf(lines)).toEqual([{ sku: 'ROPE', quantity: 1 }]);
  // Its own count goes on, and the latest guest's cart still brings in nothing twice.
  expect(addUnits(lines, own, 'TENT', 1).dots['TENT']).toEqual([[own, 2, 1]]);
  const latest = addUnits(noLines, nameOf(3 * replicasMax), 'KNIFE', 1);
  expect(unitsOf(merge(lines, latest))).toEqual([{ sku: 'ROPE', quantity: 1 }]);
});
