import { expect, test } from 'vitest';
import { linesOf } from './tills.ts';

test('lines of SKU and quantity are read as people type and paste them; anything else is refused as a whole', () => {
  expect(linesOf('HF-A 3\n\n HF-B, 12 \nHF-C\t1')).toEqual([
    { sku: 'HF-A', quantity: 3 },
    { sku: 'HF-B', quantity: 12 },
    { sku: 'HF-C', quantity: 1 },
  ]);
  for (const text of ['', 'HF-A', 'HF-A 0', 'HF-A 3\nnonsense', 'HF-A -1']) expect(linesOf(text)).toBeUndefined();
});
