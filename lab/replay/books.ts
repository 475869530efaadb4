/** Adds up what the shop says it has done: the other side of the reconciliation. */
import type { BookEntries } from './operations.ts';
import {
  type AdjustmentRecord,
  type EntriesRecord,
  KEYS_PER_READ,
  type OrderRecord,
  type ReceiptRecord,
  type ReturnRecord,
  type ShopApi,
  type StockRecord,
} from './shop-api.ts';
import { bucket, type ClassSums, noSums, type Tally, type UnitSums, unitsOf } from './tally.ts';

export interface SystemBooks {
  readonly moneyByMonth: Map<string, ClassSums>;
  readonly moneyByCountry: Map<string, ClassSums>;
  readonly units: Map<string, UnitSums>;
  /** Money by business key, as the shop has it. Only confirmed orders count. */
  readonly orders: Map<string, number>;
  readonly returns: Map<string, number>;
  readonly entries: Map<string, number>;
  readonly receipts: Set<string>;
  readonly adjustments: Set<string>;
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
    entries: new Map(),
    receipts: new Set(),
    adjustments: new Set(),
    unconfirmed: new Map(),
    payments: new Map(),
    stock: new Map(),
  };
}

/** Asks the shop for every operation the replay expects, a page at a time. */
export async function readSystemBooks(shop: ShopApi, tally: Tally, signal?: AbortSignal): Promise<SystemBooks> {
  const books = createSystemBooks();
  const orderKeys = new Set([...tally.orders.keys(), ...tally.refundsByOrder.keys()]);
  await eachPage(orderKeys, async (keys) => {
    for (const order of await shop.readOrders(keys, signal)) bookOrder(books, order, tally.orders.has(order.key));
  });
  await eachPage(tally.returns.keys(), async (keys) => {
    for (const record of await shop.readReturns(keys, signal)) bookReturn(books, record);
  });
  await eachPage(tally.receipts, async (keys) => {
    for (const record of await shop.readReceipts(keys, signal)) bookReceipt(books, record);
  });
  await eachPage(tally.adjustments, async (keys) => {
    for (const record of await shop.readAdjustments(keys, signal)) bookMoves(books, record);
  });
  await eachPage(tally.entries.keys(), async (keys) => {
    for (const record of await shop.readEntries(keys, signal)) bookEntryLines(books, record);
  });
  await eachPage(tally.units.keys(), async (skus) => {
    for (const stock of await shop.readStock(skus, signal)) books.stock.set(stock.sku, stock);
  });
  return books;
}

async function eachPage(keys: Iterable<string>, read: (page: string[]) => Promise<void>): Promise<void> {
  let page: string[] = [];
  for (const key of keys) {
    page.push(key);
    if (page.length < KEYS_PER_READ) continue;
    await read(page);
    page = [];
  }
  if (page.length > 0) await read(page);
}

/** An order that an earlier replay placed and this one took something back from is checked, but not counted. */
function bookOrder(books: SystemBooks, order: OrderRecord, expected: boolean): void {
  const { returnedMinor, capturedMinor, refundedMinor } = order;
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
  let refundMinor = 0;
  for (const line of record.lines) {
    refundMinor += line.refundMinor;
    bookMoney(books, record, line.kind === 'goods' ? 'returned' : 'fees', -line.refundMinor);
    if (line.kind === 'goods') unitsOf(books.units, line.sku).returned += line.quantity;
  }
  books.returns.set(record.key, refundMinor);
}

function bookReceipt(books: SystemBooks, record: ReceiptRecord): void {
  books.receipts.add(record.key);
  for (const { sku, quantity } of record.lines) unitsOf(books.units, sku).received += quantity;
}

function bookMoves(books: SystemBooks, record: AdjustmentRecord): void {
  books.adjustments.add(record.key);
  for (const { sku, quantity } of record.lines) unitsOf(books.units, sku).adjusted += quantity;
}

function bookEntryLines(books: SystemBooks, record: EntriesRecord): void {
  let total = 0;
  for (const { kind, amountMinor } of record.lines) {
    total += amountMinor;
    bookMoney(books, record, kind === 'foreign-return' ? 'returned' : 'fees', amountMinor);
  }
  books.entries.set(record.key, total);
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
