import type { PricingRules } from '#contracts/carts';
import type { inventory } from '#contracts/inventory';
import type { products } from '#contracts/products';
import type { CallContext, Client } from '#kit/contract';
import type { Clock, Database } from '#kit/runtime';
import { unitsOf } from './lines.ts';
import type { Market, Quotable } from './quote.ts';
import { readPromotions, readRules } from './rules-store.ts';

export interface MarketOptions {
  readonly clock: Clock;
  readonly database: Database;
  readonly products: Client<typeof products>;
  readonly inventory: Client<typeof inventory>;
  /** Prices that are remembered for when the catalogue is away. More serves more carts then. Default 20,000. */
  readonly pricesMax?: number;
  /**
   * How old tax and shipping rules may be. Older shows a change later in other instances and saves a query. Default
   * 2,000 ms.
   */
  readonly rulesAgeMsMax?: number;
}

/** Asks everyone what a price depends on. Whoever is away is done without. */
export interface MarketPlace {
  lookAt(cart: Quotable, context: CallContext): Promise<Market>;
  rules(): Promise<PricingRules>;
  /** The rules were changed here. */
  forgetRules(): void;
}

interface KnownPrice {
  readonly name: string;
  readonly unitPriceMinor: number;
  readonly atMs: number;
}

/** A cart is shown whether or not they answer, so they get less time than whoever looks at it has. */
const askTimeoutMs = 800;
/** SKUs in one question about stock. */
const skusMax = 100;

export function createMarketPlace(options: MarketOptions): MarketPlace {
  const { clock, database, products, inventory, pricesMax = 20_000, rulesAgeMsMax = 2_000 } = options;
  /** By currency and SKU; the oldest first. */
  const known = new Map<string, KnownPrice>();
  let kept: { readonly rules: Promise<PricingRules>; readonly untilMs: number } | undefined;

  function remember(place: string, price: KnownPrice): void {
    known.delete(place);
    known.set(place, price);
    const [oldest] = known.keys();
    if (known.size > pricesMax && oldest !== undefined) known.delete(oldest);
  }

  async function pricesOf(skus: readonly string[], currency: string, context: CallContext) {
    const prices = new Map<string, KnownPrice>();
    if (skus.length === 0) return { prices };
    try {
      const body = { skus: [...skus], currency };
      const reply = await products.resolve({ body, timeoutMs: askTimeoutMs }, context);
      for (const { sku, name, active, amountMinor } of reply.body.items) {
        const place = placeOf(currency, sku);
        if (!active || amountMinor === undefined) known.delete(place);
        else prices.set(sku, { name, unitPriceMinor: amountMinor, atMs: clock.now() });
      }
      for (const [sku, price] of prices) remember(placeOf(currency, sku), price);
      return { prices };
    } catch {
      // A cart shows what it knows, and says since when.
      for (const sku of skus) {
        const price = known.get(placeOf(currency, sku));
        if (price) prices.set(sku, price);
      }
      const sinceMs = prices.size === 0 ? undefined : Math.min(...[...prices.values()].map(({ atMs }) => atMs));
      return { prices, oldPrices: { sinceMs } };
    }
  }

  async function availableOf(skus: readonly string[], context: CallContext): Promise<Map<string, number>> {
    const parts = Array.from({ length: Math.ceil(skus.length / skusMax) }, (_, i) =>
      skus.slice(i * skusMax, (i + 1) * skusMax),
    );
    const replies = await Promise.all(
      parts.map(async (sku) => {
        try {
          return (await inventory.availability({ query: { sku }, timeoutMs: askTimeoutMs }, context)).body.items;
        } catch {
          // Nothing is promised here: the order's hold decides.
          return [];
        }
      }),
    );
    return new Map(replies.flat().map(({ sku, available }) => [sku, available]));
  }

  function rules(): Promise<PricingRules> {
    const nowMs = clock.monotonicMs();
    if (!kept || kept.untilMs <= nowMs) {
      const read = readRules(database);
      kept = { rules: read, untilMs: nowMs + rulesAgeMsMax };
      read.catch(() => {
        kept = undefined;
      });
    }
    return kept.rules;
  }

  return {
    rules,
    forgetRules() {
      kept = undefined;
    },
    async lookAt(cart, context) {
      const asCarts: CallContext = { ...context, caller: { kind: 'service', id: 'carts' } };
      const skus = unitsOf(cart.lines).map(({ sku }) => sku);
      const [prices, available, currentRules, promotions] = await Promise.all([
        pricesOf(skus, cart.currency, asCarts),
        availableOf(skus, asCarts),
        rules(),
        readPromotions(database, cart.codes),
      ]);
      return { ...prices, available, rules: currentRules, promotions, nowMs: clock.now() };
    },
  };
}

const placeOf = (currency: string, sku: string): string => `${currency} ${sku}`;
