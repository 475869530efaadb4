import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Basket, computeTotals, type Offer, orderLinesOf, percentText, share, shareOut } from './pricing.ts';

const line = fc.record({
  sku: fc.constantFrom('ROPE', 'BOOK', 'KNIFE', 'TARP'),
  name: fc.constant('thing'),
  quantity: fc.integer({ min: 1, max: 1_000 }),
  unitPriceMinor: fc.integer({ min: 0, max: 10_000_000 }),
  taxClass: fc.constantFrom('standard', 'books', 'constructor'),
});
const rate = fc.integer({ min: 0, max: 1_000_000 });
const offer: fc.Arbitrary<Offer> = fc.record(
  {
    name: fc.constant('offer'),
    off: fc.oneof(
      fc.record({ kind: fc.constant('percentage' as const), ratePpm: rate }),
      fc.record({ kind: fc.constant('amount' as const), amountMinor: fc.integer({ min: 0, max: 1_000_000 }) }),
    ),
    minimumMinor: fc.integer({ min: 0, max: 100_000 }),
    skus: fc.array(fc.constantFrom('ROPE', 'BOOK')),
  },
  { requiredKeys: ['name', 'off'] },
);
const basket: fc.Arbitrary<Basket> = fc.record(
  {
    currency: fc.constant('EUR'),
    lines: fc.array(line, { maxLength: 12 }),
    offers: fc.array(offer, { maxLength: 4 }),
    taxes: fc.record({
      name: fc.constant('VAT'),
      included: fc.boolean(),
      rates: fc.record({ standard: rate, books: rate, shipping: rate }, { requiredKeys: ['standard'] }),
    }),
    shipping: fc.record(
      {
        method: fc.constant('post'),
        name: fc.constant('Post'),
        amountMinor: fc.integer({ min: 0, max: 10_000 }),
        freeFromMinor: fc.integer({ min: 0, max: 1_000_000 }),
      },
      { requiredKeys: ['method', 'name', 'amountMinor'] },
    ),
  },
  { requiredKeys: ['currency', 'lines'] },
);

const sum = (amounts: readonly number[]) => amounts.reduce((total, amount) => total + amount, 0);

describe('whatever is in a basket', () => {
  test('its parts add up to its total, and so do the lines of its order', () => {
    fc.assert(
      fc.property(basket, (given) => {
        const totals = computeTotals(given);
        const { subtotalMinor, discountMinor, shippingMinor, taxAddedMinor, totalMinor } = totals;
        expect(totalMinor).toBe(subtotalMinor - discountMinor + shippingMinor + taxAddedMinor);
        expect(sum(orderLinesOf(totals).map((wanted) => wanted.totalMinor ?? 0))).toBe(totalMinor);
        expect(sum(totals.lines.map((one) => one.totalMinor))).toBe(subtotalMinor);
        expect(sum(totals.taxes.map((part) => part.amountMinor))).toBe(taxAddedMinor + totals.taxIncludedMinor);
      }),
    );
  });

  test('its discounts are shared out to the unit, and no line costs less than nothing', () => {
    fc.assert(
      fc.property(basket, (given) => {
        const totals = computeTotals(given);
        expect(sum(totals.discounts.map((one) => one.amountMinor))).toBe(totals.discountMinor);
        expect(sum(totals.lines.map((one) => one.discountMinor))).toBe(totals.discountMinor);
        for (const one of totals.lines) {
          expect(one.discountMinor).toBeGreaterThanOrEqual(0);
          expect(one.discountMinor).toBeLessThanOrEqual(one.totalMinor);
        }
      }),
    );
  });

  test('the taxes by rate are the sums of the taxes of the lines, and included ones are within the price', () => {
    fc.assert(
      fc.property(basket, (given) => {
        const totals = computeTotals(given);
        const taxes = [...totals.lines, ...(totals.shipping ? [totals.shipping] : [])].flatMap(({ tax }) => tax ?? []);
        expect(sum(totals.taxes.map((part) => part.amountMinor))).toBe(sum(taxes.map((tax) => tax.amountMinor)));
        expect(totals.taxIncludedMinor).toBeLessThanOrEqual(totals.totalMinor);
        const charged = totals.subtotalMinor - totals.discountMinor + totals.shippingMinor;
        if (given.taxes)
          expect(sum(totals.taxes.map((part) => part.baseMinor))).toBe(charged - totals.taxIncludedMinor);
      }),
    );
  });
});

