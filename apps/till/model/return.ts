import type { Tender } from '#contracts/tills';
import type { Totals } from '#contracts/totals';
import { paidFor } from '../../../contracts/pricing.ts';
import { refundsFor, unitsOf } from '../../../contracts/till-journal.ts';

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
  /** What a card has paid and has not got back. */
  readonly cardLeftMinor: number;
}

export function returnable(totals: Totals, tenders: readonly Tender[], back: Units, cardBackMinor: number): Returnable {
  const returned = unitsOf(back);
  const bought = unitsOf(totals.lines);
  const card = tenders.reduce((sum, { kind, amountMinor }) => sum + (kind === 'card' ? amountMinor : 0), 0);
  return {
    totals,
    back: returned,
    lines: [...bought].map(([sku, quantity]) => {
      const lines = totals.lines.filter((line) => line.sku === sku);
      return {
        sku,
        name: lines[0]?.name ?? sku,
        bought: quantity,
        left: quantity - (returned.get(sku) ?? 0),
        paidMinor: lines.reduce((sum, line) => sum + paidFor(line), 0),
      };
    }),
    cardLeftMinor: card - cardBackMinor,
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

/** The card first where it has paid so much; cash always. */
export function waysBack({ cardLeftMinor }: Returnable, refundMinor: number): Tender['kind'][] {
  return cardLeftMinor > 0 && cardLeftMinor >= refundMinor ? ['card', 'cash'] : ['cash'];
}
