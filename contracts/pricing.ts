import type { WantedLine } from './orders.ts';
import type { LineTax, Totals } from './totals.ts';

/**
 * The one place where totals are computed: carts, tills and what people look at them with all call it, so what is shown
 * is what is charged. Pure, integers of minor units only, nothing but types imported: it runs in a browser as it is.
 */

export interface PricedLine {
  readonly sku: string;
  readonly name: string;
  readonly quantity: number;
  readonly unitPriceMinor: number;
  /** Default `standard`. */
  readonly taxClass?: string;
}

/** What is taken off the goods. Offers apply in order, each to what those before it have left. */
export interface Offer {
  readonly code?: string;
  readonly name: string;
  readonly off:
    | { readonly kind: 'percentage'; readonly ratePpm: number }
    | { readonly kind: 'amount'; readonly amountMinor: number };
  /** Of goods before discounts; below it the offer takes nothing off. Default 0. */
  readonly minimumMinor?: number;
  /** Only these lines. Default all. */
  readonly skus?: readonly string[];
}

/** Taxes at the destination. `rates` by tax class; `standard` serves every class without one; `shipping` is a class. */
export interface TaxTable {
  readonly name: string;
  readonly included: boolean;
  readonly rates: Readonly<Record<string, number>>;
}

export interface ShippingChoice {
  readonly method: string;
  readonly name: string;
  readonly amountMinor: number;
  /** Free when the goods after discounts come to so much. */
  readonly freeFromMinor?: number;
}

export interface Basket {
  readonly currency: string;
  readonly lines: readonly PricedLine[];
  readonly offers?: readonly Offer[];
  readonly taxes?: TaxTable;
  readonly shipping?: ShippingChoice;
}

const ppm = 1_000_000;

/**
 * Totals with their parts. Each line's tax is rounded by itself (half up), so the sums on an invoice add up to the unit;
 * a discount on several lines is shared out by largest remainder, so that its shares sum to it. Throws a RangeError for
 * amounts that are no longer exact.
 */
export function computeTotals(basket: Basket): Totals {
  const { currency, lines, offers = [], taxes, shipping: choice } = basket;
  const gross = lines.map(({ quantity, unitPriceMinor }) => exact(quantity * unitPriceMinor));
  const subtotalMinor = sum(gross);
  const { discounts, left } = takeOff(offers, lines, gross, subtotalMinor);
  const discountMinor = sum(discounts.map(({ amountMinor }) => amountMinor));
  const totalsLines = lines.map(({ sku, name, quantity, unitPriceMinor, taxClass }, i) => {
    const totalMinor = gross[i] as number;
    const leftMinor = left[i] as number;
    const tax = taxOf(taxes, taxClass ?? 'standard', leftMinor);
    const line = { sku, name, quantity, unitPriceMinor, totalMinor, discountMinor: totalMinor - leftMinor };
    return { ...line, ...(tax ? { tax } : {}) };
  });
  const shipping = choice && shippingPart(choice, taxes, subtotalMinor - discountMinor);
  const shippingMinor = shipping?.amountMinor ?? 0;
  const taxed = [
    ...totalsLines.map(({ tax }, i) => ({ tax, amountMinor: left[i] as number })),
    ...(shipping ? [{ tax: shipping.tax, amountMinor: shippingMinor }] : []),
  ];
  const parts = taxParts(taxed);
  const taxSum = (included: boolean) =>
    sum(parts.flatMap((part) => (part.included === included ? [part.amountMinor] : [])));
  const taxAddedMinor = taxSum(false);
  return {
    currency,
    lines: totalsLines,
    subtotalMinor,
    discounts,
    discountMinor,
    ...(shipping ? { shipping } : {}),
    shippingMinor,
    taxes: parts,
    taxIncludedMinor: taxSum(true),
    taxAddedMinor,
    totalMinor: exact(subtotalMinor - discountMinor + shippingMinor + taxAddedMinor),
  };
}

/** The totals as lines of an order. Their sum is `totalMinor`, to the unit. */
export function orderLinesOf(totals: Totals): WantedLine[] {
  const money = (kind: 'discount' | 'shipping' | 'tax', name: string, amountMinor: number): WantedLine => ({
    kind,
    name,
    quantity: 1,
    unitPriceMinor: amountMinor,
    totalMinor: amountMinor,
  });
  const { shipping } = totals;
  return [
    ...totals.lines.map(({ sku, name, quantity, unitPriceMinor, totalMinor, discountMinor, tax }): WantedLine => {
      const line = { kind: 'goods', sku, name, quantity, unitPriceMinor, totalMinor } as const;
      return { ...line, ...(discountMinor > 0 ? { discountMinor } : {}), ...(tax ? { tax } : {}) };
    }),
    ...totals.discounts.map(({ code, name, amountMinor }) =>
      money('discount', code === undefined ? name : `${name} (${code})`, -amountMinor),
    ),
    ...(shipping
      ? [{ ...money('shipping', shipping.name, shipping.amountMinor), ...(shipping.tax ? { tax: shipping.tax } : {}) }]
      : []),
    ...totals.taxes
      .filter(({ included, amountMinor }) => !included && amountMinor > 0)
      .map(({ name, ratePpm, amountMinor }) => money('tax', `${name} ${percentText(ratePpm)}`, amountMinor)),
  ];
}

