import Type, { type Static } from 'typebox';
import { AmountMinor, Currency, closed, Quantity, Sku } from './common.ts';

/** What something costs, with its parts. Computed by `computeTotals` (contracts/pricing.ts) and nowhere else. */

/** Parts per million: 19 % is 190000, New York City's 8.875 % is 88750. */
export const RatePpm = Type.Integer({
  minimum: 0,
  maximum: 1_000_000,
  description: 'Parts per million: 19 % is 190000',
});

export const LineTax = closed({
  name: Type.String({ maxLength: 60, description: 'VAT, sales tax …' }),
  ratePpm: RatePpm,
  amountMinor: AmountMinor,
  included: Type.Boolean({ description: 'true: it is within the price; false: it comes on top' }),
});
export type LineTax = Static<typeof LineTax>;

const TotalsLine = closed({
  sku: Sku,
  name: Type.String(),
  quantity: Quantity,
  unitPriceMinor: AmountMinor,
  totalMinor: Type.Integer({ description: 'quantity × unitPriceMinor, before discounts' }),
  discountMinor: Type.Integer({ minimum: 0, description: 'This line’s share of the discounts' }),
  tax: Type.Optional(LineTax),
});

const Discount = closed({
  code: Type.Optional(Type.String()),
  name: Type.String(),
  amountMinor: Type.Integer({ minimum: 0, description: 'Taken off' }),
});

const ShippingPart = closed({
  method: Type.String(),
  name: Type.String(),
  amountMinor: Type.Integer({ minimum: 0 }),
  tax: Type.Optional(LineTax),
});

const TaxPart = closed({
  name: Type.String(),
  ratePpm: RatePpm,
  included: Type.Boolean(),
  baseMinor: Type.Integer({ description: 'What it is reckoned on: without the tax, whether that is included or not' }),
  amountMinor: Type.Integer({ description: 'Sum of the taxes of the lines, each rounded by itself' }),
});

export const Totals = closed({
  currency: Currency,
  lines: Type.Array(TotalsLine),
  subtotalMinor: Type.Integer({ description: 'Goods before discounts' }),
  discounts: Type.Array(Discount),
  discountMinor: Type.Integer({ minimum: 0 }),
  shipping: Type.Optional(ShippingPart),
  shippingMinor: Type.Integer({ minimum: 0 }),
  taxes: Type.Array(TaxPart, { description: 'By rate' }),
  taxIncludedMinor: Type.Integer({ minimum: 0, description: 'Within totalMinor already' }),
  taxAddedMinor: Type.Integer({ minimum: 0, description: 'On top' }),
  totalMinor: Type.Integer({ minimum: 0, description: 'subtotal − discount + shipping + taxAdded: what is charged' }),
});
export type Totals = Static<typeof Totals>;
