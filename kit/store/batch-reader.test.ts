import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createBatchReader } from './batch-reader.ts';

function reader(load: (keys: readonly string[]) => Promise<ReadonlyMap<string, number>>, waitingMax = 100) {
  const world = createVirtualWorld({ seed: 1 });
  return { world, reads: createBatchReader({ name: 'test', timers: world.timers, load, waitingMax }) };
}

const lengths = async (keys: readonly string[]) =>
  new Map(keys.filter((key) => key !== '').map((key) => [key, key.length]));

test('reads of one turn are one read, and each gets its own value', async () => {
  const loads: (readonly string[])[] = [];
  const { world, reads } = reader((keys) => {
    loads.push(keys);
    return lengths(keys);
  });
  const answers = Promise.all([reads.get('a'), reads.get('bbb'), reads.get('a'), reads.get('')]);
  await world.runUntilIdle();
  expect(await answers).toEqual([1, 3, 1, undefined]);
  expect(loads).toEqual([['a', 'bbb', '']]);
});

test('what comes while a read is under way goes into the next one, not into that one', async () => {
  const loads: (readonly string[])[] = [];
  const under = Promise.withResolvers<void>();
  const { world, reads } = reader(async (keys) => {
    loads.push(keys);
    if (loads.length === 1) await under.promise;
    return lengths(keys);
  });
  const first = reads.get('a');
  await world.runUntilIdle();
  const later = Promise.all([reads.get('b'), reads.get('a')]);
  await world.runUntilIdle();
  expect(loads).toEqual([['a']]);
  under.resolve();
  await first;
  await world.runUntilIdle();
  await later;
  expect(loads).toEqual([['a'], ['b', 'a']]);
});

test('a read that fails fails those who asked for it, and the next one is made all the same', async () => {
  let fail = true;
  const { world, reads } = reader(async (keys) => {
    if (fail) throw new Error('away');
    return lengths(keys);
  });
  const failed = expect(reads.get('a')).rejects.toThrow('away');
  await world.runUntilIdle();
  await failed;
  fail = false;
  const answer = reads.get('a');
  await world.runUntilIdle();
  expect(await answer).toBe(1);
});

test('more than may wait is refused at once', async () => {
  const { reads } = reader(lengths, 2);
  const kept = [reads.get('a'), reads.get('b')];
  await expect(reads.get('c')).rejects.toMatchObject({ name: 'StoreOverloaded' });
  expect(kept).toHaveLength(2);
});
