import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  adjustStock,
  answersOf,
  type Book,
  commitHold,
  crossingsOf,
  expireHold,
  holdStock,
  mergeLines,
  newBook,
  receiveStock,
  releaseHold,
  restockReturn,
  type Stock,
  takeStock,
} from './model.ts';

/*
 * The laws of the book, over any commands in any order. Commands of the same few orders and SKUs come again and again, so
 * that repeats, late messages and races for the last unit are the ordinary case.
 */

const numRuns = 150;
const skus = ['a', 'b', 'c'];
const orders = ['o1', 'o2', 'o3', 'o4'];

type Line = { readonly sku: string; readonly quantity: number };
type Step =
  | { readonly kind: 'hold'; readonly order: string; readonly lines: readonly Line[] }
  | { readonly kind: 'commit' | 'release' | 'expire'; readonly order: string }
  | { readonly kind: 'restock'; readonly order: string; readonly lines: readonly Line[]; readonly sellable: boolean }
  | { readonly kind: 'receive'; readonly lines: readonly Line[] }
  | { readonly kind: 'adjust'; readonly changes: readonly { readonly sku: string; readonly change: number }[] }
  | { readonly kind: 'take-stock'; readonly counts: readonly { readonly sku: string; readonly counted: number }[] };

const sku = fc.constantFrom(...skus);
const order = fc.constantFrom(...orders);
const lines = fc.array(fc.record({ sku, quantity: fc.integer({ min: 1, max: 4 }) }), { minLength: 1, maxLength: 4 });
const changes = fc.array(fc.record({ sku, change: fc.integer({ min: -4, max: 4 }) }), { minLength: 1, maxLength: 4 });
const counts = fc.array(fc.record({ sku, counted: fc.integer({ min: 0, max: 9 }) }), { minLength: 1, maxLength: 4 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('hold' as const), order, lines }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('commit', 'release', 'expire'), order }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('restock' as const), order, lines, sellable: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('receive' as const), lines }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('adjust' as const), changes }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('take-stock' as const), counts }) },
);
// Long enough that most holds meet their commit, expiry or release, and some of them twice.
const steps = fc.array(step, { minLength: 25, maxLength: 60 });

interface World {
  readonly book: Book;
  /** What came back of each order, as the rows of its returns would say. */
  readonly returned: Map<string, Map<string, number>>;
}

const emptyStock = (name: string): Stock => ({
  sku: name,
  received: 0,
  onHand: 0,
  held: 0,
  sold: 0,
  writtenOff: 0,
  version: 0,
});

function newWorld(): World {
  const book = newBook(skus.map(emptyStock), []);
  receiveStock(
    book,
    skus.map((name) => ({ sku: name, quantity: 8 })),
    'receive at first',
  );
  return { book, returned: new Map() };
}

/** Applies a step; a refusal is an answer like any other. */
function apply({ book, returned }: World, what: Step, reference: string): unknown {
  try {
    switch (what.kind) {
      case 'hold':
        return holdStock(book, what.order, what.lines);
      case 'commit':
        return commitHold(book, what.order);
      case 'release':
        return releaseHold(book, what.order, returned.get(what.order) ?? new Map());
      case 'expire':
        return expireHold(book, what.order);
      case 'restock': {
        const before = returned.get(what.order) ?? new Map<string, number>();
        restockReturn(book, what.order, reference, what.lines, what.sellable, before);
        for (const { sku: name, quantity } of what.lines) before.set(name, (before.get(name) ?? 0) + quantity);
        returned.set(what.order, before);
        return 'restocked';
      }
      case 'receive':
        return receiveStock(book, what.lines, reference);
      case 'adjust':
        return adjustStock(book, what.changes, reference);
      case 'take-stock':
        return takeStock(book, what.counts, reference);
    }
  } catch (error) {
    const { code } = error as { code?: string };
    if (!code?.startsWith('inventory/')) throw error;
    return code;
  }
}

function afterAll(all: readonly Step[]): World {
  const world = newWorld();
  for (const [i, what] of all.entries()) apply(world, what, `${what.kind} ${i}`);
  return world;
}

const numbers = ({ book }: World) => structuredClone({ stock: [...book.stock.values()], holds: [...book.holds] });

