import fc from 'fast-check';
import pg from 'pg';
import { expect, test } from 'vitest';
import { wireValues } from './values.ts';

const TEXT_ARRAY: number = 1009;
const readBack = pg.types.getTypeParser(TEXT_ARRAY, 'text') as (text: string) => (string | null)[];

test('a list of texts goes out as an array that PostgreSQL reads back unchanged', () => {
  const texts = fc.array(
    fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.constantFrom('', 'NULL', '{}', '"', '\\')),
  );
  fc.assert(
    fc.property(texts, (items) => {
      const [value] = wireValues([items]);
      // Left to the driver where JSON would write an escape that an array does not know.
      if (typeof value === 'string') expect(readBack(value)).toEqual(items);
      else expect(value).toBe(items);
    }),
  );
});

test('JSON, numbers, truth and nothing are written here; bytes, dates and control characters are left to the driver', () => {
  expect(wireValues([['{"a":"b"}', null], [1, -2.5], [true], []])).toEqual([
    '{"{\\"a\\":\\"b\\"}",null}',
    '{1,-2.5}',
    '{true}',
    '{}',
  ]);
  for (const item of [Buffer.from('x'), new Date(0), 'a\nb', '\ud83e', Number.NaN, 1n, [1]]) {
    const items = [item];
    expect(wireValues([items])).toEqual([items]);
  }
});
