import type { Report, ReturnEntry } from '#contracts/tills';
import { reportOf } from '../../../contracts/till-journal.ts';
import type { Kept } from './database.ts';
import { shop } from './shop.svelte.ts';

/** What this device remembers of its till: its own journal, told or not. */

/** Newest first. */
export async function latestEntries(max: number): Promise<Kept[]> {
  const { id } = shop.till;
  const found: Kept[] = [];
  let cursor = await shop.database.transaction('journal').store.openCursor(IDBKeyRange.bound([id], [id, []]), 'prev');
  while (cursor && found.length < max) {
    found.push(cursor.value);
    cursor = await cursor.continue();
  }
  return found;
}

const ofSession = (sessionId: string): Promise<Kept[]> =>
  shop.database.getAllFromIndex('journal', 'session', [shop.till.id, sessionId]);

export async function cashierOf(sessionId: string): Promise<string | undefined> {
  const opened = (await ofSession(sessionId)).find(({ entry }) => entry.kind === 'open')?.entry;
  return opened?.kind === 'open' ? opened.cashier : undefined;
}

/** X while the session is open, Z when it is closed. From the till’s own journal, so it needs no connection. */
export async function reportFor(sessionId: string): Promise<Report> {
  const entries = (await ofSession(sessionId)).map(({ entry, totals }) => ({ body: entry, totals }));
  return reportOf(shop.till, sessionId, entries, []);
}

export interface SaleHere {
  readonly sale: Kept;
  readonly returns: readonly ReturnEntry[];
}

/** A sale with what came back of it, as far as this device knows. */
export async function saleHere(saleId: string): Promise<SaleHere | undefined> {
  const all = await shop.database.getAllFromIndex('journal', 'sale', saleId);
  const sale = all.find(({ entry }) => entry.kind === 'sale');
  const returns = all.flatMap(({ entry }) => (entry.kind === 'return' ? [entry] : []));
  return sale && { sale, returns };
}