/** Runs the steps and looks at the book after each. */
function everywhere(
  look: (world: World, what: Step, before: ReturnType<typeof numbers>, answer: unknown) => void,
): void {
  fc.assert(
    fc.property(steps, (all) => {
      const world = newWorld();
      for (const [i, what] of all.entries()) {
        const before = numbers(world);
        const answer = structuredClone(apply(world, what, `r${i}`));
        look(world, what, before, answer);
      }
    }),
    { numRuns },
  );
}

test('every unit that came in is on hand, held, sold or written off, and nothing is ever negative', () => {
  everywhere(({ book }) => {
    for (const { received, onHand, held, sold, writtenOff } of book.stock.values()) {
      expect(onHand + held + sold + writtenOff).toBe(received);
      expect(Math.min(received, onHand, held, sold, writtenOff)).toBeGreaterThanOrEqual(0);
    }
  });
});

test('held and sold units are those of the holds, less what came back', () => {
  everywhere(({ book, returned }) => {
    const sums = { held: new Map<string, number>(), sold: new Map<string, number>() };
    for (const { orderId, status, lines: kept } of book.holds.values()) {
      if (status !== 'held' && status !== 'sold') continue;
      const sum = sums[status];
      for (const { sku: name, quantity } of kept) {
        const back = status === 'sold' ? (returned.get(orderId)?.get(name) ?? 0) : 0;
        // No more came back than this order has bought, whatever others have.
        expect(back).toBeLessThanOrEqual(quantity);
        sum.set(name, (sum.get(name) ?? 0) + quantity - back);
      }
    }
    for (const { sku: name, held, sold } of book.stock.values()) {
      expect({ held, sold }).toEqual({ held: sums.held.get(name) ?? 0, sold: sums.sold.get(name) ?? 0 });
    }
  });
});

test('after a stock-take the shelf has what was counted, and no order has lost a unit', () => {
  everywhere(({ book }, what, before, answer) => {
    if (what.kind !== 'take-stock' || answer === 'inventory/not-enough-on-hand') return;
    for (const { sku: name, held, sold } of before.stock) {
      const counts = what.counts.filter((count) => count.sku === name);
      const now = book.stock.get(name);
      expect({ held: now?.held, sold: now?.sold }).toEqual({ held, sold });
      const counted = counts.reduce((sum, count) => sum + count.counted, 0);
      if (counts.length > 0) expect((now?.onHand ?? 0) + held).toBe(counted);
    }
  });
});

test('a hold takes all lines or none', () => {
  everywhere(({ book }, what, before) => {
    if (what.kind !== 'hold' || before.holds.some(([id]) => id === what.order)) return;
    const wanted = mergeLines(what.lines);
    const hold = book.holds.get(what.order);
    const onHand = (name: string) => before.stock.find((row) => row.sku === name)?.onHand ?? 0;
    const short = wanted.filter((line) => onHand(line.sku) < line.quantity);
    const taken = before.stock.map((row) => row.onHand - (book.stock.get(row.sku)?.onHand ?? 0));
    const all = before.stock.map((row) => wanted.find((line) => line.sku === row.sku)?.quantity ?? 0);
    expect(hold?.status).toBe(short.length > 0 ? 'refused' : 'held');
    expect(taken).toEqual(short.length > 0 ? skus.map(() => 0) : all);
    expect(hold?.shortages.map((line) => line.sku)).toEqual(short.map((line) => line.sku));
  });
});

test('a repeat of hold, commit, release or expiry changes nothing, and what was done is told as done', () => {
  everywhere((world, what, _before, answer) => {
    if (!('order' in what) || what.kind === 'restock') return;
    const before = numbers(world);
    const versions = world.book.movements.length;
    const again = apply(world, what, 'again');
    expect(numbers(world)).toEqual(before);
    expect(world.book.movements.length).toBe(versions);
    if (answer !== undefined && typeof answer === 'object') {
      // Whoever was refused for want of stock is told so by a problem from then on.
      const isRefused = what.kind === 'hold' && (answer as { status: string }).status === 'refused';
      expect(again).toEqual(isRefused ? 'inventory/out-of-stock' : answer);
    }
  });
});

test('a refused command changes nothing but what it leaves word of', () => {
  everywhere((world) => {
    const tooMuch = world.book.stock.get('a') as Stock;
    const before = numbers(world);
    const change = -tooMuch.onHand - 1;
    expect(
      apply(
        world,
        {
          kind: 'adjust',
          changes: [
            { sku: 'b', change: 1 },
            { sku: 'a', change },
          ],
        },
        'no',
      ),
    ).toBe('inventory/not-enough-on-hand');
    const back = [
      { sku: 'b', quantity: 1 },
      { sku: 'a', quantity: 1_000 },
    ];
    const restock = { kind: 'restock', order: 'o1', lines: back, sellable: true } as const;
    expect(apply(world, restock, 'no')).toBe('inventory/not-sold');
    expect(numbers(world)).toEqual(before);
  });
});

