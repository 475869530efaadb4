import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromMajor, toMajor } from './money.ts';

test('an amount that is written out and read again is the same amount, in every currency', () => {
  const currency = fc.constantFrom('EUR', 'JPY', 'KWD', 'GBP');
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1_000_000_000_000 }), currency, (minor, code) => {
      expect(fromMajor(toMajor(minor, code), code)).toBe(minor);
    }),
  );
});

test('an amount is in units of its currency', () => {
  expect(toMajor(12345, 'EUR')).toBe('123.45');
  expect(toMajor(500, 'JPY')).toBe('500');
  expect(toMajor(1234, 'KWD')).toBe('1.234');
  expect(toMajor(-5, 'EUR')).toBe('-0.05');
  expect(fromMajor('7,5', 'EUR')).toBe(750);
});

test('what is no amount is not taken for one', () => {
  for (const text of ['', '1.234', '1e3', '-1', '1.2.3', 'five', '99999999999'])
    expect(fromMajor(text, 'EUR')).toBeUndefined();
  expect(fromMajor('1.5', 'JPY')).toBeUndefined();
});
