import { amountMinorMax, instantOf } from '#contracts/common';
import { type Entry, type EntryInput, paymentsProblems } from '#contracts/payments';
import { invalidInput } from '#kit/contract';
import { fingerprintOf } from '#kit/idempotency';
import type { Database, Queryable, Transaction } from '#kit/runtime';
import { type BatchWriter, Overtaken, readInParts, type Verdict } from '#kit/store';

/** Money that belongs to no order: one command a request, booked whole or not at all. */
export interface BookCommand {
  readonly entries: readonly EntryInput[];
}

export interface BookResult {
  readonly booked: number;
  readonly repeated: number;
}

interface EntryRow {
  readonly key: string;
  readonly fingerprint: string;
  readonly entry: EntryInput;
  readonly totalMinor: number;
}

const addEntriesSql = `
  insert into book_entry (key, fingerprint, currency, country, occurred_at, lines, total_minor)
  select key, fingerprint, currency, country, to_timestamp(occurred_at_ms / 1000), lines, total_minor
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::double precision[], $6::jsonb[], $7::bigint[])
    as new (key, fingerprint, currency, country, occurred_at_ms, lines, total_minor)
  order by key
  on conflict do nothing`;

/** Adds what is new in one statement, then sees whether all that is there is what was asked for. */
export async function applyEntries(tx: Transaction, commands: readonly BookCommand[]): Promise<Verdict<BookResult>[]> {
  const wanted = commands.map(({ entries }) => entries.map(rowOf));
  const known = await fingerprintsOf(
    tx,
    wanted.flat().map(({ key }) => key),
  );
  const fresh = new Map<string, EntryRow>();
  const verdicts = wanted.map((rows): Verdict<BookResult> => {
    const added = new Map<string, EntryRow>();
    const differing = new Set<string>();
    for (const row of rows) {
      const { key, fingerprint } = row;
      const there = known.get(key) ?? (fresh.get(key) ?? added.get(key))?.fingerprint;
      if (there === undefined) added.set(key, row);
      else if (there !== fingerprint) differing.add(key);
    }
    if (differing.size > 0) {
      const keys = [...differing];
      return { error: paymentsProblems['entry-differs']({ detail: keys.join(', ').slice(0, 500), data: { keys } }) };
    }
    for (const row of added.values()) fresh.set(row.key, row);
    return { ok: { booked: added.size, repeated: rows.length - added.size } };
  });
  await addEntries(tx, [...fresh.values()]);
  return verdicts;
}

function rowOf(entry: EntryInput): EntryRow {
  return { key: entry.key, fingerprint: fingerprintOf(entry), entry, totalMinor: sumOf(entry.lines) };
}

async function fingerprintsOf(tx: Transaction, keys: readonly string[]): Promise<Map<string, string>> {
  const { rows } = await tx.query<{ key: string; fingerprint: string }>(
    'select key, fingerprint from book_entry where key = any ($1::text[])',
    [keys],
  );
  return new Map(rows.map(({ key, fingerprint }) => [key, fingerprint]));
}

async function addEntries(tx: Transaction, rows: readonly EntryRow[]): Promise<void> {
  if (rows.length === 0) return;
  const { count } = await tx.query(addEntriesSql, [
    rows.map(({ key }) => key),
    rows.map(({ fingerprint }) => fingerprint),
    rows.map(({ entry }) => entry.currency),
    rows.map(({ entry }) => entry.country ?? null),
    rows.map(({ entry }) => instantOf(entry.occurredAt)),
    rows.map(({ entry }) => JSON.stringify(entry.lines)),
    rows.map(({ totalMinor }) => totalMinor),
  ]);
  if (count !== rows.length) throw new Overtaken('an entry was booked elsewhere at the same time');
}

interface KeptEntry {
  readonly key: string;
  readonly currency: string;
  readonly country: string | null;
  readonly occurredAt: Date;
  readonly lines: Entry['lines'];
  readonly totalMinor: number;
  readonly bookedAt: Date;
}

async function readEntries(database: Queryable, after: string, limit: number): Promise<readonly KeptEntry[]> {
  const { rows } = await database.query<KeptEntry>(
    `select key, currency, country, occurred_at as "occurredAt", lines, total_minor as "totalMinor",
       created_at as "bookedAt"
     from book_entry where key > $1 order by key limit $2`,
    [after, limit],
  );
  return rows;
}

const totalsSql = `
  select currency, sum(captured)::bigint as "capturedMinor", sum(refunded)::bigint as "refundedMinor",
    sum(booked)::bigint as "entriesMinor", sum(payments)::bigint as payments, sum(entries)::bigint as entries
  from (
    select currency, sum(captured_minor) as captured, sum(refunded_minor) as refunded, 0 as booked,
      count(*) as payments, 0 as entries
    from payment where currency <> '' group by currency
    union all
    select currency, 0, 0, sum(total_minor), 0, count(*) from book_entry group by currency) as each
  group by currency order by currency`;

export function createEntryHandlers(database: Database, writer: BatchWriter<BookCommand, BookResult>) {
  async function* allEntries(): AsyncIterable<Entry> {
    const rows = readInParts<KeptEntry>((last, limit) => readEntries(database, last?.key ?? '', limit));
    for await (const row of rows) yield viewOf(row);
  }

  return {
    bookEntries: async ({ body }: { readonly body: BookCommand }) => {
      checkEntries(body.entries);
      return { status: 200 as const, body: await writer.submit(body) };
    },
    exportEntries: async () => ({ status: 200 as const, body: allEntries() }),
    books: async () => {
      const [books, totals] = await Promise.all([
        database.query<{ id: string }>('select id from books'),
        database.query<{
          currency: string;
          capturedMinor: number;
          refundedMinor: number;
          entriesMinor: number;
          payments: number;
          entries: number;
        }>(totalsSql),
      ]);
      const sum = (count: 'payments' | 'entries') => totals.rows.reduce((total, row) => total + row[count], 0);
      const body = {
        booksId: books.rows[0]?.id ?? '',
        payments: sum('payments'),
        entries: sum('entries'),
        totals: totals.rows.map(({ payments: _, entries: __, ...row }) => row),
      };
      return { status: 200 as const, body };
    },
  };
}

function checkEntries(entries: readonly EntryInput[]): void {
  const places = entries.flatMap(({ occurredAt, lines }, i) => [
    ...(instantOf(occurredAt) === undefined
      ? [{ pointer: `/entries/${i}/occurredAt`, detail: 'is not an RFC 3339 time' }]
      : []),
    ...(Math.abs(sumOf(lines)) > amountMinorMax
      ? [{ pointer: `/entries/${i}/lines`, detail: `come to more than ${amountMinorMax}` }]
      : []),
  ]);
  if (places.length > 0) throw invalidInput(places);
}

const sumOf = (lines: EntryInput['lines']): number => lines.reduce((sum, { amountMinor }) => sum + amountMinor, 0);

function viewOf({ occurredAt, bookedAt, country, ...row }: KeptEntry): Entry {
  return {
    ...row,
    ...(country === null ? {} : { country }),
    occurredAt: occurredAt.toISOString(),
    bookedAt: bookedAt.toISOString(),
  };
}
