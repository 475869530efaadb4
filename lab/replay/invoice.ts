/** Turns a classified invoice into operations. Pure but for the sales book, which remembers what may be returned. */
import { createHash } from 'node:crypto';
import { type ClassifiedInvoice, type ClassifiedRow, splitOrder } from './classify.ts';
import { adjustmentReason } from './codes.ts';
import { decimalText } from './decimal.ts';
import type {
  AdjustStock,
  BookEntries,
  EntryKind,
  OrderLine,
  PlaceOrder,
  ReturnLine,
  ReturnOrder,
} from './operations.ts';
import { type CreditResult, createSalesBook, type SalesBookState } from './sales-book.ts';

const NOTE_LENGTH_MAX = 200;

export type InvoiceOperation = PlaceOrder | ReturnOrder | AdjustStock | BookEntries;

/** What earlier runs already decided: a repeat must say the same again, whatever has been learnt since. */
export interface InvoiceBooksState {
  /** Invoice number → digests of its parts, in the order in which they were first seen. */
  readonly seen: readonly (readonly [string, readonly string[]])[];
  readonly decisions: readonly (readonly [string, readonly CreditResult[]])[];
  readonly sales: SalesBookState;
}

export interface InvoiceBooks {
  operationsOf(invoice: ClassifiedInvoice): InvoiceOperation[];
  state(): InvoiceBooksState;
}

export interface InvoiceBooksOptions {
  /** ISO 4217. */
  readonly currency: string;
  readonly state?: InvoiceBooksState;
}

export function createInvoiceBooks({ currency, state }: InvoiceBooksOptions): InvoiceBooks {
  const seen = new Map(state?.seen.map(([number, digests]) => [number, [...digests]]));
  const decisions = new Map(state?.decisions);
  const book = createSalesBook(state?.sales);

  return {
    operationsOf(invoice) {
      const { key, repeated } = invoiceKey(invoice, seen);
      const { order: orderRows, entries } = splitOrder(invoice);
      const order = orderRows.length === 0 ? undefined : orderOf(invoice, key, orderRows, currency);
      if (order !== undefined && !repeated) {
        const { customer, country } = invoice.first;
        // Only what has a price of its own can be credited: a discount is not something to bring back.
        const lines = orderRows
          .map(({ row }, orderLine) => ({ row, orderLine }))
          .filter(({ row }) => row.quantity > 0 && row.unitPrice.units >= 0n)
          .map(({ row: { sku, quantity, unitPrice }, orderLine }) => ({ sku, quantity, unitPrice, orderLine }));
        book.addOrder({ orderKey: key, customer, country, totalMinor: order.totalMinor, lines });
      }
      const credited = [
        ...invoice.rows.filter(({ class: kept }) => kept === 'returned'),
        ...entries.filter(isCreditable),
      ];
      let results = decisions.get(key);
      if (results === undefined || results.length !== credited.length) {
        results = credited.map((line) => creditRow(line, book.credit));
        if (credited.length > 0) decisions.set(key, results);
      }
      const credits = credited.map((line, index) => ({ line, result: results[index] as CreditResult }));
      return [
        ...(order === undefined ? [] : [order]),
        ...returnsOf(invoice, key, credits, currency),
        ...adjustmentOf(invoice, key, credits),
        ...entriesOf(invoice, key, entries, credits, currency),
      ];
    },

    state: () => ({ seen: [...seen], decisions: [...decisions], sales: book.state() }),
  };
}

/**
 * The number itself. An invoice that goes on in another file or month, with other rows, is a second operation and gets
 * a key of its own; the same rows again (a file given twice, or a year that contains the month) are the same operation.
 */
function invoiceKey(invoice: ClassifiedInvoice, seen: Map<string, string[]>): { key: string; repeated: boolean } {
  const digest = invoiceDigest(invoice);
  const digests = seen.get(invoice.number);
  if (digests === undefined) {
    seen.set(invoice.number, [digest]);
    return { key: invoice.number, repeated: false };
  }
  const repeated = digests.includes(digest);
  if (!repeated) digests.push(digest);
  return { key: digests[0] === digest ? invoice.number : `${invoice.number}~${digest}`, repeated };
}

function invoiceDigest(invoice: ClassifiedInvoice): string {
  const hash = createHash('sha256');
  for (const { row } of invoice.rows) {
    const { sku, quantity, at, customer, country, kind } = row;
    hash.update(JSON.stringify([sku, quantity, at, decimalText(row.unitPrice), customer, country, kind]));
  }
  return hash.digest('hex').slice(0, 12);
}

