import type { PricingRules } from '#contracts/carts';
import { computeTotals, paidFor, refundFor } from '#contracts/pricing';
import type { Conflict, JournalEntry, Report, ReturnEntry, Sale, SaleEntry, Tender } from '#contracts/tills';
import type { Totals } from '#contracts/totals';

/** Pure: what the journal of a till means. */

export type Found = Pick<Conflict, 'kind' | 'detail' | 'data'>;

export interface TillRecord {
  readonly id: string;
  readonly name: string;
  readonly currency: string;
  readonly country: string;
  readonly state: 'waiting' | 'enrolled' | 'revoked';
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

/** What a sale comes to by the rules, from its lines: the same computation as at the till. */
export function totalsOf(sale: SaleEntry, { currency, country }: TillRecord, rules: PricingRules): Totals {
  const taxes = rules.taxes.find((rule) => rule.country === country && rule.region === undefined);
  const lines = sale.lines.map(({ taxClass, ...line }) => ({
    ...line,
    ...(taxClass === undefined ? {} : { taxClass }),
  }));
  const offers = sale.discounts.map(({ name, off, skus }) => ({ name, off, ...(skus ? { skus } : {}) }));
  return computeTotals({ currency, lines, offers, ...(taxes ? { taxes } : {}) });
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
  for (const [sku, quantity] of unitsOf(entry.lines)) {
    const lines = sale.totals.lines.filter((line) => line.sku === sku);
    const bought = lines.reduce((sum, line) => sum + line.quantity, 0);
    const returned = back.get(sku) ?? 0;
    if (returned + quantity > bought) {
      found.push({
        kind: 'not-sold',
        detail: `${sku}: ${quantity} came back, ${bought - returned} sold and not returned`,
      });
      continue;
    }
    const paidMinor = lines.reduce((sum, line) => sum + paidFor(line), 0);
    expectedMinor += refundFor(paidMinor, bought, returned, quantity);
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
    refundedMinor: returns.reduce((sum, entry) => sum + sumOf(entry.tenders), 0),
  };
}

/** Sums up the entries of one session. Cash in the drawer: float + sales − refunds + in − out. */
export function reportOf(
  till: Pick<TillRecord, 'id' | 'currency'>,
  sessionId: string,
  entries: readonly EntryRecord[],
  missing: readonly number[],
): Report {
  const open = entries.find(({ body }) => body.kind === 'open')?.body as
    | Extract<JournalEntry, { kind: 'open' }>
    | undefined;
  const close = entries.find(({ body }) => body.kind === 'close')?.body as
    | Extract<JournalEntry, { kind: 'close' }>
    | undefined;
  const sales = entries.filter(({ body }) => body.kind === 'sale');
  const saleBodies = sales.map(({ body }) => body as SaleEntry);
  const returns = entries.flatMap(({ body }) => (body.kind === 'return' ? [body] : []));
  const moves = entries.flatMap(({ body }) => (body.kind === 'cash' ? [body.amountMinor] : []));
  const cashOf = (all: readonly { readonly tenders: readonly Tender[] }[]) => kindSum(all, 'cash');
  const cash = {
    floatMinor: open?.floatMinor ?? 0,
    salesMinor: cashOf(saleBodies),
    refundsMinor: cashOf(returns),
    inMinor: moves.filter((amount) => amount > 0).reduce((sum, amount) => sum + amount, 0),
    outMinor: -moves.filter((amount) => amount < 0).reduce((sum, amount) => sum + amount, 0),
  };
  const expectedMinor = cash.floatMinor + cash.salesMinor - cash.refundsMinor + cash.inMinor - cash.outMinor;
  const counted = close && { countedMinor: close.countedMinor, differenceMinor: close.countedMinor - expectedMinor };
  return {
    kind: close ? 'Z' : 'X',
    tillId: till.id,
    sessionId,
    ...(open ? { cashier: open.cashier, openedAt: open.at } : {}),
    ...(close ? { closedAt: close.at } : {}),
    currency: till.currency,
    sales: sales.length,
    returns: returns.length,
    salesMinor: saleBodies.reduce((sum, sale) => sum + sale.totalMinor, 0),
    discountMinor: sales.reduce((sum, { totals }) => sum + (totals?.discountMinor ?? 0), 0),
    refundsMinor: returns.reduce((sum, entry) => sum + sumOf(entry.tenders), 0),
    taxes: taxesOf(sales.flatMap(({ totals }) => totals?.taxes ?? [])),
    cash: { ...cash, expectedMinor, ...counted },
    cardMinor: kindSum(saleBodies, 'card') - kindSum(returns, 'card'),
    missing: [...missing],
  };
}

function taxesOf(parts: readonly Totals['taxes'][number][]): Totals['taxes'] {
  const sums = new Map<string, Totals['taxes'][number]>();
  for (const part of parts) {
    const place = `${part.name} ${part.ratePpm} ${part.included}`;
    const before = sums.get(place) ?? { baseMinor: 0, amountMinor: 0 };
    const amountMinor = before.amountMinor + part.amountMinor;
    sums.set(place, { ...part, baseMinor: before.baseMinor + part.baseMinor, amountMinor });
  }
  return [...sums.values()].sort((a, b) => b.ratePpm - a.ratePpm);
}

export function unitsOf(lines: readonly { readonly sku: string; readonly quantity: number }[]): Map<string, number> {
  const units = new Map<string, number>();
  for (const { sku, quantity } of lines) units.set(sku, (units.get(sku) ?? 0) + quantity);
  return units;
}

const sumOf = (tenders: readonly Tender[]): number => tenders.reduce((sum, { amountMinor }) => sum + amountMinor, 0);

export function kindSum(all: readonly { readonly tenders: readonly Tender[] }[], kind: Tender['kind']): number {
  return sumOf(all.flatMap(({ tenders }) => tenders.filter((tender) => tender.kind === kind)));
}
