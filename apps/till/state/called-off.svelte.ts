import { isApiProblem } from '#api';
import { problemWords } from '#ui/problem-words.ts';
import type { CalledOff, Draft } from '../model/basket.ts';
import { api } from '../till.ts';
import { shop } from './shop.svelte.ts';

/**
 * Cards that were called off: kept until the shop has done it, since whether a card was charged need not be known here, and
 * the connection may be away. The next customer does not wait for it. Asked again it changes nothing there.
 */
let waiting = $state.raw<readonly CalledOff[]>([]);

export const calledOff = {
  get waiting(): readonly CalledOff[] {
    return waiting;
  },
  /** Those that the shop would not call off: people have to look. */
  get refused(): readonly CalledOff[] {
    return waiting.filter(({ refusedFor }) => refusedFor !== undefined);
  },
};

export async function loadCalledOff(): Promise<void> {
  waiting = await shop.database.getAll('calledOff');
}

/** In one transaction with the sale that goes on without the card: a power cut leaves both or neither. */
export async function callOff(draft: Draft, card: CalledOff): Promise<void> {
  const tx = shop.database.transaction(['value', 'calledOff'], 'readwrite', { durability: 'strict' });
  await Promise.all([tx.objectStore('value').put(draft, 'draft'), tx.objectStore('calledOff').put(card), tx.done]);
  await loadCalledOff();
}

/** Whenever the shop is reached. What finds no connection waits; what is refused stays to be looked at. */
export async function sendCalledOff(): Promise<void> {
  for (const one of waiting) {
    const { saleId, card } = one;
    try {
      await api.tills.voidCharge({ params: { saleId }, query: { card } });
      await shop.database.delete('calledOff', [saleId, card]);
    } catch (error) {
      if (!isApiProblem(error) || error.mayRepeat || error.status === 401) break;
      await shop.database.put('calledOff', { ...one, refusedFor: problemWords(error) });
    }
  }
  await loadCalledOff();
}
