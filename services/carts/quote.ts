import {
  type CartLine,
  type CartNote,
  type CheckoutInput,
  cartsProblems,
  type Destination,
  type PricingRules,
  type ShippingOption,
} from '#contracts/carts';
import { type Basket, computeTotals, type Offer, type PricedLine, type TaxTable } from '#contracts/pricing';
import type { Totals } from '#contracts/totals';
import { type LineMap, unitsOf } from './lines.ts';
import type { CartRecord, PromotionRecord } from './records.ts';

/** What everyone else says at the moment: everything that a price depends on and the cart doesn't know. */
export interface Market {
  readonly prices: ReadonlyMap<string, { readonly name: string; readonly unitPriceMinor: number }>;
  /** When the oldest price is from, where the catalogue could not be asked. */
  readonly oldPrices?: { readonly sinceMs: number | undefined };
  /** Units that can be sold; SKUs that nobody knows about are missing. */
  readonly available: ReadonlyMap<string, number>;
  readonly rules: PricingRules;
  readonly promotions: ReadonlyMap<string, PromotionRecord>;
  readonly nowMs: number;
}

export interface Quote {
  readonly lines: readonly CartLine[];
  readonly totals: Totals | undefined;
  readonly shippingOptions: readonly ShippingOption[];
  readonly notes: readonly CartNote[];
}

export type Quotable = Pick<CartRecord, 'currency' | 'destination' | 'shippingMethod' | 'codes'> & {
  readonly lines: LineMap;
};

/** What a cart comes to, and what its shopper should know. */
export function quoteCart(cart: Quotable, market: Market): Quote {
  const units = unitsOf(cart.lines);
  const notes: CartNote[] = [];
  if (market.oldPrices) notes.push(oldPricesNote(market.oldPrices.sinceMs));
  const lines = units.map(({ sku, quantity }): CartLine => {
    const price = market.prices.get(sku);
    if (!price) {
      if (!market.oldPrices) notes.push({ kind: 'gone', sku });
      return { sku, quantity };
    }
    const available = market.available.get(sku);
    if (available !== undefined && available < quantity) {
      notes.push({ kind: 'short', sku, name: price.name, wanted: quantity, available });
    }
    const { name, unitPriceMinor } = price;
    return { sku, quantity, name, unitPriceMinor, totalMinor: unitPriceMinor * quantity };
  });
  const priced = pricedLines(lines, market.rules);
  if (priced.length === 0) return { lines, totals: undefined, shippingOptions: [], notes };
  try {
    const { basket, shippingOptions } = fillBasket(cart, priced, market, notes);
    return { lines, totals: computeTotals(basket), shippingOptions, notes };
  } catch (error) {
    if (error instanceof RangeError) throw cartsProblems.full({ detail: error.message, cause: error });
    throw error;
  }
}

function fillBasket(cart: Quotable, lines: readonly PricedLine[], market: Market, notes: CartNote[]) {
  const { currency, destination } = cart;
  const subtotalMinor = lines.reduce((sum, line) => sum + line.quantity * line.unitPriceMinor, 0);
  const offers = cart.codes.flatMap((code) => {
    const found = offerOf(code, market.promotions.get(code), { currency, subtotalMinor, nowMs: market.nowMs });
    if ('kind' in found) notes.push(found);
    return 'kind' in found ? [] : [found];
  });
  const taxes = destination && taxTableOf(market.rules, destination);
  const goods: Basket = { currency, lines, offers, ...(taxes ? { taxes } : {}) };
  if (!destination) return { basket: goods, shippingOptions: [] };
  const { discountMinor } = computeTotals(goods);
  const shippingOptions = shippingTo(market.rules, destination, currency, subtotalMinor - discountMinor);
  const chosen = shippingOptions.find(({ method }) => method === cart.shippingMethod) ?? shippingOptions[0];
  if (!chosen && market.rules.shippingMethods.length > 0) {
    notes.push({ kind: 'no-shipping', country: destination.country });
  }
  return { basket: { ...goods, ...(chosen ? { shipping: chosen } : {}) }, shippingOptions };
}

function pricedLines(lines: readonly CartLine[], { taxClasses }: PricingRules): PricedLine[] {
  const classOf = new Map(taxClasses.map(({ sku, taxClass }) => [sku, taxClass]));
  return lines.flatMap(({ sku, quantity, name, unitPriceMinor }) => {
    if (name === undefined || unitPriceMinor === undefined) return [];
    const taxClass = classOf.get(sku);
    return [{ sku, name, quantity, unitPriceMinor, ...(taxClass === undefined ? {} : { taxClass }) }];
  });
}

