import { tick } from 'svelte';
import { moment, money } from '#ui/format.ts';
import type { Row, Words } from '../model/receipt.ts';

/** What is put on paper by the browser: shown nowhere but in print. */
let rows = $state.raw<readonly Row[]>([]);

export const paper = {
  get rows(): readonly Row[] {
    return rows;
  },
};

export async function printRows(next: readonly Row[]): Promise<void> {
  rows = next;
  await tick();
  print();
}

export const wordsOf = (currency: string): Words => ({ money: (amountMinor) => money(amountMinor, currency), moment });
