import type { Conflict, Till } from '#contracts/tills';

export const tillTone: Readonly<Record<Till['state'], 'positive' | 'info' | 'critical'>> = {
  enrolled: 'positive',
  waiting: 'info',
  revoked: 'critical',
};

/** What contradicts something, and what staff should do. */
export const conflictWords: Readonly<Record<Conflict['kind'], string>> = {
  'share-exceeded': 'More was sold than the till had: count the shelf and adjust the stock.',
  'total-differs': 'The till asked for another total than its lines come to.',
  'tender-differs': 'What was kept or given back is not the total.',
  'unknown-sale': 'A return of a sale that is not known here.',
  'not-sold': 'More came back than was sold.',
  'not-settled': 'Inventory or payments keep refusing this. It is told again every five minutes; look at their logs.',
  'card-not-charged': 'The card provider has not taken, or not given back, what the till says.',
  'after-close': 'It belongs to a session that was closed before, or never opened.',
};

/** Lines of `SKU quantity`, as people type or paste them; undefined where a line is not one. */
export function linesOf(text: string): { sku: string; quantity: number }[] | undefined {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const found = lines.map((line) => /^([^\s,;]+)[\s,;]+(\d{1,7})$/.exec(line));
  if (found.length === 0 || found.some((match) => match === null || Number(match[2]) < 1)) return undefined;
  return found.map((match) => ({ sku: match?.[1] as string, quantity: Number(match?.[2]) }));
}
