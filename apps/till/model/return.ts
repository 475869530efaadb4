import type { Tender } from '#contracts/tills';
import type { Totals } from '#contracts/totals';
import { paidFor } from '../../../contracts/pricing.ts';
import { cardSums, refundsFor, unitsOf } from '../../../contracts/till-journal.ts';

/** What somebody brings back of a line. */
export interface Wanted {
  readonly quantity: number;
  readonly sellable: boolean;
}

type Units = readonly { readonly sku: string; readonly quantity: number }[];

/** A sale as a return looks at it. */
export interface Returnable {
  readonly totals: Totals;
  readonly back: ReadonlyMap<string, number>;
  readonly lines: readonly {
    readonly sku: string;
    readonly name: string;
    readonly bought: number;
    readonly left: number;
    readonly paidMinor: number;
  }[];
  /** How it was paid. */
  readonly tenders: readonly Tender[];
  /** What each card has paid and has not got back, by its number. */
  readonly cardsLeft: ReadonlyMap<number, number>;
}

export function returnable(
  totals: Totals,
  tenders: readonly Tender[],
  back: Units,
  refunds: readonly Tender[],
): Returnable {
  const returned = unitsOf(back);
  const bought = unitsOf(totals.lines);
  const gone = cardSums(refunds);
  return {
    totals,
    back: returned,
    lines: [...bought].map(([sku, quantity]) => {
      const lines = totals.lines.filter((line) => line.sku === sku);
      return {
        sku,
        name: lines[0]?.name ?? sku,
        bought: quantity,
        left: Math.max(0, quantity - (returned.get(sku) ?? 0)),
        paidMinor: lines.reduce((sum, line) => sum + paidFor(line), 0),
      };
    }),
    tenders,
    cardsLeft: new Map([...cardSums(tenders)].map(([card, paid]) => [card, Math.max(0, paid - (gone.get(card) ?? 0))])),
  };
}

/** The same sale when these have come back. */
export function afterReturn(sale: Returnable, lines: Units, refunds: readonly Tender[]): Returnable {
  const units = unitsOf(lines);
  const gone = cardSums(refunds);
  return {
    ...sale,
    back: unitsOf([...[...sale.back].map(([sku, quantity]) => ({ sku, quantity })), ...lines]),
    lines: sale.lines.map((line) => ({ ...line, left: Math.max(0, line.left - (units.get(line.sku) ?? 0)) })),
    cardsLeft: new Map([...sale.cardsLeft].map(([card, left]) => [card, Math.max(0, left - (gone.get(card) ?? 0))])),
  };
}

/** What goes back for these units; undefined when there are more of them than were bought. */
export function refundOf({ totals, back }: Returnable, lines: Units): number | undefined {
  let sum = 0;
  for (const refundMinor of refundsFor(totals, back, lines).values()) {
    if (refundMinor === undefined) return undefined;
    sum += refundMinor;
  }
  return sum;
}

/** The way it came: to each card up to what it has paid, in the order in which they were charged; the rest in cash. */
export function partsBack({ cardsLeft }: Returnable, refundMinor: number): Tender[] {
  let rest = refundMinor;
  const parts = [...cardsLeft].flatMap(([card, left]): Tender[] => {
    const amountMinor = Math.min(left, rest);
    rest -= amountMinor;
    return amountMinor > 0 ? [{ kind: 'card', amountMinor, card }] : [];
  });
  return rest > 0 ? [...parts, { kind: 'cash', amountMinor: rest }] : parts;
}
