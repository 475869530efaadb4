import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { type Asker, createHashQueue } from './hash-queue.ts';

/** Work that ends when it is told to, in the order in which it began. */
function yard(options: { concurrencyMax: number; waitingMax: number }) {
  const { timers, advance } = createVirtualWorld({ seed: 1 });
  const inTurn = createHashQueue({ timers, ...options });
  const begun: string[] = [];
  const refused: string[] = [];
  const ends: (() => void)[] = [];
  const settled: Promise<void>[] = [];
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const { signal: never } = new AbortController();
  return {
    begun,
    refused,
    advance,
    bring(source: string, count = 1, kind: Asker['kind'] = 'sign-in', signal = never): void {
      for (let i = 0; i < count; i++) {
        const work = () => {
          begun.push(source);
          return new Promise<void>((end) => void ends.push(end));
        };
        const refusal = (error: { code?: string }) => void refused.push(`${source} ${error.code ?? error}`);
        settled.push(inTurn({ kind, source, signal }, work).catch(refusal));
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

test('whoever signs in while many sources open accounts waits for one of them, and their places are not his', async () => {
  const { bring, begun, refused, endAll } = yard({ concurrencyMax: 1, waitingMax: 3 });
  for (let i = 0; i < 9; i++) bring(`crowd-${i}`, 1, 'registration');
  bring('ada');
  bring('eve');
  await endAll();
  expect(begun).toEqual(['crowd-0', 'ada', 'crowd-1', 'eve', 'crowd-2', 'crowd-3']);
  expect(refused).toEqual([4, 5, 6, 7, 8].map((i) => `crowd-${i} users/busy`));
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

test('nobody waits for longer than two seconds, nor when nobody waits for the answer any more', async () => {
  const { bring, begun, refused, advance, endAll } = yard({ concurrencyMax: 1, waitingMax: 3 });
  const caller = new AbortController();
  bring('slow');
  bring('ada');
  bring('gone', 1, 'sign-in', caller.signal);
  await advance(1_900);
  bring('eve');
  caller.abort('the caller has gone');
  await advance(200);
  await endAll();
  expect(begun).toEqual(['slow', 'eve']);
  expect(refused).toEqual(['gone the caller has gone', 'ada users/busy']);
});

test('work that fails leaves its place to the next', async () => {
  const { timers } = createVirtualWorld({ seed: 1 });
  const inTurn = createHashQueue({ timers, concurrencyMax: 1, waitingMax: 1 });
  const ada: Asker = { kind: 'sign-in', source: 'ada', signal: new AbortController().signal };
  const failing = inTurn(ada, () => Promise.reject(new Error('no memory')));
  const next = inTurn(ada, async () => 'done');
  await expect(failing).rejects.toThrow('no memory');
  await expect(next).resolves.toBe('done');
});
