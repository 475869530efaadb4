/** Turns a classified invoice into operations. Pure but for the sales book, which remembers what may be returned. */
import { createHash } from 'node:crypto';
import { type ClassifiedInvoice, type ClassifiedRow, splitOrder } from './classify.ts';
import { type AdjustmentReason, adjustmentReason } from './codes.ts';
import { countryCode } from './countries.ts';
import { decimalText } from './decimal.ts';
import type {
  AdjustStock,
  BookEntries,
  EntryKind,
  OrderLine,
  PlaceOrder,
  RefundOrder,
  ReturnOrder,
} from './operations.ts';
import { type CreditResult, createSalesBook, type SalesBook, type SalesBookState } from './sales-book.ts';

const NOTE_LENGTH_MAX = 200;
const NAME_LENGTH_MAX = 300;

export type InvoiceOperation = PlaceOrder | ReturnOrder | RefundOrder | AdjustStock | BookEntries;

/** What earlier runs already decided: a repeat must say the same again, whatever has been learnt since. */
export interface InvoiceBooksState {
  /** Invoice number → digests of its parts, in the order in which they were first seen. */
  readonly seen: readonly (readonly [string, readonly string[]])[];
  readonly decisions: readonly (readonly [string, readonly CreditResult[]])[];
  readonly sales: SalesBookState;
}

export interface InvoiceBooks {
  /** False for an invoice that this run has already met, word by word, in another file. */
  admit(invoice: ClassifiedInvoice): boolean;
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

  // What this run has met; `seen` spans all runs.
  const met = new Set<string>();

  return {
    admit(invoice) {
      const part = `${invoice.number} ${invoiceDigest(invoice)}`;
      if (met.has(part)) return false;
      met.add(part);
      return true;
    },

    operationsOf(invoice) {
      const { key, repeated } = invoiceKey(invoice, seen);
      const { order: orderRows, entries } = splitOrder(invoice);
      const order = orderRows.length === 0 ? undefined : orderOf(invoice, key, orderRows, currency);
      if (order !== undefined && !repeated) {
        const { customer, country } = invoice.first;
        // Only what has a price of its own can be credited: a discount is not something to bring back.
        const lines = orderRows.map(({ row }) => row).filter((row) => row.quantity > 0 && row.unitPrice.units >= 0n);
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
        ...moneyBackOf(invoice, key, credits, currency),
        ...adjustmentsOf(invoice, key, credits),
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
  const country = countryCode(first.country);
  return { type: 'order', key, customer, country, occurredAt: first.at, currency, lines, totalMinor };
}

function orderLineOf({ row, kind }: ClassifiedRow): OrderLine {
  const { units, scale } = row.unitPrice;
  // −1 × 20.00 is written as 1 × −20.00: a quantity counts things, the sign belongs to the money.
  const unitPrice = { units: row.quantity < 0 ? -units : units, scale };
  return {
    sku: row.sku,
    name: row.description.slice(0, NAME_LENGTH_MAX) || row.sku,
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

function creditRow({ row }: ClassifiedRow, credit: SalesBook['credit']): CreditResult {
  const { customer, country, sku, unitPrice } = row;
  return credit({ customer, country, sku, quantity: -row.quantity, unitPrice });
}

/** One return and at most one refund an order, in the order in which the credit note first names it. */
function moneyBackOf(
  { first }: ClassifiedInvoice,
  key: string,
  credits: readonly Credit[],
  currency: string,
): (ReturnOrder | RefundOrder)[] {
  const common = { country: countryCode(first.country), occurredAt: first.at, currency };
  return [...byOrder(credits)].flatMap(([orderKey, { units, goodsMinor, otherMinor }]) => {
    const operations: (ReturnOrder | RefundOrder)[] = [];
    if (units.size > 0) {
      const lines = [...units].map(([sku, quantity]) => ({ sku, quantity }));
      operations.push({
        type: 'return',
        key: `${key}/${orderKey}`,
        orderKey,
        ...common,
        lines,
        refundMinor: goodsMinor,
      });
    }
    if (otherMinor > 0) {
      operations.push({
        type: 'refund',
        key: `${key}/${orderKey}/refund`,
        orderKey,
        ...common,
        amountMinor: otherMinor,
      });
    }
    return operations;
  });
}

interface OrderCredit {
  readonly units: Map<string, number>;
  goodsMinor: number;
  otherMinor: number;
}

function byOrder(credits: readonly Credit[]): Map<string, OrderCredit> {
  const orders = new Map<string, OrderCredit>();
  for (const { line, result } of credits) {
    for (const { orderKey, quantity, refundMinor } of result.matches) {
      const order = orders.get(orderKey) ?? { units: new Map(), goodsMinor: 0, otherMinor: 0 };
      orders.set(orderKey, order);
      if (line.kind === 'goods') {
        addUnits(order.units, line.row.sku, quantity);
        order.goodsMinor += refundMinor;
      } else order.otherMinor += refundMinor;
    }
  }
  return orders;
}

/** One adjustment a reason and direction, so that every one of them is plainly "found" or "written off". */
function adjustmentsOf(invoice: ClassifiedInvoice, key: string, credits: readonly Credit[]): AdjustStock[] {
  const groups = new Map<string, { reason: AdjustmentReason; note: string; units: Map<string, number> }>();
  const add = (reason: AdjustmentReason, sku: string, quantity: number, note: string) => {
    const name = `${reason}-${quantity > 0 ? 'in' : 'out'}`;
    const group = groups.get(name) ?? { reason, note: note.slice(0, NOTE_LENGTH_MAX), units: new Map() };
    groups.set(name, group);
    addUnits(group.units, sku, quantity);
  };
  for (const { row, class: rowClass } of invoice.rows) {
    if (rowClass !== 'adjusted') continue;
    add(adjustmentReason(row.description, row.quantity), row.sku, row.quantity, row.description);
  }
  for (const { line, result } of credits) {
    if (line.kind !== 'goods' || result.foreign.quantity === 0) continue;
    add('foreign-return', line.row.sku, result.foreign.quantity, `credit note ${invoice.number}`);
  }
  return [...groups].map(([name, { reason, note, units }]) => ({
    type: 'adjust',
    key: `${key}/stock/${name}`,
    occurredAt: invoice.first.at,
    reason,
    note,
    lines: [...units].map(([sku, quantity]) => ({ sku, quantity })),
  }));
}

function addUnits(units: Map<string, number>, sku: string, quantity: number): void {
  units.set(sku, (units.get(sku) ?? 0) + quantity);
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
  const country = countryCode(first.country);
  const occurredAt = first.at;
  return [{ type: 'entries', key: `${key}/entries`, country, occurredAt, currency, lines, totalMinor }];
}

function entryOf({ row, kind }: ClassifiedRow): BookEntries['lines'][number] {
  const note = row.description.slice(0, NOTE_LENGTH_MAX);
  const entryKind: EntryKind = kind;
  return { kind: entryKind, sku: row.sku, quantity: row.quantity, amountMinor: row.totalMinor, note };
}
