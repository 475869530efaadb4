import { isApiProblem } from '#api';
import type { SaleEntry, Tender } from '#contracts/tills';
import type { Totals } from '#contracts/totals';
import { type Returnable, returnable } from '../model/return.ts';
import { api } from '../till.ts';
import { saleHere } from './history.ts';
import { writeEntry } from './journal.ts';
import { fresh, sale, told } from './sale.svelte.ts';
import { shop } from './shop.svelte.ts';

export type SaleFound = Returnable;

/**
 * The sale of a receipt: as the shop knows it, since it may have been returned elsewhere; while that can’t be asked, or has
 * not been told of it, as this device knows it. Undefined when neither does.
 */
export async function findSale(saleId: string): Promise<SaleFound | undefined> {
  const here = await saleHere(saleId);
  const untold = shop.untold.some((kept) => kept.saleId === saleId);
  if (shop.isOnline && !untold) {
    try {
      const { body } = await api.tills.getSale({ params: { saleId } });
      return returnable(body.totals, body.tenders, body.returned, body.refunds);
    } catch (error) {
      if (isApiProblem(error, 'tills/not-found')) return undefined;
      if (!here) throw error;
    }
  }
  if (!here) {
    // Says plainly why it can’t be known.
    await api.tills.getSale({ params: { saleId } });
    return undefined;
  }
  const { entry, totals } = here.sale;
  const back = here.returns.flatMap(({ lines }) => lines);
  const refunds = here.returns.flatMap(({ tenders }) => tenders);
  return returnable(totals as Totals, (entry as SaleEntry).tenders, back, refunds);
}

/** Writes the return down. Stock and card hear of it with the journal. */
export async function takeBack(
  saleId: string,
  lines: readonly { readonly sku: string; readonly quantity: number; readonly sellable: boolean }[],
  tenders: readonly Tender[],
): Promise<void> {
  const sessionId = sale.session?.sessionId;
  if (sessionId === undefined) throw new Error('a return needs an open drawer');
  const at = new Date().toISOString();
  await writeEntry(shop.database, shop.till, {
    kind: 'return',
    sessionId,
    at,
    returnId: fresh('tre'),
    saleId,
    lines: [...lines],
    tenders: [...tenders],
  });
  await told();
}
