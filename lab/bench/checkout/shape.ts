import type { Random } from '#kit/runtime';

/** An order as all contestants of the benchmark take it: each line one unit of another SKU. */
export interface OrderShape {
  readonly email: string;
  readonly totalMinor: number;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
}

export const skuCount = 1_000;
export const skus: readonly string[] = Array.from(
  { length: skuCount },
  (_, i) => `BENCH-${String(i).padStart(4, '0')}`,
);
export const unitPriceMinor = 250;

/**
 * Lines of an order, as a real shop's have them: the medians of the twenty twentieths of 8,067 invoices by their number of
 * different articles, December 2010 to May 2011, fees and postage left out (Daqing Chen, "Online Retail", UCI Machine
 * Learning Repository, 2015, DOI 10.24432/C5BW33, CC BY 4.0). 22.7 on average.
 */
export const linesOfTwentieths: readonly number[] = [
  1, 1, 3, 4, 5, 7, 8, 10, 12, 14, 16, 18, 20, 22, 26, 30, 36, 44, 57, 120,
];

const shortLines = 2;

/** `real`: as many lines as a real shop's orders have. `hot`: the same, and each wants the first SKU. `short`: two lines. */
export type Basket = 'real' | 'hot' | 'short';

/** `lines`: how many each order has, unless it is to be short. */
export function drawOrder(random: Random, basket: Basket, lines?: number): OrderShape {
  const pick = (count: number) => Math.floor(random.next() * count);
  const real = () => linesOfTwentieths[pick(linesOfTwentieths.length)] as number;
  const count = basket === 'short' ? shortLines : (lines ?? real());
  const chosen = new Set(basket === 'hot' ? [0] : []);
  while (chosen.size < count) chosen.add(pick(skuCount));
  return {
    email: 'bench@example.com',
    totalMinor: unitPriceMinor * count,
    lines: [...chosen].map((i) => ({ sku: skus[i] as string, quantity: 1 })),
  };
}
