import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readAhead } from './ahead.ts';

/** Yields the weights given, and tells how far it was read. */
function createSource(weights: readonly number[], error?: Error) {
  const state = { read: 0, ended: false };
  async function* source(): AsyncGenerator<number> {
    try {
      for (const weight of weights) {
        state.read += 1;
        yield weight;
      }
      if (error) throw error;
    } finally {
      state.ended = true;
    }
  }
  return { state, source: source() };
}

const weightOf = (item: number) => item;
const turns = () => new Promise((resolve) => setImmediate(resolve));

async function takeAll<T>(items: AsyncIterable<T>): Promise<T[]> {
  const taken: T[] = [];
  for await (const item of items) taken.push(item);
  return taken;
}

test('reads before anybody asks, and rests at the bound until something was taken', async () => {
  const { state, source } = createSource([3, 3, 3, 3, 3]);
  const ahead = readAhead(source, { weightOf, weightMax: 6 });
  await turns();
  expect(state.read).toBe(2);
  const items = ahead[Symbol.asyncIterator]();
  expect(await items.next()).toEqual({ value: 3, done: false });
  await turns();
  // The first is in the taker's hands and counts until it asks for the next.
  expect(state.read).toBe(2);
  await items.next();
  await turns();
  expect(state.read).toBe(3);
  await ahead.close();
});

test('everything comes once and in order, whatever the weights, the bound and the paces', async () => {
  const weights = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(weights, fc.integer({ min: 1, max: 30 }), fc.nat(5), async (all, weightMax, pauseEvery) => {
      const { source } = createSource(all);
      const ahead = readAhead(source, { weightOf, weightMax });
      const taken: number[] = [];
      for await (const item of ahead) {
        taken.push(item);
        if (pauseEvery > 0 && taken.length % pauseEvery === 0) await turns();
      }
      expect(taken).toEqual(all);
      await ahead.close();
    }),
    { numRuns: 100 },
  );
});

test('an error is thrown where it was met, after all that came before it', async () => {
  const ahead = readAhead(createSource([1, 2], new Error('torn')).source, { weightOf, weightMax: 100 });
  await turns();
  const taken: number[] = [];
  const taking = (async () => {
    for await (const item of ahead) taken.push(item);
  })();
  await expect(taking).rejects.toThrow('torn');
  expect(taken).toEqual([1, 2]);
  await ahead.close();
});

test('closing ends the source, also while it rests, and what was read is dropped', async () => {
  const { state, source } = createSource([5, 5, 5]);
  const ahead = readAhead(source, { weightOf, weightMax: 5 });
  await turns();
  await ahead.close();
  expect(state).toEqual({ read: 1, ended: true });
  expect(await takeAll(readAhead(createSource([]).source, { weightOf, weightMax: 5 }))).toEqual([]);
});
