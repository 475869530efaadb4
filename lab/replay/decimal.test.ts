import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareDecimals, type Decimal, decimalText, divideHalfEven, lineTotalMinor, parseDecimal } from './decimal.ts';

const price = (text: string) => parseDecimal(text) as Decimal;

test('a line total is exact and rounds half to even', () => {
  expect(lineTotalMinor(3, price('0.1'))).toBe(30);
  expect(lineTotalMinor(1, price('0.005'))).toBe(0);
  expect(lineTotalMinor(3, price('0.005'))).toBe(2);
  expect(lineTotalMinor(-3, price('0.005'))).toBe(-2);
  expect(lineTotalMinor(1, price('0.0050000001'))).toBe(1);
  expect(lineTotalMinor(7, price('2.0833'))).toBe(1458);
  expect(Object.is(lineTotalMinor(-1, price('0')), 0)).toBe(true);
});

test('an amount beyond exact integers is refused', () => {
  expect(lineTotalMinor(1_000_000, price('99999999999'))).toBeUndefined();
});

test('scientific notation is read, and nothing that is not a number', () => {
  expect(decimalText(price('1e-3'))).toBe('0.001');
  expect(decimalText(price('2.50'))).toBe('2.5');
  expect(decimalText(price('1.2E2'))).toBe('120');
  for (const text of ['', '1,000', '£2', 'NaN', '1.2.3', '--1', '.', ' 1', '9'.repeat(31)]) {
    expect(parseDecimal(text)).toBeUndefined();
  }
});

test('the text of a decimal reads back as the same decimal', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }), fc.nat(9), (units, scale) => {
      expect(compareDecimals(price(decimalText({ units, scale })), { units, scale })).toBe(0);
    }),
  );
});

test('rounding is never off by more than half, and a tie is even', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(10n ** 9n), max: 10n ** 9n }),
      fc.bigInt({ min: 1n, max: 10_000n }),
      (top, below) => {
        const rounded = divideHalfEven(top, below);
        const twice = (rounded * below - top) * 2n;
        expect(twice <= below && twice >= -below).toBe(true);
        if (twice === below || twice === -below) expect(rounded % 2n).toBe(0n);
      },
    ),
  );
});
