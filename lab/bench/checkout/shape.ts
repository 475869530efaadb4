import type { Random } from '#kit/runtime';

/** An order as all contestants of the benchmark take it: two lines of one unit. */
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

/** `uniform`: two of all SKUs. `hot`: every order wants the first one, and one of the others. */
export type Spread = 'uniform' | 'hot';

export function drawOrder(random: Random, spread: Spread): OrderShape {
  const pick = () => Math.floor(random.next() * skuCount);
  const first = spread === 'hot' ? 0 : pick();
  let second = pick();
  while (second === first) second = pick();
  const lines = [first, second].map((i) => ({ sku: skus[i] as string, quantity: 1 }));
  return { email: 'bench@example.com', totalMinor: 500, lines };
}
