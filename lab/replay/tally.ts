/** What the replay expects the shop's books to say, added up while the operations are planned. */
import { type ClassifiedInvoice, LINE_CLASSES, type LineClass } from './classify.ts';
import { countryCode } from './countries.ts';
import { lineTotalMinor, parseDecimal } from './decimal.ts';
import { rawCountry, rawMonth } from './file-sums.ts';
import type { BookEntries, Operation, ReturnOrder } from './operations.ts';
import type { RawRow, RejectReason } from './row.ts';

/** Classes that the shop books; rejected lines stay in the file. */
export const LINE_CLASSES_BOOKED = ['sold', 'returned', 'fees', 'adjusted'] as const satisfies readonly LineClass[];

export type ClassSums = Record<LineClass, number>;

/** Units of one SKU moved by this replay. `adjusted` is signed and holds foreign returns too. */
export interface UnitSums {
  received: number;
  sold: number;
  returned: number;
  adjusted: number;
}

export interface Tally {
  readonly lines: ClassSums & { read: number };
  readonly rejectsByReason: Map<RejectReason, number>;
  readonly moneyByMonth: Map<string, ClassSums>;
  /** By ISO code. */
  readonly moneyByCountry: Map<string, ClassSums>;
  readonly units: Map<string, UnitSums>;
  /** Expected operations with their money, by business key. */
  readonly orders: Map<string, number>;
  readonly returns: Map<string, number>;
  readonly refunds: Map<string, number>;
  readonly entries: Map<string, number>;
  readonly receipts: Set<string>;
  readonly adjustments: Set<string>;
  /** Refunds of this replay by the order they belong to; the order may be from an earlier replay. */
  readonly refundsByOrder: Map<string, number>;
  readonly credits: { matchedUnits: number; matchedMinor: number; foreignUnits: number; foreignMinor: number };
}

export function createTally(): Tally {
  return {
    lines: { read: 0, ...noSums() },
    rejectsByReason: new Map(),
    moneyByMonth: new Map(),
    moneyByCountry: new Map(),
    units: new Map(),
    orders: new Map(),
    returns: new Map(),
    refunds: new Map(),
    entries: new Map(),
    receipts: new Set(),
    adjustments: new Set(),
    refundsByOrder: new Map(),
    credits: { matchedUnits: 0, matchedMinor: 0, foreignUnits: 0, foreignMinor: 0 },
  };
}

export function noSums(): ClassSums {
  return Object.fromEntries(LINE_CLASSES.map((name) => [name, 0])) as ClassSums;
}

export function tallyInvoice(tally: Tally, invoice: ClassifiedInvoice): void {
  const month = invoice.first.at.slice(0, 7);
  for (const { row, class: rowClass } of invoice.rows) {
    tallyLine(tally, rowClass, month, invoice.first.country, row.totalMinor);
  }
}

function tallyLine(tally: Tally, rowClass: LineClass, month: string, country: string, minor: number): void {
  tally.lines.read += 1;
  tally.lines[rowClass] += 1;
  bucket(tally.moneyByMonth, month, noSums)[rowClass] += minor;
  bucket(tally.moneyByCountry, countryCode(country), noSums)[rowClass] += minor;
}

export function tallyOperation(tally: Tally, operation: Operation): void {
  switch (operation.type) {
    case 'reject':
      bumpReason(tally, operation.reason);
      tallyLine(tally, 'rejected', rawMonth(operation.raw), rawCountry(operation.raw), rawMinor(operation.raw));
      break;
    case 'receipt':
      tally.receipts.add(operation.key);
      for (const { sku, quantity } of operation.lines) unitsOf(tally.units, sku).received += quantity;
      break;
    case 'order':
      tally.orders.set(operation.key, operation.totalMinor);
      for (const line of operation.lines)
        if (line.kind === 'goods') unitsOf(tally.units, line.sku).sold += line.quantity;
      break;
    case 'return':
      tallyReturn(tally, operation);
      break;
    case 'refund':
      tally.refunds.set(operation.key, operation.amountMinor);
      addRefund(tally, operation.orderKey, operation.amountMinor);
      break;
    case 'adjust':
      tally.adjustments.add(operation.key);
      for (const { sku, quantity } of operation.lines) unitsOf(tally.units, sku).adjusted += quantity;
      break;
    case 'entries':
      tallyEntries(tally, operation);
      break;
    default:
      break;
  }
}

function tallyReturn(tally: Tally, operation: ReturnOrder): void {
  tally.returns.set(operation.key, operation.refundMinor);
  addRefund(tally, operation.orderKey, operation.refundMinor);
  tally.credits.matchedMinor += operation.refundMinor;
  for (const { sku, quantity } of operation.lines) {
    unitsOf(tally.units, sku).returned += quantity;
    tally.credits.matchedUnits += quantity;
  }
}

function addRefund(tally: Tally, orderKey: string, minor: number): void {
  tally.refundsByOrder.set(orderKey, (tally.refundsByOrder.get(orderKey) ?? 0) + minor);
}

function tallyEntries(tally: Tally, operation: BookEntries): void {
  tally.entries.set(operation.key, operation.totalMinor);
  for (const { kind, quantity, amountMinor } of operation.lines) {
    if (kind !== 'foreign-return') continue;
    tally.credits.foreignUnits -= quantity;
    tally.credits.foreignMinor -= amountMinor;
  }
}

export function unitsOf(units: Map<string, UnitSums>, sku: string): UnitSums {
  return bucket(units, sku, () => ({ received: 0, sold: 0, returned: 0, adjusted: 0 }));
}

export function bucket<T>(buckets: Map<string, T>, name: string, create: () => T): T {
  let found = buckets.get(name);
  if (found === undefined) {
    found = create();
    buckets.set(name, found);
  }
  return found;
}

function bumpReason(tally: Tally, reason: RejectReason): void {
  tally.rejectsByReason.set(reason, (tally.rejectsByReason.get(reason) ?? 0) + 1);
}

/** A rejected line may still name an amount; the file's sums hold it, so the reconciliation must know it. */
function rawMinor(raw: RawRow): number {
  const price = parseDecimal(raw.unitPrice);
  const quantity = /^[+-]?\d{1,10}(?:\.0*)?$/.test(raw.quantity) ? Number(raw.quantity) : undefined;
  return price === undefined || quantity === undefined ? 0 : (lineTotalMinor(quantity, price) ?? 0);
}