function orderOf(
  { first }: ClassifiedInvoice,
  key: string,
  rows: readonly ClassifiedRow[],
  currency: string,
): PlaceOrder {
  const lines = rows.map(orderLineOf);
  const totalMinor = lines.reduce((sum, line) => sum + line.totalMinor, 0);
  const customer = first.customer === '' ? null : first.customer;
  return { type: 'order', key, customer, country: first.country, occurredAt: first.at, currency, lines, totalMinor };
}

function orderLineOf({ row, kind }: ClassifiedRow): OrderLine {
  const { units, scale } = row.unitPrice;
  // −1 × 20.00 is written as 1 × −20.00: a quantity counts things, the sign belongs to the money.
  const unitPrice = { units: row.quantity < 0 ? -units : units, scale };
  return {
    sku: row.sku,
    name: row.description || row.sku,
    kind,
    quantity: Math.abs(row.quantity),
    unitPriceText: decimalText(unitPrice),
    totalMinor: row.totalMinor,
  };
}

interface Credit {
  readonly line: ClassifiedRow;
  readonly result: CreditResult;
}

/** Postage and other lines that were once charged can be refunded; journal lines and discounts are booked only. */
function isCreditable({ row, kind }: ClassifiedRow): boolean {
  return row.quantity < 0 && row.unitPrice.units > 0n && (kind === 'postage' || kind === 'manual' || kind === 'other');
}

function creditRow(
  { row }: ClassifiedRow,
  credit: (line: Parameters<ReturnType<typeof createSalesBook>['credit']>[0]) => CreditResult,
): CreditResult {
  const { customer, country, sku, unitPrice } = row;
  return credit({ customer, country, sku, quantity: -row.quantity, unitPrice });
}

/** One return an order, in the order in which the credit note first names it. */
function returnsOf(
  { first }: ClassifiedInvoice,
  key: string,
  credits: readonly Credit[],
  currency: string,
): ReturnOrder[] {
  const byOrder = new Map<string, ReturnLine[]>();
  for (const { line, result } of credits) {
    for (const { orderKey, orderLine, quantity, refundMinor } of result.matches) {
      const lines = byOrder.get(orderKey) ?? [];
      byOrder.set(orderKey, lines);
      lines.push({ orderLine, sku: line.row.sku, kind: line.kind, quantity, refundMinor });
    }
  }
  return [...byOrder].map(([orderKey, lines]) => ({
    type: 'return',
    key: `${key}/${orderKey}`,
    orderKey,
    country: first.country,
    occurredAt: first.at,
    currency,
    lines,
    refundMinor: lines.reduce((sum, line) => sum + line.refundMinor, 0),
  }));
}

function adjustmentOf(invoice: ClassifiedInvoice, key: string, credits: readonly Credit[]): AdjustStock[] {
  const corrected = invoice.rows
    .filter((line) => line.class === 'adjusted')
    .map(({ row }) => ({
      sku: row.sku,
      quantity: row.quantity,
      reason: adjustmentReason(row.description, row.quantity),
      note: row.description.slice(0, NOTE_LENGTH_MAX),
    }));
  const broughtBack = credits
    .filter(({ line, result }) => line.kind === 'goods' && result.foreign.quantity > 0)
    .map(({ line, result }) => ({
      sku: line.row.sku,
      quantity: result.foreign.quantity,
      reason: 'foreign-return' as const,
      note: `credit note ${invoice.number}`,
    }));
  const lines = [...corrected, ...broughtBack];
  return lines.length === 0 ? [] : [{ type: 'adjust', key: `${key}/stock`, occurredAt: invoice.first.at, lines }];
}

function entriesOf(
  { first }: ClassifiedInvoice,
  key: string,
  entries: readonly ClassifiedRow[],
  credits: readonly Credit[],
  currency: string,
): BookEntries[] {
  const credited = new Set(credits.map(({ line }) => line));
  const booked = entries.filter((line) => !credited.has(line)).map(entryOf);
  const foreign = credits
    .filter(({ result }) => result.foreign.quantity > 0)
    .map(({ line, result }) => ({
      ...entryOf(line),
      kind: line.kind === 'goods' ? ('foreign-return' as const) : line.kind,
      quantity: -result.foreign.quantity,
      amountMinor: 0 - result.foreign.amountMinor,
    }));
  const lines = [...booked, ...foreign];
  if (lines.length === 0) return [];
  const totalMinor = lines.reduce((sum, line) => sum + line.amountMinor, 0);
  const { country, at: occurredAt } = first;
  return [{ type: 'entries', key: `${key}/entries`, country, occurredAt, currency, lines, totalMinor }];
}

function entryOf({ row, kind }: ClassifiedRow): BookEntries['lines'][number] {
  const note = row.description.slice(0, NOTE_LENGTH_MAX);
  const entryKind: EntryKind = kind;
  return { kind: entryKind, sku: row.sku, quantity: row.quantity, amountMinor: row.totalMinor, note };
}
