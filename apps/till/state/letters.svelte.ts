import { isApiProblem } from '#api';
import { api } from '../till.ts';
import type { Letter } from './database.ts';
import { shop } from './shop.svelte.ts';

/** Receipts to mail: kept until the shop has taken them, since it knows a sale only when it has been told. */
export const letters = {
  /** True when the shop has taken it at once. */
  async send(letter: Letter): Promise<boolean> {
    await shop.database.put('letter', letter);
    await sendLetters();
    return (await shop.database.get('letter', [letter.saleId, letter.email])) === undefined;
  },
};

/** After everything has been told. One that is refused for good is given up; one that finds no connection waits. */
export async function sendLetters(): Promise<void> {
  for (const { saleId, email } of await shop.database.getAll('letter')) {
    if (shop.untold.some((kept) => kept.saleId === saleId)) continue;
    try {
      await api.tills.mailReceipt({ params: { saleId }, body: { email } });
    } catch (error) {
      if (!isApiProblem(error) || error.mayRepeat || error.status === 401) return;
    }
    await shop.database.delete('letter', [saleId, email]);
  }
}