/** What a line costs in the end: less its share of the discounts, with taxes that come on top. */
export function paidFor(line: {
  readonly totalMinor: number;
  readonly discountMinor?: number;
  readonly tax?: LineTax;
}): number {
  const { totalMinor, discountMinor = 0, tax } = line;
  return totalMinor - discountMinor + (tax && !tax.included ? tax.amountMinor : 0);
}

/** What goes back for `quantity` more of `bought` units, `back` of which came back before. All parts sum to what was paid. */
export function refundFor(paidMinor: number, bought: number, back: number, quantity: number): number {
  const paidUpTo = (units: number) => Number((BigInt(paidMinor) * BigInt(units)) / BigInt(bought));
  return paidUpTo(back + quantity) - paidUpTo(back);
}

/** 190000 is `19 %`, 88750 `8.875 %`. */
export function percentText(ratePpm: number): string {
  return `${ratePpm / (ppm / 100)} %`;
}

function takeOff(offers: readonly Offer[], lines: readonly PricedLine[], gross: readonly number[], subtotal: number) {
  let left = [...gross];
  const discounts: { code?: string; name: string; amountMinor: number }[] = [];
  for (const { code, name, off, minimumMinor = 0, skus } of offers) {
    if (subtotal < minimumMinor) continue;
    const open = left.map((amount, i) => (!skus || skus.includes(lines[i]?.sku as string) ? amount : 0));
    const openMinor = sum(open);
    const wanted = off.kind === 'amount' ? off.amountMinor : share(openMinor, off.ratePpm, ppm);
    const amountMinor = Math.min(wanted, openMinor);
    if (amountMinor <= 0) continue;
    const shares = shareOut(amountMinor, open);
    left = left.map((amount, i) => amount - (shares[i] as number));
    discounts.push({ ...(code === undefined ? {} : { code }), name, amountMinor });
  }
  return { discounts, left };
}

/** Shares `amount` out in proportion to `weights` (Hamilton's method): whole units, summing to it, none above its weight. */
export function shareOut(amount: number, weights: readonly number[]): number[] {
  const total = sum(weights);
  if (total === 0) return weights.map(() => 0);
  const whole = weights.map((weight) => Number((BigInt(amount) * BigInt(weight)) / BigInt(total)));
  const rest = weights.map((weight) => (BigInt(amount) * BigInt(weight)) % BigInt(total));
  const byRest = rest.map((_, i) => i).sort((a, b) => compare(rest[b] as bigint, rest[a] as bigint) || a - b);
  const missing = amount - sum(whole);
  for (const i of byRest.slice(0, missing)) whole[i] = (whole[i] as number) + 1;
  return whole;
}

function shippingPart(choice: ShippingChoice, taxes: TaxTable | undefined, goodsMinor: number) {
  const { method, name, freeFromMinor } = choice;
  const amountMinor = freeFromMinor !== undefined && goodsMinor >= freeFromMinor ? 0 : choice.amountMinor;
  const tax = taxOf(taxes, 'shipping', amountMinor);
  return { method, name, amountMinor, ...(tax ? { tax } : {}) };
}

function taxOf(taxes: TaxTable | undefined, taxClass: string, amountMinor: number): LineTax | undefined {
  if (!taxes) return undefined;
  const { name, included, rates } = taxes;
  const ratePpm = Object.hasOwn(rates, taxClass) ? rates[taxClass] : rates['standard'];
  if (ratePpm === undefined) return undefined;
  return { name, ratePpm, included, amountMinor: share(amountMinor, ratePpm, included ? ppm + ratePpm : ppm) };
}

function taxParts(taxed: readonly { readonly tax: LineTax | undefined; readonly amountMinor: number }[]) {
  const parts = new Map<string, Totals['taxes'][number]>();
  for (const { tax, amountMinor } of taxed) {
    if (!tax) continue;
    const { name, ratePpm, included } = tax;
    const place = `${name} ${ratePpm} ${included}`;
    const before = parts.get(place) ?? { baseMinor: 0, amountMinor: 0 };
    const baseMinor = before.baseMinor + (included ? amountMinor - tax.amountMinor : amountMinor);
    parts.set(place, { name, ratePpm, included, baseMinor, amountMinor: before.amountMinor + tax.amountMinor });
  }
  return [...parts.values()].sort((a, b) => b.ratePpm - a.ratePpm);
}

/** `amount × part ÷ whole`, rounded half up. In big integers: the product may be beyond what a double holds exactly. */
export function share(amount: number, part: number, whole: number): number {
  const [product, divisor] = [BigInt(amount) * BigInt(part), BigInt(whole)];
  return Number((2n * product + divisor) / (2n * divisor));
}

function exact(amount: number): number {
  if (!Number.isSafeInteger(amount)) throw new RangeError(`${amount} minor units can not be told exactly`);
  return amount;
}

function sum(amounts: readonly number[]): number {
  return exact(amounts.reduce((total, amount) => total + amount, 0));
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
