import type { Conflict, JournalEntry, Tender } from '#contracts/tills';
import { isByCard } from '../../../contracts/till-journal.ts';

/** What an entry of the journal is, for people. */
export function wordOf(entry: JournalEntry): string {
  switch (entry.kind) {
    case 'sale': {
      const units = entry.lines.reduce((sum, { quantity }) => sum + quantity, 0);
      const cards = entry.tenders.filter(({ kind }) => kind === 'card').length;
      const kinds = [...new Set(entry.tenders.map(({ kind }) => kind))];
      const how = kinds.map((kind) => (kind === 'card' && cards > 1 ? `${cards} cards` : kind)).join(' and ');
      return `Sale of ${units}${how === '' ? '' : `, ${how}`}${entry.offline ? ', offline' : ''}`;
    }
    case 'return':
      return `Return of ${entry.lines.reduce((sum, { quantity }) => sum + quantity, 0)}`;
    case 'cash':
      return `${entry.amountMinor < 0 ? 'Cash out' : 'Cash in'}: ${entry.reason}`;
    case 'open':
      return `Opened by ${entry.cashier}`;
    case 'close':
      return 'Closed';
  }
}

/** Which of the cards that have paid it is, from 1; undefined where it was the only one. */
function placeOf(paid: readonly Tender[], card = 1): number | undefined {
  const cards = paid.filter(({ kind }) => kind === 'card');
  return cards.length > 1 ? cards.findIndex(isByCard(card)) + 1 : undefined;
}

/** How a part of a sale was paid. `paid`: all its parts. */
export function tenderName(paid: readonly Tender[], { kind, card }: Tender): string {
  const place = placeOf(paid, card);
  if (kind === 'cash') return 'Cash';
  return place === undefined ? 'Card' : `Card ${place}`;
}

/** Where a part of a return goes. `paid`: how the sale was paid. */
export function backName(paid: readonly Tender[], { kind, card }: Tender): string {
  const place = placeOf(paid, card);
  if (kind === 'cash') return 'in cash';
  return place === undefined ? 'to the card' : `to card ${place}`;
}

/** What staff should know, and do. */
export const conflictWords: Readonly<Record<Conflict['kind'], string>> = {
  'share-exceeded': 'More was sold than this till had. Count the shelf; staff correct the stock.',
  'total-differs': 'The shop comes to another total. A tax or rule may have changed meanwhile.',
  'tender-differs': 'What was taken or given back is not the total.',
  'unknown-sale': 'The sale that this return is of is not known to the shop.',
  'not-sold': 'More came back than was sold, or it came back twice.',
  'not-settled': 'Stock or card payments have not taken this yet; they are told again by themselves.',
  'card-not-charged': 'The card provider has not taken, or not given back, what this says.',
  'after-close': 'It belongs to a session that was closed.',
};
