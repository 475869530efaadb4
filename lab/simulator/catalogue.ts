import { products } from '#contracts/products';
import type { ServiceServer } from '#kit/contract';
import type { StockPlan } from './plan.ts';

/** Names and prices, from nowhere: for runs without the catalogue's own service. */
export function createCatalogue(stock: readonly StockPlan[]): ServiceServer {
  return {
    contract: products,
    async handle({ body }) {
      const { skus } = body as { skus: readonly string[] };
      const items = stock
        .filter(({ sku }) => skus.includes(sku))
        .map(({ sku, unitPriceMinor }) => ({ sku, name: sku, active: true, amountMinor: unitPriceMinor }));
      return { status: 200, headers: {}, body: { items } };
    },
  };
}
