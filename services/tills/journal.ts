import { isDeepStrictEqual } from 'node:util';
import type { PricingRules } from '#contracts/carts';
import { saleTotals } from '#contracts/till-journal';
import { type JournalEntry, type ReturnEntry, tillsProblems } from '#contracts/tills';
import type { Database, Transaction } from '#kit/runtime';
import { isUniqueViolation } from '#kit/store';
import { returnedEvent, soldEvent, type TillDraft } from './events.ts';
import { type EntryRecord, type Found, judgeReturn, judgeSale, type TillRecord } from './model.ts';
import { closedAt, entriesAt, insertConflicts, insertEntries, lockTill, readReturns, readSales } from './store.ts';

/** Writes events in the transaction of what they tell of. */
export type Publish = (tx: Transaction, events: readonly TillDraft[]) => Promise<void>;

export interface Recorded {
  readonly entries: readonly { readonly seq: number; readonly isNew: boolean }[];
}

/**
 * Takes entries of a till's journal. They are facts: what contradicts something is booked and noted beside it. An entry
 * that arrived before changes nothing, so a till may send whatever it is not sure of.
 */
export async function recordEntries(
  database: Database,
  till: TillRecord,
  keyHash: string,
  sent: readonly JournalEntry[],
  rules: PricingRules,
  publish: Publish,
): Promise<Recorded> {
  return database.transaction(async (tx) => {
    if (!(await lockTill(tx, till.id, keyHash))) throw tillsProblems['device-refused']();
    const entries = [...sent].sort((a, b) => a.seq - b.seq);
    const known = await entriesAt(
      tx,
      till.id,
      entries.map(({ seq }) => seq),
    );
    const bodies = new Map(known.map(({ seq, body }) => [seq, body]));
    const fresh: EntryRecord[] = [];
    const taken = entries.map((body) => {
      const before = bodies.get(body.seq);
      if (before && !isDeepStrictEqual(before, body)) {
        throw tillsProblems['entry-differs']({ detail: `entry ${body.seq} is another one`, data: { seq: body.seq } });
      }
      if (!before) {
        bodies.set(body.seq, body);
        const totals = body.kind === 'sale' ? saleTotals(body, till, rules) : null;
        fresh.push({ tillId: till.id, seq: body.seq, body, totals });
      }
      return { seq: body.seq, isNew: !before };
    });
    const { conflicts, sales } = await judge(tx, till.id, fresh);
    await Promise.all([insertEntries(tx, fresh).catch(refuseSecondSale), insertConflicts(tx, conflicts)]);
    const events = fresh.flatMap((record) => eventOf(till, record, sales));
    if (events.length > 0) await publish(tx, events);
    return { entries: taken };
  });
}

/** Sales and returns are told to whoever listens; what the drawer does is nobody else’s business. */
function eventOf(till: TillRecord, record: EntryRecord, sales: ReadonlyMap<string, EntryRecord>): TillDraft[] {
  const { body } = record;
  if (body.kind === 'sale') return [soldEvent(till, record)];
  return body.kind === 'return' ? [returnedEvent(till, body, sales.get(body.saleId))] : [];
}

function refuseSecondSale(error: unknown): never {
  if (!isUniqueViolation(error)) throw error;
  throw tillsProblems['entry-differs']({ detail: 'another entry has the id of this sale', cause: error });
}

async function judge(tx: Transaction, tillId: string, fresh: readonly EntryRecord[]) {
  const returns = fresh.flatMap(({ body }) => (body.kind === 'return' ? [body] : []));
  const saleIds = [...new Set(returns.map(({ saleId }) => saleId))];
  const sessionIds = [...new Set(fresh.map(({ body }) => body.sessionId))];
  const [soldBefore, backBefore, closed] = await Promise.all([
    readSales(tx, saleIds),
    readReturns(tx, saleIds),
    closedAt(tx, tillId, sessionIds),
  ]);
  const sales = new Map(
    [...soldBefore, ...fresh].flatMap((row) => (row.body.kind === 'sale' ? [[row.body.saleId, row]] : [])),
  );
  const back: ReturnEntry[] = [...backBefore];
  for (const { body, seq } of fresh) {
    if (body.kind === 'close' && !closed.has(body.sessionId)) closed.set(body.sessionId, seq);
  }
  const conflicts = fresh.flatMap(({ body, seq, totals }) => {
    const found: Found[] = [];
    if (body.kind === 'sale' && totals) found.push(...judgeSale(body, totals));
    if (body.kind === 'return') {
      const { saleId } = body;
      const before = back.filter((entry) => entry.saleId === saleId);
      found.push(...judgeReturn(body, sales.get(saleId), before));
      back.push(body);
    }
    const closedSeq = closed.get(body.sessionId);
    if (closedSeq !== undefined && closedSeq < seq) {
      found.push({ kind: 'after-close', detail: `${body.sessionId} was closed by entry ${closedSeq}` });
    }
    // One of a kind is noted for an entry: the first says enough to look at it.
    const kinds = new Map(found.toReversed().map((one) => [one.kind, one]));
    return [...kinds.values()].map((one) => ({ ...one, tillId, seq }));
  });
  return { conflicts, sales };
}
