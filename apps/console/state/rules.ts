import type { PricingRules, ShippingMethod, TaxRule } from '#contracts/carts';

/** Currencies that somebody can pay shipping in, so that an order can be placed. */
export const currenciesOf = ({ shippingMethods }: Pick<PricingRules, 'shippingMethods'>): string[] =>
  [...new Set(shippingMethods.flatMap(({ rates }) => rates.flatMap(({ amounts }) => Object.keys(amounts))))].sort();

/** `DE`, or `US-CA`. */
export const placeOf = ({ country, region }: Pick<TaxRule, 'country' | 'region'>): string =>
  region === undefined ? country : `${country}-${region}`;

/** Countries as they are typed, `DE, AT FR`; undefined when one is no code of two letters. None: everywhere else. */
export function countriesOf(text: string): string[] | undefined {
  const codes = text
    .toUpperCase()
    .split(/[\s,]+/)
    .filter((code) => code !== '');
  return codes.every((code) => /^[A-Z]{2}$/.test(code)) ? [...new Set(codes)] : undefined;
}

export type ShippingRate = ShippingMethod['rates'][number];