test('shares are whole, sum to what is shared, and none is above its weight when the whole is not', () => {
  const weights = fc.array(fc.integer({ min: 0, max: 1_000_000_000_000 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(weights, fc.double({ min: 0, max: 1, noNaN: true }), (given, part) => {
      const amount = Math.floor(sum(given) * part);
      const shares = shareOut(amount, given);
      expect(sum(shares)).toBe(sum(given) === 0 ? 0 : amount);
      shares.forEach((one, i) => {
        expect(one).toBeLessThanOrEqual(given[i] as number);
      });
    }),
  );
});

test('rounding is half up, and exact where a double is not', () => {
  expect(share(5, 1, 2)).toBe(3);
  expect(share(4, 1, 3)).toBe(1);
  expect(share(999_999_999_999, 999_999, 1_000_000)).toBe(999_998_999_999);
  expect(share(100, 88_750, 1_000_000)).toBe(9);
});

const rope = { sku: 'ROPE', name: 'Rope', quantity: 3, unitPriceMinor: 3_333 };
const book = { sku: 'BOOK', name: 'Book', quantity: 1, unitPriceMinor: 1_490, taxClass: 'books' };

test('a German basket: taxes are within the price, books at the lower rate, free shipping after discounts', () => {
  const taxes = { name: 'VAT', included: true, rates: { standard: 190_000, books: 70_000 } };
  const shipping = { method: 'post', name: 'Post', amountMinor: 490, freeFromMinor: 10_000 };
  const off = { kind: 'percentage', ratePpm: 100_000 } as const;
  const full = computeTotals({ currency: 'EUR', lines: [rope, book], taxes, shipping });
  expect(full).toMatchObject({ subtotalMinor: 11_489, shippingMinor: 0, totalMinor: 11_489, taxAddedMinor: 0 });
  const reduced = computeTotals({
    currency: 'EUR',
    lines: [rope, book],
    taxes,
    shipping,
    offers: [{ code: 'KNOT10', name: 'Ten off', off }],
  });
  expect(reduced).toMatchObject({
    discountMinor: 1_149,
    lines: [{ discountMinor: 1_000 }, { discountMinor: 149 }],
    shippingMinor: 0,
    totalMinor: 10_340,
    taxes: [
      { ratePpm: 190_000, amountMinor: 1_437, baseMinor: 7_562 },
      { ratePpm: 70_000, amountMinor: 88, baseMinor: 1_253 },
    ],
  });
  const smaller = computeTotals({ currency: 'EUR', lines: [rope], taxes, shipping });
  expect(smaller).toMatchObject({ shippingMinor: 490, totalMinor: 10_489 });
  expect(smaller.shipping?.tax).toMatchObject({ ratePpm: 190_000, amountMinor: 78 });
});

test('a basket in New York: taxes come on top as a line of their own', () => {
  const taxes = { name: 'Sales tax', included: false, rates: { standard: 88_750, shipping: 0 } };
  const shipping = { method: 'post', name: 'Post', amountMinor: 500 };
  const totals = computeTotals({ currency: 'USD', lines: [rope], taxes, shipping });
  expect(totals).toMatchObject({ subtotalMinor: 9_999, taxAddedMinor: 887, totalMinor: 11_386 });
  expect(orderLinesOf(totals)).toMatchObject([
    { kind: 'goods', totalMinor: 9_999 },
    { kind: 'shipping', totalMinor: 500 },
    { kind: 'tax', name: 'Sales tax 8.875 %', totalMinor: 887 },
  ]);
});

test('an offer below its minimum takes nothing off, and none takes off more than there is', () => {
  const amount = (amountMinor: number) => ({ kind: 'amount', amountMinor }) as const;
  const offers = [
    { name: 'big', off: amount(500), minimumMinor: 10_000 },
    { name: 'books', off: amount(5_000), skus: ['BOOK'] },
  ];
  const totals = computeTotals({ currency: 'EUR', lines: [{ ...rope, quantity: 1 }, book], offers });
  expect(totals).toMatchObject({ discounts: [{ name: 'books', amountMinor: 1_490 }], totalMinor: 3_333, taxes: [] });
});

test('amounts that are no longer exact are refused', () => {
  const huge = { ...rope, quantity: 1_000_000, unitPriceMinor: 1_000_000_000_000 };
  expect(() => computeTotals({ currency: 'EUR', lines: [huge] })).toThrow(RangeError);
});

test('percentages are told as people write them', () => {
  expect([190_000, 88_750, 55_000, 0].map(percentText)).toEqual(['19 %', '8.875 %', '5.5 %', '0 %']);
});
