import { sumOf } from '#contracts/till-journal';
import type { ReturnEntry, SaleEntry, TillEvent, TillEventType } from '#contracts/tills';
import type { EventDraft } from '#kit/messaging';
import type { EntryRecord, TillRecord } from './model.ts';

/** Pure: what others hear of tills. */

export type TillDraft = EventDraft<TillEvent> & { readonly type: TillEventType };

function aboutSale(till: TillRecord, saleId: string, sale: EntryRecord | undefined, at: string): TillEvent {
  const { id, name, currency, country } = till;
  const lines = sale?.totals?.lines ?? [];
  return {
    tillId: id,
    tillName: name,
    saleId,
    soldAt: new Date(sale?.body.at ?? at).toISOString(),
    currency,
    country,
    totalMinor: sale ? (sale.body as SaleEntry).totalMinor : 0,
    lines: lines.map(({ sku, name, quantity, totalMinor }) => ({ sku, name, quantity, totalMinor })),
  };
}

export function soldEvent(till: TillRecord, sale: EntryRecord): TillDraft {
  const { saleId, at } = sale.body as SaleEntry;
  return { type: 'till.sold', key: saleId, data: aboutSale(till, saleId, sale, at) };
}

/** Told by the till that took the goods back, which need not be the one that sold them. */
export function returnedEvent(till: TillRecord, entry: ReturnEntry, sale: EntryRecord | undefined): TillDraft {
  const { saleId, at, lines, tenders } = entry;
  const returned = lines.map(({ sku, quantity }) => ({ sku, quantity }));
  return {
    type: 'till.returned',
    key: saleId,
    data: { ...aboutSale(till, saleId, sale, at), refundMinor: sumOf(tenders), returned },
  };
}

export function receiptEvent(till: TillRecord, sale: EntryRecord, email: string): TillDraft {
  const { saleId, at, tenders } = sale.body as SaleEntry;
  const { totals } = sale;
  const data = { ...aboutSale(till, saleId, sale, at), email, tenders, ...(totals ? { totals } : {}) };
  return { type: 'till.receipt-wanted', key: saleId, data };
}
