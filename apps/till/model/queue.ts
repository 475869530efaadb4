import type { Conflict, JournalEntry } from '#contracts/tills';

/** Where entries wait. Each of its calls is one transaction on the device. */
export interface Journal {
  /** The first entries that have not been told, in order, without those that were refused in this round. */
  untold(max: number, without: ReadonlySet<number>): Promise<readonly JournalEntry[]>;
  /** These have arrived; what contradicts something is kept beside them. */
  told(seqs: readonly number[], conflicts: readonly Conflict[]): Promise<void>;
  /** The shop has another entry under this number: this one gets the next that is free on both sides. */
  renumber(seq: number, above: number): Promise<void>;
  /** The shop can't take this entry as it is. It stays, is shown to staff and tried again in the next round. */
  refused(seq: number, why: string): Promise<void>;
}

/** What telling may end with, besides being cut off, which throws. */
export type Told =
  | { readonly kind: 'taken'; readonly conflicts: readonly Conflict[] }
  /** Nothing of it was taken. `lastSeq`: the last number that the shop knows. */
  | { readonly kind: 'number-taken'; readonly lastSeq: number }
  | { readonly kind: 'refused'; readonly why: string };

export const entriesPerCall = 100;
/** Calls in one round; what is left waits for the next. */
const callsMax = 1_000;

/**
 * Tells the shop every entry, in order, and marks what has arrived. May be cut off at any place and begun anew: an entry
 * that was told and not marked is told again under its number, which changes nothing there. A number is given away only
 * after the shop said that another entry has it, so an entry never arrives under two. Answers how many were told.
 */
export async function tellAll(
  journal: Journal,
  tell: (entries: readonly JournalEntry[]) => Promise<Told>,
): Promise<number> {
  let count = 0;
  let perCall = entriesPerCall;
  const passedOver = new Set<number>();
  for (let call = 0; call < callsMax; call++) {
    const entries = await journal.untold(perCall, passedOver);
    const first = entries[0];
    if (!first) break;
    const answer = await tell(entries);
    if (answer.kind === 'taken') {
      const seqs = entries.map(({ seq }) => seq);
      await journal.told(seqs, answer.conflicts);
      count += entries.length;
    } else if (entries.length > 1) {
      // One of them is the culprit: from here on one by one, so that it holds up none of the others.
      perCall = 1;
    } else if (answer.kind === 'number-taken') {
      await journal.renumber(first.seq, answer.lastSeq);
    } else {
      passedOver.add(first.seq);
      await journal.refused(first.seq, answer.why);
    }
  }
  return count;
}
