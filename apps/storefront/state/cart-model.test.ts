import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Cart, CartEdit } from '#contracts/carts';
import { type Batch, enqueue, movedInto, shownLines } from './cart-model.ts';

const anyEdit: fc.Arbitrary<CartEdit> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('add' as const, 'set' as const),
    sku: fc.constantFrom('A', 'B'),
    quantity: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({ kind: fc.constant('remove' as const), sku: fc.constantFrom('A', 'B') }),
);

const cartOf = (lines: Record<string, number>): Cart =>
  ({
    currency: 'EUR',
    lines: Object.entries(lines).map(([sku, quantity]) => ({ sku, quantity, name: sku, unitPriceMinor: 100 })),
  }) as unknown as Cart;

let keys = 0;
const newKey = () => `key-${++keys}`;
const quantities = (cart: Cart | undefined, batches: readonly Batch[]) =>
  Object.fromEntries(shownLines(cart, batches, {}).map(({ sku, quantity }) => [sku, quantity]));

/** Each edit by itself, one after the other: what a shopper has in mind. */
const oneByOne = (edits: readonly CartEdit[]): Batch[] =>
  edits.map((edit) => ({ key: newKey(), edits: [edit], isSent: false }));

test('edits that are joined to be sent together come to the same as one after the other', () => {
  fc.assert(
    fc.property(
      fc.array(anyEdit, { maxLength: 12 }),
      fc.dictionary(fc.constantFrom('A', 'B'), fc.integer({ min: 1, max: 9 })),
      (edits, had) => {
        const joined = edits.reduce<readonly Batch[]>((batches, edit) => enqueue(batches, edit, newKey), []);
        expect(joined.length).toBeLessThanOrEqual(1);
        expect(quantities(cartOf(had), joined)).toEqual(quantities(cartOf(had), oneByOne(edits)));
      },
    ),
  );
});

test('a batch that may have been sent is never changed: the next edit gets a key of its own', () => {
  const sent: Batch = { key: 'sent', edits: [{ kind: 'add', sku: 'A', quantity: 1 }], isSent: true };
  const batches = enqueue([sent], { kind: 'add', sku: 'A', quantity: 2 }, newKey);
  expect(batches[0]).toBe(sent);
  expect(batches).toHaveLength(2);
  expect(quantities(undefined, batches)).toEqual({ A: 3 });
});

test('what is shown has a name and a price at once, of the same currency only', () => {
  const known = { A: { name: 'Rope', slug: 'rope', productName: 'Rope', currency: 'EUR', unitPriceMinor: 250 } };
  const batches = oneByOne([{ kind: 'add', sku: 'A', quantity: 2 }]);
  expect(shownLines(undefined, batches, known)).toEqual([{ sku: 'A', name: 'Rope', quantity: 2, unitPriceMinor: 250 }]);
  const dollars = { ...cartOf({}), currency: 'USD' };
  expect(shownLines(dollars, batches, known)[0]?.unitPriceMinor).toBeUndefined();
});

test('a cart that is gone is made anew with all that was shown', () => {
  const shown = shownLines(cartOf({ A: 2 }), oneByOne([{ kind: 'add', sku: 'B', quantity: 1 }]), {});
  expect(quantities(undefined, movedInto(shown, newKey))).toEqual({ A: 2, B: 1 });
  expect(movedInto([], newKey)).toEqual([]);
});
