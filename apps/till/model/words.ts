import type { Conflict, JournalEntry } from '#contracts/tills';

/** What an entry of the journal is, for people. */
export function wordOf(entry: JournalEntry): string {
  switch (entry.kind) {
    case 'sale': {
      const units = entry.lines.reduce((sum, { quantity }) => sum + quantity, 0);
      const how = entry.tenders.map(({ kind }) => kind).join(' and ');
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

/** What staff should know, and do. */
export const conflictWords: Readonly<Record<Conflict['kind'], string>> = {
  'share-exceeded': 'More was sold than this till had. Count the shelf; staff correct the stock.',
  'total-differs': 'The shop comes to another total. A tax or rule may have changed meanwhile.',
  'tender-differs': 'What was taken or given back is not the total.',
  'unknown-sale': 'The sale that this return is of is not known to the shop.',
  'not-sold': 'More came back than was sold, or it came back twice.',
  'card-not-charged': 'The card provider knows nothing of this payment.',
  'after-close': 'It belongs to a session that was closed.',
};
