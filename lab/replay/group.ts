/**
 * Gathers the rows of an invoice. They may stand apart in a file and carry two timestamps; within one file and month
 * they belong together. How many to wait for is known from a first pass, so nothing is held longer than needed.
 */
import type { Invoice } from './classify.ts';
import { parseRow, type RawRow, type Reject, type Row, rejectRow } from './row.ts';

/** The longest real invoice has about 1,100 lines; an order without bound would be a message without bound. */
export const INVOICE_LINES_MAX = 2_000;

export type GroupCounts = Map<string, number>;

export function countRow(counts: GroupCounts, row: Row): void {
  const group = groupOf(row);
  counts.set(group, (counts.get(group) ?? 0) + 1);
}

/** Yields rejects as they come and each invoice with its last row. */
export async function* groupInvoices(
  rows: AsyncIterable<RawRow>,
  counts: GroupCounts,
): AsyncGenerator<{ invoice: Invoice } | { reject: Reject }> {
  const open = new Map<string, { rows: [Row, ...Row[]]; left: number }>();
  for await (const raw of rows) {
    const row = parseRow(raw);
    if ('type' in row) {
      yield { reject: row };
      continue;
    }
    const group = groupOf(row);
    let gathered = open.get(group);
    if (gathered === undefined) {
      gathered = { rows: [row], left: counts.get(group) ?? 1 };
      open.set(group, gathered);
    } else if (gathered.rows.length < INVOICE_LINES_MAX) gathered.rows.push(row);
    else yield { reject: rejectRow(raw, 'invoice-too-long', `more than ${INVOICE_LINES_MAX} lines in ${row.invoice}`) };
    gathered.left -= 1;
    if (gathered.left > 0) continue;
    open.delete(group);
    yield { invoice: { number: row.invoice, rows: gathered.rows } };
  }
  // Only a file that changed between the passes leaves rows behind; they are still booked.
  for (const { rows: left } of open.values()) yield { invoice: { number: left[0].invoice, rows: left } };
}

/** A row in another month is another part: each month's books close by themselves. */
function groupOf(row: Row): string {
  return `${row.invoice}\n${row.at.slice(0, 7)}`;
}
