import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JournalEntry } from '#contracts/tills';
import { entriesPerCall, type Journal, type Told, tellAll } from './queue.ts';

/** The queue of a till against a shop that may be cut off at any place, before or after it has taken something. */

const entry = (seq: number, saleId: string): JournalEntry =>
  ({
    kind: 'sale',
    seq,
    saleId,
    sessionId: 's',
    at: '',
    lines: [],
    discounts: [],
    totalMinor: 1,
    tenders: [],
  }) as never;

interface Row {
  entry: JournalEntry;
  isTold: boolean;
  refusedFor?: string;
}

function deviceWith(rows: Row[]) {
  const journal: Journal = {
    untold: async (max, without) =>
      rows
        .filter((row) => !row.isTold && !without.has(row.entry.seq))
        .sort((a, b) => a.entry.seq - b.entry.seq)
        .slice(0, max)
        .map((row) => row.entry),
    told: async (seqs) => {
      for (const row of rows) if (seqs.includes(row.entry.seq)) row.isTold = true;
    },
    renumber: async (seq, above) => {
      const next = Math.max(above, ...rows.map((row) => row.entry.seq)) + 1;
      const row = rows.find((each) => each.entry.seq === seq);
      if (row) row.entry = { ...row.entry, seq: next };
    },
    refused: async (seq, why) => {
      const row = rows.find((each) => each.entry.seq === seq);
      if (row) row.refusedFor = why;
    },
  };
  return journal;
}

const cutOff = new Error('cut off');

/** Takes all or nothing, each number once, as the service does. `cuts`: what becomes of each call. */
function shopWith(cuts: ('before' | 'after' | 'no')[], bad: ReadonlySet<string> = new Set()) {
  const taken = new Map<number, JournalEntry>();
  const arrivals: string[] = [];
  async function tell(entries: readonly JournalEntry[]): Promise<Told> {
    const cut = cuts.shift() ?? 'no';
    if (cut === 'before') throw cutOff;
    const idOf = (each: JournalEntry) => (each as { saleId: string }).saleId;
    const refused = entries.some((each) => bad.has(idOf(each)));
    const clash = entries.some(
      (each) => taken.has(each.seq) && idOf(taken.get(each.seq) as JournalEntry) !== idOf(each),
    );
    if (!refused && !clash) {
      for (const each of entries) {
        if (!taken.has(each.seq)) arrivals.push(idOf(each));
        taken.set(each.seq, each);
      }
    }
    if (cut === 'after') throw cutOff;
    if (refused) return { kind: 'refused', why: 'no such shape' };
    return clash ? { kind: 'number-taken', lastSeq: Math.max(...taken.keys()) } : { kind: 'taken', conflicts: [] };
  }
  return { tell, arrivals, taken };
}

async function tellUntilDone(journal: Journal, tell: Parameters<typeof tellAll>[1], roundsMax = 200): Promise<void> {
  for (let round = 0; round < roundsMax; round++) {
    try {
      await tellAll(journal, tell);
      return;
    } catch (error) {
      if (error !== cutOff) throw error;
    }
  }
  throw new Error('never done');
}

test('every sale arrives exactly once, wherever the connection breaks and whatever numbers were used meanwhile', async () => {
  const cuts = fc.array(fc.constantFrom('before', 'after', 'no') as fc.Arbitrary<'before' | 'after' | 'no'>, {
    maxLength: 40,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 250 }),
      cuts,
      fc.array(fc.integer({ min: 1, max: 30 })),
      async (count, broken, used) => {
        const rows: Row[] = Array.from({ length: count }, (_, i) => ({
          entry: entry(i + 1, `sale ${i}`),
          isTold: false,
        }));
        const { tell, arrivals, taken } = shopWith([...broken]);
        // Another device of the same till was there in the meantime.
        for (const seq of used) taken.set(seq, entry(seq, `other ${seq}`));
        await tellUntilDone(deviceWith(rows), tell);
        expect(rows.every(({ isTold }) => isTold)).toBe(true);
        expect([...arrivals].sort()).toEqual(rows.map((_, i) => `sale ${i}`).sort());
      },
    ),
    { numRuns: 200 },
  );
});

test('an entry that the shop can’t take holds up none of the others, and stays', async () => {
  const rows: Row[] = Array.from({ length: entriesPerCall + 5 }, (_, i) => ({
    entry: entry(i + 1, `sale ${i}`),
    isTold: false,
  }));
  const { tell, arrivals } = shopWith([], new Set(['sale 3']));
  expect(await tellAll(deviceWith(rows), tell)).toBe(entriesPerCall + 4);
  expect(arrivals).not.toContain('sale 3');
  expect(rows.filter(({ isTold }) => !isTold)).toMatchObject([{ refusedFor: 'no such shape' }]);
});

test('this test finds a queue that forgets what it was not sure of', async () => {
  const rows: Row[] = [{ entry: entry(1, 'sale 0'), isTold: false }];
  const { tell, arrivals } = shopWith(['before']);
  const forgetful = async (entries: readonly JournalEntry[]): Promise<Told> =>
    tell(entries).catch(() => ({ kind: 'taken', conflicts: [] }) as const);
  await tellUntilDone(deviceWith(rows), forgetful);
  expect(arrivals).toEqual([]);
});