test('an order that was released or refused never holds again, whatever comes late', () => {
  everywhere(({ book }, _what, before) => {
    for (const [id, hold] of before.holds) {
      const now = book.holds.get(id)?.status;
      if (hold.status === 'released' || hold.status === 'refused') expect(now).toBe(hold.status);
      // What is sold is given back by a release alone: neither time nor a second commit takes it away.
      if (hold.status === 'sold') expect(['sold', 'released']).toContain(now);
    }
  });
});

test('each change of a SKU raises its version by one and is one movement, without gaps', () => {
  everywhere(({ book }, _what, before) => {
    for (const { sku: name, version } of book.stock.values()) {
      const journal = book.movements.filter((movement) => movement.sku === name).map((movement) => movement.version);
      expect(journal).toEqual(journal.map((_, i) => i + 1));
      expect(journal.length).toBe(version);
      const old = before.stock.find((row) => row.sku === name) as Stock;
      const moved = JSON.stringify({ ...book.stock.get(name), version: 0 }) !== JSON.stringify({ ...old, version: 0 });
      expect(version > old.version).toBe(moved);
    }
  });
});

test('the journal alone tells what came in, what is on hand and what was written off', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const { book } = afterAll(all);
      for (const row of book.stock.values()) {
        const sum = (kinds: readonly string[], references = '') =>
          book.movements
            .filter(
              ({ sku: name, kind, reference }) =>
                name === row.sku && kinds.includes(kind) && reference.startsWith(references),
            )
            .reduce((total, movement) => total + movement.quantity, 0);
        expect(row.received).toBe(sum(['receive', 'find']));
        expect(row.writtenOff).toBe(sum(['write-off']));
        // What was returned damaged never came back to the shelf.
        const away = sum(['hold']) + sum(['write-off'], 'adjust') + sum(['write-off'], 'take-stock');
        expect(row.onHand).toBe(sum(['receive', 'find', 'release', 'expire', 'restock']) - away);
      }
    }),
    { numRuns },
  );
});

test('an expired hold can still be bought while the units are there, and is refused when they are not', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 5 }), (quantity, taken) => {
      const world = { book: newBook([emptyStock('a')], []), returned: new Map() };
      receiveStock(world.book, [{ sku: 'a', quantity: 5 }], 'in');
      holdStock(world.book, 'o1', [{ sku: 'a', quantity }]);
      expireHold(world.book, 'o1');
      if (taken > 0) holdStock(world.book, 'o2', [{ sku: 'a', quantity: taken }]);
      const answer = apply(world, { kind: 'commit', order: 'o1' }, '');
      const isThere = quantity + taken <= 5;
      expect(typeof answer === 'string' ? answer : (answer as { status: string }).status).toBe(
        isThere ? 'sold' : 'inventory/out-of-stock',
      );
      expect(world.book.stock.get('a')?.sold).toBe(isThere ? quantity : 0);
    }),
  );
});

test('what sold out and what is back is told, and nothing else', () => {
  fc.assert(
    fc.property(steps, step, (all, last) => {
      const world = afterAll(all);
      const before = numbers(world).stock;
      const soldOut = new Set(before.filter((row) => row.onHand === 0).map((row) => row.sku));
      apply(world, last, 'last');
      const stock = [...world.book.stock.values()];
      const told = crossingsOf(stock, soldOut).map((row) => row.sku);
      const isOut = (rows: readonly Stock[], name: string) => rows.find((row) => row.sku === name)?.onHand === 0;
      expect(told).toEqual(skus.filter((name) => isOut(before, name) !== isOut(stock, name)));
    }),
  );
});

test('an answer names each SKU once; one that was never seen has nothing and no version', () => {
  const book = newBook([emptyStock('a')], []);
  receiveStock(
    book,
    [
      { sku: 'a', quantity: 2 },
      { sku: 'a', quantity: 3 },
    ],
    'in',
  );
  expect(answersOf(book, ['a', 'x', 'a'])).toEqual([
    { sku: 'a', available: 5, version: 1 },
    { sku: 'x', available: 0, version: 0 },
  ]);
});
