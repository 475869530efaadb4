import { fromMajor, toMajor } from './money.ts';
import type { Amounts } from './promotions.ts';

/** Amounts as they are typed, in major units, by currency. An empty one is none. */
export type TypedAmounts = Record<string, string>;

/** Of each of `currencies`, and of others that are set already: what is not shown would be lost when it is saved. */
export const typedOf = (amounts: Amounts = {}, currencies: readonly string[]): TypedAmounts =>
  Object.fromEntries(
    [...new Set([...currencies, ...Object.keys(amounts)])].map((currency) => {
      const amountMinor = amounts[currency];
      return [currency, amountMinor === undefined ? '' : toMajor(amountMinor, currency)];
    }),
  );

/** Undefined when one of them is no amount of its currency. */
export function amountsOf(typed: TypedAmounts): Record<string, number> | undefined {
  const amounts: Record<string, number> = {};
  for (const [currency, text] of Object.entries(typed)) {
    if (text.trim() === '') continue;
    const amountMinor = fromMajor(text, currency);
    if (amountMinor === undefined) return undefined;
    amounts[currency] = amountMinor;
  }
  return amounts;
}
