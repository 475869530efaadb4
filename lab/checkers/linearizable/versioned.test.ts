import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededRandom } from '#kit/runtime';
import { checkObject } from './check.ts';
import type { Call } from './model.ts';
import { type RegisterInput, register } from './models.ts';
import { checkVersions, type VersionedAnswer } from './versioned.ts';

let count = 0;
function answer(version: number, startAt: number, endAt: number, more: Partial<VersionedAnswer> = {}): VersionedAnswer {
  count += 1;
  return { id: `op${count}`, key: 'A', version, isWrite: false, startAt, endAt, ...more };
}
const write = { isWrite: true };
const found = (answers: VersionedAnswer[], journal?: readonly number[]) => [
  ...checkVersions(answers, journal && ((_key, version) => journal[version])),
];

test('answers in the order of their versions are legal, and at one time either may come first', () => {
  expect(found([answer(1, 0, 1, write), answer(1, 2, 3), answer(2, 4, 5, write), answer(2, 6, 7)])).toEqual([]);
  expect(found([answer(2, 0, 9, write), answer(1, 1, 2), answer(2, 3, 4), answer(1, 3, 4)])).toEqual([]);
  expect(found([answer(0, 0, 1, { value: 0 }), answer(1, 2, 3, { value: 5 })], [0, 5])).toEqual([]);
});

test('a stale read, a read from the future and a version made twice are found', () => {
  expect(found([answer(2, 0, 1), answer(1, 2, 3)])).toHaveLength(1);
  expect(found([answer(1, 0, 1, write), answer(0, 2, 3)])).toHaveLength(1);
  expect(found([answer(1, 0, 1), answer(1, 2, 3, write)])).toHaveLength(1);
  expect(found([answer(1, 0, 9, write), answer(1, 0, 9, write)])).toHaveLength(1);
});

test('a value that the journal does not have at that version, or another answer contradicts, is found', () => {
  expect(found([answer(1, 0, 1, { value: 4, id: 'op' })], [0, 5])).toEqual([
    'A at version 1: op answered 4, the journal says 5',
  ]);
  expect(found([answer(1, 0, 1, { value: 4 })], [0])).toHaveLength(1);
  expect(found([answer(1, 0, 1, { value: 4 }), answer(1, 0, 1, { value: 5 })])).toHaveLength(1);
});

test('objects are apart', () => {
  expect(found([answer(2, 0, 1), answer(1, 2, 3, { key: 'B' })])).toEqual([]);
});

test('it agrees with the search where both can tell: a register whose writes are its versions', () => {
  const verdicts = [0, 0];
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
      const random = seededRandom(seed);
      const below = (limit: number) => Math.floor(random.next() * limit);
      const around = (version: number) => {
        const startAt = 3 * version + below(6);
        return { startAt, endAt: startAt + below(6) };
      };
      // Version 0 is the null of a new register.
      const writes = Array.from({ length: 3 }, (_, at) => ({ ...answer(at + 1, 0, 0, write), ...around(at + 1) }));
      const reads = Array.from({ length: 4 }, () => {
        const version = below(4);
        return { ...answer(version, 0, 0), ...around(version) };
      });
      const calls = [...writes, ...reads].map(
        ({ id, startAt, endAt, version, isWrite }): Call<RegisterInput, unknown> => {
          const value = version === 0 ? null : version;
          return isWrite
            ? // Only in the order of versions: a swap of the one before.
              {
                id,
                startAt,
                endAt,
                input: { kind: 'swap', from: version === 1 ? null : version - 1, to: value },
                output: true,
              }
            : { id, startAt, endAt, input: { kind: 'read' }, output: value };
        },
      );
      const isLegal = found([...writes, ...reads]).length === 0;
      verdicts[isLegal ? 0 : 1]! += 1;
      expect(checkObject(calls, register).verdict).toBe(isLegal ? 'linearizable' : 'not');
    }),
    { numRuns: 4_000 },
  );
  expect(Math.min(...verdicts)).toBeGreaterThan(100);
});
