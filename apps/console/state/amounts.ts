import { fromMajor, toMajor } from './money.ts';
import type { Amounts } from './promotions.ts';

/** Amounts as they are typed, in major units, by currency. An empty one is none. */
export type TypedAmounts = Record<string, string>;

export const typedOf = (amounts: Amounts | undefined, currencies: readonly string[]): TypedAmounts =>
  Object.fromEntries(
    currencies.map((currency) => {
      const amountMinor = amounts?.[currency];
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
