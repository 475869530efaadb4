import { expect, test } from 'vitest';
import type { Variant } from '#contracts/products';
import { choose, goesWith, optionsOf, variantOf } from './options.ts';

const variant = (sku: string, options: Record<string, string>): Variant => ({ sku, options, prices: [] });
const variants = [
  variant('1', { colour: 'blue', length: '40 m' }),
  variant('2', { colour: 'blue', length: '60 m' }),
  variant('3', { colour: 'red', length: '70 m' }),
];

test('options are listed once each, in the order of the variants', () => {
  expect(optionsOf(variants)).toEqual([
    { name: 'colour', values: ['blue', 'red'] },
    { name: 'length', values: ['40 m', '60 m', '70 m'] },
  ]);
});

test('what is chosen last counts: the rest gives way where there is no such variant', () => {
  const chosen = choose(variants, { colour: 'blue', length: '40 m' }, 'length', '70 m');
  expect(variantOf(variants, chosen)?.sku).toBe('3');
  expect(choose(variants, { colour: 'blue', length: '40 m' }, 'length', '60 m')).toEqual({
    colour: 'blue',
    length: '60 m',
  });
  expect(goesWith(variants, { colour: 'blue', length: '40 m' }, 'colour', 'red')).toBe(false);
});
