import { refundsFor, sumOf, unitsOf } from '#contracts/till-journal';
import type { Conflict, JournalEntry, ReturnEntry, Sale, SaleEntry } from '#contracts/tills';
import type { Totals } from '#contracts/totals';

/** Pure: what the journal of a till means. */

export type Found = Pick<Conflict, 'kind' | 'detail' | 'data'>;

export interface TillRecord {
  readonly id: string;
  readonly name: string;
  readonly currency: string;
  readonly country: string;
  readonly state: 'waiting' | 'enrolled' | 'revoked';
  /** Bounds of what it may do offline. */
  readonly amountMinorMax: number;
  readonly ageMsMax: number;
  readonly device: string | null;
  readonly lastSeenAt: Date | null;
  readonly createdAt: Date;
}

export interface EntryRecord {
  readonly tillId: string;
  readonly seq: number;
  readonly body: JournalEntry;
  readonly totals: Totals | null;
}

/** What contradicts something in a sale by itself. It is booked all the same: the goods are gone. */
export function judgeSale(sale: SaleEntry, totals: Totals): Found[] {
  const found: Found[] = [];
  if (totals.totalMinor !== sale.totalMinor) {
    const detail = `the till asked for ${sale.totalMinor}, its lines come to ${totals.totalMinor}`;
    found.push({ kind: 'total-differs', detail, data: { computed: totals } });
  }
  const kept = sumOf(sale.tenders);
  if (kept !== sale.totalMinor) {
    found.push({ kind: 'tender-differs', detail: `${kept} was kept, the total was ${sale.totalMinor}` });
  }
  return found;
}

/** `before`: returns of the sale that are known already. */
export function judgeReturn(
  entry: ReturnEntry,
  sale: EntryRecord | undefined,
  before: readonly ReturnEntry[],
): Found[] {
  if (!sale?.totals) return [{ kind: 'unknown-sale', detail: `${entry.saleId} was not known when it came back` }];
  const found: Found[] = [];
  const back = unitsOf(before.flatMap(({ lines }) => lines));
  let expectedMinor = 0;
  const wanted = unitsOf(entry.lines);
  for (const [sku, refundMinor] of refundsFor(sale.totals, back, entry.lines)) {
    if (refundMinor !== undefined) {
      expectedMinor += refundMinor;
      continue;
    }
    const bought = sale.totals.lines.reduce((sum, line) => sum + (line.sku === sku ? line.quantity : 0), 0);
    const left = bought - (back.get(sku) ?? 0);
    found.push({ kind: 'not-sold', detail: `${sku}: ${wanted.get(sku)} came back, ${left} sold and not returned` });
  }
  const given = sumOf(entry.tenders);
  if (given !== expectedMinor) {
    found.push({ kind: 'tender-differs', detail: `${given} was given back, ${expectedMinor} was paid for it` });
  }
  return found;
}

export function saleView(record: EntryRecord, returns: readonly ReturnEntry[], cashier: string | undefined): Sale {
  const sale = record.body as SaleEntry;
  const returned = [...unitsOf(returns.flatMap(({ lines }) => lines))].map(([sku, quantity]) => ({ sku, quantity }));
  const refunds = returns.flatMap(({ tenders }) => tenders);
  return {
    saleId: sale.saleId,
    tillId: record.tillId,
    sessionId: sale.sessionId,
    ...(cashier === undefined ? {} : { cashier }),
    at: sale.at,
    totals: record.totals as Totals,
    totalMinor: sale.totalMinor,
    tenders: [...sale.tenders],
    returned,
    refundedMinor: sumOf(refunds),
    refunds,
  };
}
