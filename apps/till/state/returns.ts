import { isApiProblem } from '#api';
import type { SaleEntry, Tender } from '#contracts/tills';
import type { Totals } from '#contracts/totals';
import { type Returnable, returnable } from '../model/return.ts';
import { api } from '../till.ts';
import { type SaleHere, saleHere } from './history.ts';
import { writeEntry } from './journal.ts';
import { fresh, sale, told } from './sale.svelte.ts';
import { shop } from './shop.svelte.ts';

export type SaleFound = Returnable;

/**
 * The sale of a receipt: as the shop knows it, since it may have been returned elsewhere, with what has come back here and
 * was not told yet; while the shop can’t be asked, or has not been told of the sale, as this device knows it. Undefined when
 * neither does.
 */
export async function findSale(saleId: string): Promise<SaleFound | undefined> {
  const here = await saleHere(saleId);
  const untold = shop.untold.filter((kept) => kept.saleId === saleId);
  if (here && (!shop.isOnline || untold.length > 0)) return asKnownHere(here);
  const back = untold.flatMap(({ entry }) => (entry.kind === 'return' ? [entry] : []));
  try {
    const { body } = await api.tills.getSale({ params: { saleId } });
    const returned = [...body.returned, ...back.flatMap(({ lines }) => lines)];
    return returnable(body.totals, body.tenders, returned, [
      ...body.refunds,
      ...back.flatMap(({ tenders }) => tenders),
    ]);
  } catch (error) {
    if (isApiProblem(error, 'tills/not-found')) return undefined;
    if (!here) throw error;
    return asKnownHere(here);
  }
}

function asKnownHere({ sale: { entry, totals }, returns }: SaleHere): SaleFound {
  const back = returns.flatMap(({ lines }) => lines);
  const refunds = returns.flatMap(({ tenders }) => tenders);
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