/** What a code takes off, or why it doesn't. */
function offerOf(
  code: string,
  promotion: PromotionRecord | undefined,
  at: { readonly currency: string; readonly subtotalMinor: number; readonly nowMs: number },
): Offer | Extract<CartNote, { kind: 'code' }> {
  const no = (reason: Extract<CartNote, { kind: 'code' }>['reason']) => ({ kind: 'code', code, reason }) as const;
  if (!promotion || promotion.body.active === false) return no('unknown');
  const { name, offer, minimum, skus, ordersMax, startsAt, endsAt } = promotion.body;
  if (startsAt !== undefined && at.nowMs < Date.parse(startsAt)) return no('not-yet');
  if (endsAt !== undefined && at.nowMs >= Date.parse(endsAt)) return no('over');
  if (ordersMax !== undefined && promotion.used >= ordersMax) return no('used-up');
  const amountMinor = offer.kind === 'amount' ? offer.amounts[at.currency] : 0;
  const minimumMinor = minimum === undefined ? 0 : minimum[at.currency];
  if (amountMinor === undefined || minimumMinor === undefined) return no('other-currency');
  if (at.subtotalMinor < minimumMinor) return { ...no('below-minimum'), minimumMinor };
  const off = offer.kind === 'amount' ? { kind: offer.kind, amountMinor } : offer;
  return { code, name, off, minimumMinor, ...(skus ? { skus } : {}) };
}

/** The taxes of the region where it has some of its own, else of the country; none where there is no rule. */
export function taxTableOf({ taxes }: PricingRules, { country, region }: Destination): TaxTable | undefined {
  const ofCountry = taxes.filter((rule) => rule.country === country);
  return (
    ofCountry.find((rule) => rule.region !== undefined && rule.region === region) ??
    ofCountry.find((rule) => rule.region === undefined)
  );
}

/** Ways of shipping, cheapest first. */
function shippingTo(
  { shippingMethods }: PricingRules,
  { country }: Destination,
  currency: string,
  goodsMinor: number,
): ShippingOption[] {
  const options = shippingMethods.flatMap(({ id, name, days, rates }): ShippingOption[] => {
    const rate = rates.find(({ countries }) => countries.length === 0 || countries.includes(country));
    const amountMinor = rate?.amounts[currency];
    if (amountMinor === undefined) return [];
    const freeFromMinor = rate?.freeFrom?.[currency];
    const isFree = freeFromMinor !== undefined && goodsMinor >= freeFromMinor;
    return [{ method: id, name, amountMinor: isFree ? 0 : amountMinor, ...(days === undefined ? {} : { days }) }];
  });
  return options.sort((a, b) => a.amountMinor - b.amountMinor || (a.method < b.method ? -1 : 1));
}

function oldPricesNote(sinceMs: number | undefined): CartNote {
  return { kind: 'old-prices', ...(sinceMs === undefined ? {} : { since: new Date(sinceMs).toISOString() }) };
}

/** What is otherwise than the shopper saw it, or can't be placed at all. None: the order may be placed. */
export function changesSince(seen: CheckoutInput['seen'], quote: Quote): CartNote[] {
  const now = new Map(quote.lines.map((line) => [line.sku, line]));
  const changes: CartNote[] = quote.notes.filter(({ kind }) => kind === 'short' || kind === 'no-shipping');
  for (const { sku, unitPriceMinor: fromMinor } of seen.lines ?? []) {
    const { name = sku, unitPriceMinor: toMinor } = now.get(sku) ?? {};
    if (toMinor === undefined) changes.push({ kind: 'gone', sku });
    else if (toMinor !== fromMinor) changes.push({ kind: 'price', sku, name, fromMinor, toMinor });
  }
  const toMinor = quote.totals?.totalMinor ?? 0;
  if (toMinor !== seen.totalMinor) {
    const told = new Set(changes.flatMap((change) => ('sku' in change ? [change.sku] : [])));
    const causes = quote.notes.filter((note) => note.kind === 'code' || (note.kind === 'gone' && !told.has(note.sku)));
    changes.push(...causes, { kind: 'total', fromMinor: seen.totalMinor, toMinor });
  }
  return changes;
}
