import type { PromotionInput, ShippingMethod, TaxRule } from '#contracts/carts';

/** Taxes and rates that our own little shop opens with: examples. What you owe, someone who knows your case can tell. */

const vat = (country: string, standard: number, books = standard, name = 'VAT'): TaxRule => ({
  country,
  name,
  included: true,
  rates: { standard, books },
});

const salesTax = (region: string, standard: number, shipping = 0): TaxRule => ({
  country: 'US',
  region,
  name: 'Sales tax',
  included: false,
  rates: { standard, shipping },
});

export const seedTaxes: readonly TaxRule[] = [
  vat('AT', 200_000, 100_000),
  vat('BE', 210_000, 60_000),
  vat('DE', 190_000, 70_000),
  vat('ES', 210_000, 40_000, 'IVA'),
  vat('FI', 255_000, 140_000),
  vat('FR', 200_000, 55_000, 'TVA'),
  vat('GB', 200_000, 0),
  vat('IE', 230_000, 0),
  vat('IT', 220_000, 40_000, 'IVA'),
  vat('JP', 100_000, 100_000, 'Consumption tax'),
  vat('NL', 210_000, 90_000, 'BTW'),
  vat('PT', 230_000, 60_000, 'IVA'),
  { country: 'US', name: 'Sales tax', included: false, rates: { standard: 0 } },
  salesTax('CA', 72_500),
  salesTax('NY', 88_750, 88_750),
  salesTax('TX', 62_500, 62_500),
  salesTax('WA', 65_000, 65_000),
];

export const seedTaxClasses = [
  { sku: 'HF-BOOK-PB', taxClass: 'books' },
  { sku: 'HF-BOOK-HB', taxClass: 'books' },
];

const home = ['AT', 'BE', 'DE', 'ES', 'FI', 'FR', 'IE', 'IT', 'NL', 'PT'];
const amounts = (EUR: number, USD: number, GBP: number) => ({ EUR, USD, GBP });

export const seedShipping: readonly ShippingMethod[] = [
  {
    id: 'standard',
    name: 'Standard post',
    days: '3–5 days',
    rates: [
      { countries: home, amounts: amounts(490, 550, 430), freeFrom: amounts(10_000, 11_000, 8_500) },
      { countries: ['GB'], amounts: amounts(690, 750, 590), freeFrom: amounts(12_000, 13_000, 10_000) },
      { countries: ['US', 'JP'], amounts: amounts(1_490, 1_590, 1_290) },
    ],
  },
  {
    id: 'express',
    name: 'Express',
    days: '1–2 days',
    rates: [
      { countries: home, amounts: amounts(1_290, 1_390, 1_090) },
      { countries: ['GB', 'US', 'JP'], amounts: amounts(2_990, 3_190, 2_590) },
    ],
  },
];

export const seedPromotions: Readonly<Record<string, PromotionInput>> = {
  WELCOME10: {
    name: 'Ten per cent off your first order',
    offer: { kind: 'percentage', ratePpm: 100_000 },
    perCustomerMax: 1,
  },
  ROPE5: {
    name: 'Five off from fifty',
    offer: { kind: 'amount', amounts: amounts(500, 500, 500) },
    minimum: amounts(5_000, 5_000, 5_000),
  },
};
