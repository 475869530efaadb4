import { expect, test } from 'vitest';
import { amountsOf, typedOf } from './amounts.ts';

test('amounts in currencies that the shop does not sell in are shown and kept when the others are saved', () => {
  const amounts = { EUR: 500, JPY: 999_999_999_999, KWD: 1 };
  const typed = typedOf(amounts, ['EUR', 'USD']);
  expect(typed).toEqual({ EUR: '5.00', USD: '', JPY: '999999999999', KWD: '0.001' });
  expect(amountsOf(typed)).toEqual(amounts);
  expect(amountsOf({ ...typed, KWD: '0.0001' })).toBe(undefined);
});
