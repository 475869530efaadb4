import { expect, test } from 'vitest';
import { createHashQueue } from './hash-queue.ts';

/** Work that ends when it is told to, in the order in which it began. */
function yard(options: { concurrencyMax: number; waitingMax: number }) {
  const queue = createHashQueue(options);
  const begun: string[] = [];
  const refused: string[] = [];
  const ends: (() => void)[] = [];
  const settled: Promise<void>[] = [];
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    begun,
    refused,
    bring(source: string, count = 1): void {
      for (let i = 0; i < count; i++) {
        const work = () => {
          begun.push(source);
          return new Promise<void>((end) => void ends.push(end));
        };
        settled.push(queue(source, work).catch((error) => void refused.push(`${source} ${error.code}`)));
      }
    },
    async endAll(): Promise<void> {
      await turn();
      for (let end = ends.shift(); end; end = ends.shift()) {
        end();
        await turn();
      }
      await Promise.all(settled);
    },
  };
}

test('whoever comes after a crowd from one source waits for one of them, not for all', async () => {
  const { bring, begun, endAll } = yard({ concurrencyMax: 1, waitingMax: 8 });
  bring('flood', 5);
  bring('ada');
  bring('eve', 2);
  await endAll();
  expect(begun).toEqual(['flood', 'flood', 'ada', 'eve', 'flood', 'eve', 'flood', 'flood']);
});

test('when the places are taken, the source that has most of them gives one up, and nobody for one more of its own', async () => {
  const { bring, begun, refused, endAll } = yard({ concurrencyMax: 1, waitingMax: 3 });
  bring('flood', 4);
  bring('ada');
  bring('flood');
  bring('eve');
  bring('bob');
  await endAll();
  expect(begun).toEqual(['flood', 'flood', 'ada', 'eve']);
  expect(refused.sort()).toEqual(['bob users/busy', ...Array(3).fill('flood users/busy')]);
});

test('work that fails leaves its place to the next', async () => {
  const queue = createHashQueue({ concurrencyMax: 1, waitingMax: 1 });
  const failing = queue('ada', () => Promise.reject(new Error('no memory')));
  const next = queue('ada', async () => 'done');
  await expect(failing).rejects.toThrow('no memory');
  await expect(next).resolves.toBe('done');
});
