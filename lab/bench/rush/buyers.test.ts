import { expect, test } from 'vitest';
import { persist, rush } from './buyers.ts';

test('a buyer whose two clicks are told different things counts as told nothing clear', async () => {
  let clicks = 0;
  const { bought, soldOut, confused, latenciesMs } = await rush(3, async (buyer) => {
    clicks += 1;
    if (buyer === 0) return { told: 'bought', text: 'order 1' };
    return buyer === 1 ? { told: 'sold out', text: 'none' } : { told: 'bought', text: `order ${clicks}` };
  });
  expect({ clicks, bought, soldOut, confused }).toEqual({ clicks: 6, bought: 1, soldOut: 1, confused: 1 });
  expect(latenciesMs).toHaveLength(3);
});

test('who is told to wait asks again', async () => {
  const answers = [undefined, { told: 'bought', text: 'order 1' } as const];
  expect(await persist(async () => answers.shift())).toEqual({ told: 'bought', text: 'order 1' });
});
