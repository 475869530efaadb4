import type { PricingRules } from './carts.ts';
import { computeTotals, paidFor, refundFor } from './pricing.ts';
import type { JournalEntry, Report, SaleEntry, Tender, Till } from './tills.ts';
import type { Totals } from './totals.ts';

/**
 * What the journal of a till means. Pure, nothing but types imported besides totals: the service computes with it, and the
 * till itself, which knows its own journal first.
 */

/** An entry, and of a sale what it comes to. */
export interface TotalledEntry {
  readonly body: JournalEntry;
  readonly totals: Totals | null;
}

/** What a sale comes to by the rules, from its lines: the same computation as at the till. */
export function saleTotals(
  sale: Pick<SaleEntry, 'lines' | 'discounts'>,
  { currency, country }: Pick<Till, 'currency' | 'country'>,
  rules: Pick<PricingRules, 'taxes'>,
): Totals {
  const taxes = rules.taxes.find((rule) => rule.country === country && rule.region === undefined);
  const lines = sale.lines.map(({ taxClass, ...line }) => ({
    ...line,
    ...(taxClass === undefined ? {} : { taxClass }),
  }));
  const offers = sale.discounts.map(({ name, off, skus }) => ({ name, off, ...(skus ? { skus } : {}) }));
  return computeTotals({ currency, lines, offers, ...(taxes ? { taxes } : {}) });
}

/**
 * What goes back for some units of a sale, line by line of the return: what was paid for them, less discounts, with taxes. A
 * part for each SKU, in order; undefined where fewer were bought and not returned yet.
 */
export function refundsFor(
  totals: Totals,
  back: ReadonlyMap<string, number>,
  lines: readonly { readonly sku: string; readonly quantity: number }[],
): Map<string, number | undefined> {
  return new Map(
    [...unitsOf(lines)].map(([sku, quantity]) => {
      const sold = totals.lines.filter((line) => line.sku === sku);
      const bought = sold.reduce((sum, line) => sum + line.quantity, 0);
      const returned = back.get(sku) ?? 0;
      if (returned + quantity > bought) return [sku, undefined];
      const paidMinor = sold.reduce((sum, line) => sum + paidFor(line), 0);
      return [sku, refundFor(paidMinor, bought, returned, quantity)];
    }),
  );
}

/** Sums up the entries of one session. Cash in the drawer: float + sales − refunds + in − out. */
export function reportOf(
  till: Pick<Till, 'id' | 'currency'>,
  sessionId: string,
  entries: readonly TotalledEntry[],
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

export const sumOf = (tenders: readonly Tender[]): number =>
  tenders.reduce((sum, { amountMinor }) => sum + amountMinor, 0);

/** Whether a tender is by the card of this number. */
export const isByCard =
  (number: number) =>
  ({ kind, card = 1 }: Tender): boolean =>
    kind === 'card' && card === number;

/** What each card of a sale has paid, or has got back: by its number, in the order in which they were asked. */
export function cardSums(tenders: readonly Tender[]): Map<number, number> {
  const sums = new Map<number, number>();
  for (const { kind, amountMinor, card = 1 } of tenders) {
    if (kind === 'card') sums.set(card, (sums.get(card) ?? 0) + amountMinor);
  }
  return new Map([...sums].sort(([a], [b]) => a - b));
}

export function kindSum(all: readonly { readonly tenders: readonly Tender[] }[], kind: Tender['kind']): number {
  return sumOf(all.flatMap(({ tenders }) => tenders.filter((tender) => tender.kind === kind)));
}
