/**
 * Each line of an invoice gets exactly one class: sold, returned, fees, adjusted or rejected. Pure, and decided from
 * the line and its invoice alone, so the same invoice always falls out the same way.
 */
import { isJournalKind, kindOf, type LineKind } from './codes.ts';
import { type Reject, type Row, rejectRow } from './row.ts';

export type LineClass = 'sold' | 'returned' | 'fees' | 'adjusted' | 'rejected';
export const LINE_CLASSES: readonly LineClass[] = ['sold', 'returned', 'fees', 'adjusted', 'rejected'];

/** The rows that one file holds of one invoice, in file order; never empty. */
export interface Invoice {
  readonly number: string;
  readonly rows: readonly [Row, ...Row[]];
}

export interface ClassifiedRow {
  readonly row: Row;
  readonly class: Exclude<LineClass, 'rejected'>;
  readonly kind: LineKind;
}

export interface ClassifiedInvoice {
  readonly number: string;
  /** The date, country and customer of an invoice are those of its first row. */
  readonly first: Row;
  readonly credit: boolean;
  readonly rows: readonly ClassifiedRow[];
  readonly rejects: readonly Reject[];
}

export function classifyInvoice(invoice: Invoice): ClassifiedInvoice {
  const [first] = invoice.rows;
  const context: InvoiceContext = {
    first,
    credit: isCreditNote(invoice.number),
    paid: invoice.rows.some((row) => row.unitPrice.units !== 0n),
  };
  const rows: ClassifiedRow[] = [];
  const rejects: Reject[] = [];
  for (const row of invoice.rows) {
    const decided = classifyRow(row, context);
    if ('type' in decided) rejects.push(decided);
    else rows.push(decided);
  }
  return { number: invoice.number, first, credit: context.credit, rows, rejects };
}

interface InvoiceContext {
  readonly first: Row;
  readonly credit: boolean;
  /** At least one line has a price: the lines at price 0 beside it are gifts, not stock corrections. */
  readonly paid: boolean;
}

export function isCreditNote(invoiceNumber: string): boolean {
  return invoiceNumber.startsWith('C');
}

function classifyRow(row: Row, { first, credit, paid }: InvoiceContext): ClassifiedRow | Reject {
  if (row.customer !== first.customer) {
    const names = `customer ${row.customer || 'none'}, but the invoice began with ${first.customer || 'none'}`;
    return rejectRow(row.raw, 'customer-differs', names);
  }
  if (row.country !== first.country) {
    return rejectRow(row.raw, 'country-differs', `${row.country}, but the invoice began with ${first.country}`);
  }
  const kind = kindOf(row);
  if (kind === undefined) return rejectRow(row.raw, 'bad-kind', `unknown kind ${JSON.stringify(row.kind)}`);
  if (kind === 'test') return rejectRow(row.raw, 'test-product', `${row.sku} is a test product`);
  if (kind !== 'goods') return { row, class: 'fees', kind };
  return classifyGoods(row, credit, paid);
}

function classifyGoods(row: Row, credit: boolean, paid: boolean): ClassifiedRow | Reject {
  if (row.unitPrice.units < 0n) return rejectRow(row.raw, 'negative-price', `${row.sku} at ${row.raw.unitPrice}`);
  const free = row.unitPrice.units === 0n;
  if (row.quantity < 0) return { row, class: free && !credit ? 'adjusted' : 'returned', kind: 'goods' };
  if (credit) return rejectRow(row.raw, 'positive-in-credit-note', `+${row.quantity} in a credit note`);
  const counted = free && !paid && row.customer === '';
  return { row, class: counted ? 'adjusted' : 'sold', kind: 'goods' };
}

/**
 * Which lines make up the order, and which are booked as money only. An order's total can't be negative: then its
 * negative lines leave it. Journal kinds never enter it, and a credit note has no order at all.
 */
export function splitOrder(invoice: ClassifiedInvoice): { order: ClassifiedRow[]; entries: ClassifiedRow[] } {
  const money = invoice.rows.filter((line) => line.class === 'sold' || line.class === 'fees');
  if (invoice.credit) return { order: [], entries: money };
  const candidates = money.filter((line) => !isJournalKind(line.kind));
  const total = candidates.reduce((sum, line) => sum + line.row.totalMinor, 0);
  const order = total >= 0 ? candidates : candidates.filter((line) => line.row.totalMinor >= 0);
  // A lone line that costs nothing and moves nothing is no order.
  const worth = order.some((line) => line.class === 'sold' || line.row.totalMinor > 0);
  const chosen = new Set(worth ? order : []);
  return { order: [...chosen], entries: money.filter((line) => !chosen.has(line)) };
}
