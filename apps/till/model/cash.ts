/** Notes and coins, in units of the currency. Where we know no better, as the euro's. */
const notes = [5, 10, 20, 50, 100, 200, 500];
const coins = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2];
const ofCurrency: Readonly<Record<string, { readonly notes: readonly number[]; readonly coins: readonly number[] }>> = {
  USD: { notes: [1, 5, 10, 20, 50, 100], coins: [0.01, 0.05, 0.1, 0.25] },
  GBP: { notes: [5, 10, 20, 50], coins },
  JPY: { notes: [1_000, 2_000, 5_000, 10_000], coins: [1, 5, 10, 50, 100, 500] },
};
const suggestionsMax = 4;

/** Minor units in one unit: 100 for EUR, 1 for JPY. */
export function minorPerUnit(currency: string): number {
  const { maximumFractionDigits = 2 } = new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions();
  return 10 ** maximumFractionDigits;
}

const kinds = (currency: string) => ofCurrency[currency] ?? { notes, coins };

/** What a customer is likely to hand over: the sum itself, then the next amounts that notes make, least first. */
export function likelyAmounts(dueMinor: number, currency: string): number[] {
  const per = minorPerUnit(currency);
  const round = kinds(currency).notes.map((note) => Math.ceil(dueMinor / (note * per)) * note * per);
  const above = [...new Set(round)].filter((amount) => amount > dueMinor).sort((a, b) => a - b);
  return [dueMinor, ...above.slice(0, suggestionsMax - 1)];
}

export interface Piece {
  readonly valueMinor: number;
  readonly count: number;
}

/** Change in as few pieces as these notes and coins allow, largest first. */
export function piecesOf(changeMinor: number, currency: string): Piece[] {
  const per = minorPerUnit(currency);
  const all = [...kinds(currency).notes, ...kinds(currency).coins].map((value) => Math.round(value * per));
  let left = changeMinor;
  return all
    .sort((a, b) => b - a)
    .flatMap((valueMinor) => {
      const count = Math.floor(left / valueMinor);
      left -= count * valueMinor;
      return count > 0 ? [{ valueMinor, count }] : [];
    });
}

/** Of what is handed over, what stays in the drawer and what goes back. */
export function takeCash(dueMinor: number, givenMinor: number): { keptMinor: number; changeMinor: number } {
  const keptMinor = Math.min(dueMinor, givenMinor);
  return { keptMinor, changeMinor: givenMinor - keptMinor };
}
