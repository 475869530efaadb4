import type { api } from '../console.ts';

export type Level = Awaited<ReturnType<typeof api.inventory.levels>>['body']['items'][number];
export type Movement = Awaited<ReturnType<typeof api.inventory.movements>>['body']['items'][number];

/** What is not accounted for at a holder: came in, less everywhere it can be. Must be 0. */
export function restOfSum({ received, arrived, onHand, held, sold, writtenOff, sent }: Level): number {
  return received + arrived - onHand - held - sold - writtenOff - sent;
}
