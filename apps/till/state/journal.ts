import type { PricingRules } from '#contracts/carts';
import type { JournalEntry, Till } from '#contracts/tills';
import { saleTotals, unitsOf } from '../../../contracts/till-journal.ts';
import type { Journal } from '../model/queue.ts';
import type { Device, Kept, OpenSession, TillDatabase } from './database.ts';

/** An entry before it has its number. */
export type NewEntry = JournalEntry extends infer Each
  ? Each extends JournalEntry
    ? Omit<Each, 'seq'>
    : never
  : never;

/** The goods are gone from this till’s share meanwhile: nothing was written. */
export class ShareSpent extends Error {
  readonly sku: string;
  readonly onHand: number;
  constructor(sku: string, onHand: number) {
    super(`this till has ${onHand} of ${sku}`);
    this.sku = sku;
    this.onHand = onHand;
  }
}

/** What is written together with an entry. */
interface Beside {
  readonly rules?: PricingRules | undefined;
  readonly givenMinor?: number | undefined;
  /** Whether the basket that is kept becomes this entry, and is empty from here on. */
  readonly endsDraft?: boolean;
  /** The session that this entry opens, or null when it closes the one there is. */
  readonly session?: OpenSession | null;
}

const ofTill = (tillId: string) => IDBKeyRange.bound([tillId], [tillId, []]);

/**
 * Writes an entry under the next number, with all that follows from it, in one transaction that is on the disk when this
 * resolves (`durability: 'strict'`): whatever happens to the device then, the entry is told in the end, once. A sale that
 * is there already is not written again.
 */
export async function writeEntry(
  database: TillDatabase,
  till: Till,
  entry: NewEntry,
  beside: Beside = {},
): Promise<Kept> {
  const tx = database.transaction(['journal', 'share', 'value'], 'readwrite', { durability: 'strict' });
  tx.done.catch(() => {});
  const [journal, share, values] = [tx.objectStore('journal'), tx.objectStore('share'), tx.objectStore('value')];
  try {
    if (entry.kind === 'sale') {
      const before = (await journal.index('sale').getAll(entry.saleId)).find((each) => each.entry.kind === 'sale');
      if (before) return before;
    }
    const last = await journal.openKeyCursor(ofTill(till.id), 'prev');
    const device = (await values.get('device')) as Device | undefined;
    const seq = Math.max(last?.key[1] ?? 0, device?.lastSeq ?? 0) + 1;
    for (const [sku, units] of changesOf(entry)) {
      const onHand = (await share.get(sku))?.onHand ?? 0;
      if (units < 0 && onHand + units < 0) throw new ShareSpent(sku, onHand);
      await share.put({ sku, onHand: onHand + units });
    }
    const whole = { ...entry, seq } as JournalEntry;
    const kept: Kept = {
      tillId: till.id,
      seq,
      entry: whole,
      totals: whole.kind === 'sale' ? saleTotals(whole, till, beside.rules ?? { taxes: [] }) : null,
      sessionId: entry.sessionId,
      untold: 1,
      ...('saleId' in entry ? { saleId: entry.saleId } : {}),
      ...(beside.givenMinor === undefined ? {} : { givenMinor: beside.givenMinor }),
    };
    await journal.add(kept);
    if (beside.endsDraft) await values.delete('draft');
    if (beside.session === null) await values.delete('session');
    else if (beside.session) await values.put(beside.session, 'session');
    await tx.done;
    return kept;
  } catch (error) {
    // The browser has aborted it already where it refused a write itself.
    if (error instanceof ShareSpent) tx.abort();
    throw error;
  }
}

/** What an entry takes from the share (negative) or brings back to it. */
function changesOf(entry: NewEntry | JournalEntry): Map<string, number> {
  if (entry.kind === 'sale') return new Map([...unitsOf(entry.lines)].map(([sku, units]) => [sku, -units]));
  if (entry.kind !== 'return') return new Map();
  return unitsOf(entry.lines.filter(({ sellable }) => sellable));
}

/**
 * Takes the share as the shop tells it, less what it has not been told of. An entry that has arrived without this device
 * knowing is taken off twice until it knows: too little for a moment, never too much.
 */
