/** Adds up what the shop says it has done: the other side of the reconciliation. */
import type { BookEntries } from './operations.ts';
import type {
  EntriesRecord,
  MovementRecord,
  OrderRecord,
  RefundRecord,
  ReturnRecord,
  ShopApi,
  StockRecord,
} from './shop-api.ts';
import { bucket, type ClassSums, noSums, type Tally, type UnitSums, unitsOf } from './tally.ts';

export interface SystemBooks {
  readonly moneyByMonth: Map<string, ClassSums>;
  readonly moneyByCountry: Map<string, ClassSums>;
  readonly units: Map<string, UnitSums>;
  /** Money by business key, as the shop has it. Only confirmed orders count. */
  readonly orders: Map<string, number>;
  readonly returns: Map<string, number>;
  readonly refunds: Map<string, number>;
  readonly entries: Map<string, number>;
  readonly receipts: Set<string>;
  readonly adjustments: Set<string>;
  /** Business keys that the shop holds more than once. */
  readonly repeated: string[];
  /** Orders the shop knows that did not end confirmed. */
  readonly unconfirmed: Map<string, string>;
  /** Both sides of every order's money: what the orders service says, and what the payments ledger says. */
  readonly payments: Map<string, OrderPayment>;
  readonly stock: Map<string, StockRecord>;
}

export interface OrderPayment {
  /** 0 for an order that did not end confirmed. */
  readonly orderedMinor: number;
  readonly returnedMinor: number;
  readonly capturedMinor: number;
  readonly refundedMinor: number;
}

export function createSystemBooks(): SystemBooks {
  return {
    moneyByMonth: new Map(),
    moneyByCountry: new Map(),
    units: new Map(),
    orders: new Map(),
    returns: new Map(),
    refunds: new Map(),
    entries: new Map(),
    receipts: new Set(),
    adjustments: new Set(),
    repeated: [],
    unconfirmed: new Map(),
    payments: new Map(),
    stock: new Map(),
  };
}

/** Asks the shop for every operation that the replay expects. Keys that come back twice are kept as such. */
export async function readSystemBooks(shop: ShopApi, tally: Tally, signal?: AbortSignal): Promise<SystemBooks> {
  const books = createSystemBooks();
  const { orders, returns, refunds, entries, receipts, adjustments, units } = tally;
  const orderKeys = new Set([...orders.keys(), ...tally.refundsByOrder.keys()]);
  const keys = (map: ReadonlyMap<string, unknown>) => new Set(map.keys());
  for await (const order of shop.readOrders(orderKeys, signal)) bookOrder(books, order, orders.has(order.key));
  for await (const record of shop.readReturns(keys(returns), signal)) bookReturn(books, record);
  for await (const record of shop.readRefunds(keys(refunds), signal)) bookRefund(books, record);
  for await (const record of shop.readReceipts(receipts, signal)) bookMovement(books, record, 'receipt');
  for await (const record of shop.readAdjustments(adjustments, signal)) bookMovement(books, record, 'adjustment');
  for await (const record of shop.readEntries(keys(entries), signal)) bookEntryLines(books, record);
  for await (const stock of shop.readStock(keys(units), signal)) books.stock.set(stock.sku, stock);
  return books;
}

/** An order that an earlier replay placed and this one took something back from is checked, but not counted. */
function bookOrder(books: SystemBooks, order: OrderRecord, expected: boolean): void {
  const { returnedMinor, capturedMinor, refundedMinor } = order;
  noteRepeat(books, 'order', order.key, books.payments);
  const orderedMinor = order.state === 'confirmed' ? order.totalMinor : 0;
  books.payments.set(order.key, { orderedMinor, returnedMinor, capturedMinor, refundedMinor });
  if (!expected) return;
  if (order.state !== 'confirmed') {
    books.unconfirmed.set(order.key, order.reason === undefined ? order.state : `${order.state}: ${order.reason}`);
    return;
  }
  books.orders.set(order.key, order.totalMinor);
  for (const { sku, kind, quantity, totalMinor } of order.lines) {
    bookMoney(books, order, kind === 'goods' ? 'sold' : 'fees', totalMinor);
    if (kind === 'goods') unitsOf(books.units, sku).sold += quantity;
  }
}

function bookReturn(books: SystemBooks, record: ReturnRecord): void {
  noteRepeat(books, 'return', record.key, books.returns);
  books.returns.set(record.key, record.refundMinor);
  bookMoney(books, record, 'returned', -record.refundMinor);
  for (const { sku, quantity } of record.lines) unitsOf(books.units, sku).returned += quantity;
}

function bookRefund(books: SystemBooks, record: RefundRecord): void {
  noteRepeat(books, 'refund', record.key, books.refunds);
  books.refunds.set(record.key, record.amountMinor);
  bookMoney(books, record, 'fees', -record.amountMinor);
}

function bookMovement(books: SystemBooks, record: MovementRecord, what: 'receipt' | 'adjustment'): void {
  const keys = what === 'receipt' ? books.receipts : books.adjustments;
  noteRepeat(books, what, record.key, keys);
  keys.add(record.key);
  for (const { sku, quantity } of record.lines) {
    unitsOf(books.units, sku)[what === 'receipt' ? 'received' : 'adjusted'] += quantity;
  }
}

function bookEntryLines(books: SystemBooks, record: EntriesRecord): void {
  noteRepeat(books, 'entries', record.key, books.entries);
  let total = 0;
  for (const { kind, amountMinor } of record.lines) {
    total += amountMinor;
    bookMoney(books, record, kind === 'foreign-return' ? 'returned' : 'fees', amountMinor);
  }
  books.entries.set(record.key, total);
}

function noteRepeat(books: SystemBooks, what: string, key: string, known: { has(key: string): boolean }): void {
  if (known.has(key)) books.repeated.push(`${what} ${key}`);
}

function bookMoney(
  books: SystemBooks,
  at: Pick<BookEntries, 'country' | 'occurredAt'>,
  lineClass: 'sold' | 'returned' | 'fees',
  minor: number,
): void {
  bucket(books.moneyByMonth, at.occurredAt.slice(0, 7), noSums)[lineClass] += minor;
  bucket(books.moneyByCountry, at.country, noSums)[lineClass] += minor;
}
