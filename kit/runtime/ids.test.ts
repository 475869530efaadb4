import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createIds, createVirtualWorld, type Random, seededRandom } from './index.ts';

const clockAt = (nowMs: number) => ({ now: () => nowMs, monotonicMs: () => 0 });
/** The time that an id carries. */
const timeOf = (id: string) => {
  const text = id.split('_')[1] as string;
  return [...text.slice(0, 10)].reduce((ms, letter) => ms * 32 + '0123456789ABCDEFGHJKMNPQRSTVWXYZ'.indexOf(letter), 0);
};

test('an id is its prefix and 26 letters that no one confuses: Crockford has no I, L, O or U', () => {
  const ids = createIds(clockAt(1_893_456_000_000), seededRandom(1));
  for (let i = 0; i < 1_000; i++) expect(ids.next('ord')).toMatch(/^ord_[0-9ABCDEFGHJKMNPQRSTVWXYZ]{26}$/);
});

test('the first ten letters are the time in milliseconds, so ids sort by age as text', () => {
  const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });
  fc.assert(
    fc.property(time, time, (a, b) => {
      const [left, right] = [a, b].map((ms) => createIds(clockAt(ms), seededRandom(ms)).next('x')) as [string, string];
      expect(timeOf(left)).toBe(a);
      if (a < b) expect(left < right).toBe(true);
    }),
  );
});

test('ids of one millisecond differ', () => {
  const ids = createIds(clockAt(1), seededRandom(7));
  const made = new Set(Array.from({ length: 20_000 }, () => ids.next('x')));
  expect(made.size).toBe(20_000);
});

test('no random byte is used for two ids, and none is drawn without need', () => {
  const drawn: number[] = [];
  let counter = 0;
  // Every sixteen bytes are told apart by their number in base 32.
  const counting: Random = {
    next: () => 0,
    bytes(size) {
      drawn.push(size);
      const bytes = new Uint8Array(size);
      for (let at = 0; at < size; at += 16, counter++) {
        for (let digit = 0, rest = counter; digit < 16; digit++, rest = Math.floor(rest / 32))
          bytes[at + digit] = rest % 32;
      }
      return bytes;
    },
  };
  const ids = createIds(clockAt(1), counting);
  const made = new Set(Array.from({ length: 64 * 3 }, () => ids.next('x')));
  expect(made.size).toBe(64 * 3);
  expect(drawn).toEqual([1024, 1024, 1024]);
});

test('the same seed and the same moments give the same ids', async () => {
  const draw = async () => {
    const world = createVirtualWorld({ seed: 42 });
    const first = world.ids.next('ord');
    await world.advance(5);
    return [first, world.ids.next('ord')];
  };
  expect(await draw()).toEqual(await draw());
});