export async function takeShare(
  database: TillDatabase,
  tillId: string,
  told: readonly { readonly sku: string; readonly onHand: number }[],
): Promise<void> {
  const tx = database.transaction(['journal', 'share'], 'readwrite');
  const untold = await tx.objectStore('journal').index('untold').getAll(untoldOf(tillId));
  const share = new Map(told.map(({ sku, onHand }) => [sku, onHand]));
  for (const { entry } of untold) {
    for (const [sku, units] of changesOf(entry)) share.set(sku, (share.get(sku) ?? 0) + units);
  }
  const store = tx.objectStore('share');
  await store.clear();
  await Promise.all([...share].map(([sku, onHand]) => store.put({ sku, onHand })));
  await tx.done;
}

const untoldOf = (tillId: string) => IDBKeyRange.bound([tillId, 1], [tillId, 1, []]);

/** Entries that have not been told: of this till, in order. */
export const untoldEntries = (database: TillDatabase, tillId: string): Promise<Kept[]> =>
  database.getAllFromIndex('journal', 'untold', untoldOf(tillId));

/** Those of other tills that this device was before: they wait until it is enrolled as that till again. */
export async function strandedTills(database: TillDatabase, tillId: string): Promise<string[]> {
  const untold = await database.getAllFromIndex('journal', 'untold');
  return [...new Set(untold.map((kept) => kept.tillId).filter((each) => each !== tillId))];
}

/** Entries that contradict something and that nobody has looked at. */
export const questions = (database: TillDatabase, tillId: string): Promise<Kept[]> =>
  database.getAllFromIndex('journal', 'question', [tillId, 1]);

/** Somebody has looked at it. It stays in the list, and in the console. */
export async function setSeen(database: TillDatabase, { tillId, seq }: Kept): Promise<void> {
  const tx = database.transaction('journal', 'readwrite');
  const kept = await tx.store.get([tillId, seq]);
  if (kept) {
    const { question, ...rest } = kept;
    await tx.store.put(rest);
  }
  await tx.done;
}

const forgetMax = 1_000;

/** Forgets the oldest entries that were told and looked at before `beforeMs`: the shop has them. */
export async function forgetOld(database: TillDatabase, tillId: string, beforeMs: number): Promise<void> {
  const tx = database.transaction('journal', 'readwrite');
  let cursor = await tx.store.openCursor(ofTill(tillId));
  // The last one stays, so that numbers go on behind it.
  const last = (await tx.store.openKeyCursor(ofTill(tillId), 'prev'))?.key[1] ?? 0;
  for (let count = 0; cursor && count < forgetMax; count++) {
    const { entry, untold, question, seq } = cursor.value;
    if (untold || question || seq === last || Date.parse(entry.at) >= beforeMs) break;
    await cursor.delete();
    cursor = await cursor.continue();
  }
  await tx.done;
}

/** The journal of a till as the queue reads and marks it. */
export function journalOf(database: TillDatabase, tillId: string): Journal {
  async function change(seq: number, how: (kept: Kept) => Kept): Promise<void> {
    const tx = database.transaction('journal', 'readwrite', { durability: 'strict' });
    const kept = await tx.store.get([tillId, seq]);
    if (kept) await tx.store.put(how(kept));
    await tx.done;
  }

  return {
    async untold(max, without) {
      const kept = await database.getAllFromIndex('journal', 'untold', untoldOf(tillId), max + without.size);
      return kept
        .filter(({ seq }) => !without.has(seq))
        .slice(0, max)
        .map(({ entry }) => entry);
    },
    async told(seqs, conflicts) {
      const tx = database.transaction('journal', 'readwrite', { durability: 'strict' });
      for (const seq of seqs) {
        const kept = await tx.store.get([tillId, seq]);
        if (!kept) continue;
        const { untold, refusedFor, ...rest } = kept;
        const found = conflicts.filter((conflict) => conflict.seq === seq);
        await tx.store.put({ ...rest, ...(found.length > 0 ? { conflicts: found, question: 1 } : {}) });
      }
      await tx.done;
    },
    async renumber(seq, above) {
      const tx = database.transaction('journal', 'readwrite', { durability: 'strict' });
      const last = await tx.store.openKeyCursor(ofTill(tillId), 'prev');
      const kept = await tx.store.get([tillId, seq]);
      if (kept) {
        const next = Math.max(last?.key[1] ?? 0, above) + 1;
        await tx.store.delete([tillId, seq]);
        await tx.store.add({ ...kept, seq: next, wasSeq: kept.wasSeq ?? seq, entry: { ...kept.entry, seq: next } });
      }
      await tx.done;
    },
    refused: (seq, why) => change(seq, (kept) => ({ ...kept, refusedFor: why })),
  };
}
