import {
  inventoryProblems,
  type MovementKind,
  type StockAnswer,
  type StockLine,
  type StockTaken,
} from '#contracts/inventory';

/** A SKU at one holder. `onHand` is what can be sold: held and sold units are no longer in it. */
export interface Stock {
  readonly sku: string;
  received: number;
  onHand: number;
  held: number;
  sold: number;
  writtenOff: number;
  version: number;
}

export type HoldStatus = 'held' | 'sold' | 'released' | 'expired' | 'refused';

export interface HeldLine {
  readonly sku: string;
  readonly quantity: number;
  /** The SKU's version that this hold made. */
  readonly version: number;
}

export interface Shortage {
  readonly sku: string;
  readonly wanted: number;
  readonly available: number;
}

export interface HoldRecord {
  readonly orderId: string;
  readonly status: HoldStatus;
  readonly lines: readonly HeldLine[];
  readonly shortages: readonly Shortage[];
}

export interface Movement {
  readonly sku: string;
  readonly version: number;
  readonly kind: MovementKind;
  readonly quantity: number;
  readonly reference: string;
}

/**
 * The rows that a batch of commands works on, in memory: read and locked before, written after. The functions below
 * decide and change it; none of them does IO, so a batch is decided like one small program.
 */
export interface Book {
  readonly stock: Map<string, Stock>;
  readonly holds: Map<string, HoldRecord>;
  readonly movements: Movement[];
  readonly changedHolds: Map<string, HoldRecord>;
}

export function newBook(stock: Iterable<Stock>, holds: Iterable<HoldRecord>): Book {
  return {
    stock: new Map([...stock].map((row) => [row.sku, row])),
    holds: new Map([...holds].map((row) => [row.orderId, row])),
    movements: [],
    changedHolds: new Map(),
  };
}

function setHold(book: Book, hold: HoldRecord): HoldRecord {
  book.holds.set(hold.orderId, hold);
  book.changedHolds.set(hold.orderId, hold);
  return hold;
}

function move(book: Book, stock: Stock, kind: MovementKind, quantity: number, reference: string): number {
  stock.version += 1;
  book.movements.push({ sku: stock.sku, version: stock.version, kind, quantity, reference });
  return stock.version;
}

function stockOf(book: Book, sku: string): Stock {
  const stock = book.stock.get(sku);
  if (!stock) throw new Error(`stock of ${sku} was not loaded`);
  return stock;
}

/** Lines of the same SKU are one line: all-or-nothing is judged by SKU. */
export function mergeLines(lines: readonly StockLine[]): StockLine[] {
  const merged = new Map<string, number>();
  for (const { sku, quantity } of lines) merged.set(sku, (merged.get(sku) ?? 0) + quantity);
  return [...merged].map(([sku, quantity]) => ({ sku, quantity }));
}

/** Sets all lines aside, or none. An order has one hold for ever: a repeat gets what the first got. */
export function holdStock(book: Book, orderId: string, lines: readonly StockLine[]): HoldRecord {
  const known = book.holds.get(orderId);
  if (known) {
    if (known.status === 'refused') throw outOfStock(known.shortages);
    if (known.status === 'held' || known.status === 'sold') return known;
    throw inventoryProblems['hold-ended']({ detail: `the hold of ${orderId} was ${known.status}` });
  }
  return setAside(book, orderId, mergeLines(lines));
}

function setAside(book: Book, orderId: string, lines: readonly StockLine[]): HoldRecord {
  const shortages: Shortage[] = [];
  for (const { sku, quantity } of lines) {
    const available = book.stock.get(sku)?.onHand ?? 0;
    if (available < quantity) shortages.push({ sku, wanted: quantity, available });
  }
  if (shortages.length > 0) return setHold(book, { orderId, status: 'refused', lines: [], shortages });
  const held = lines.map(({ sku, quantity }) => {
    const stock = stockOf(book, sku);
    stock.onHand -= quantity;
    stock.held += quantity;
    return { sku, quantity, version: move(book, stock, 'hold', quantity, orderId) };
  });
  return setHold(book, { orderId, status: 'held', lines: held, shortages: [] });
}

export function outOfStock(shortages: readonly Shortage[]): Error {
  const [first] = shortages;
  const detail = first ? `${first.sku}: ${first.wanted} wanted, ${first.available} left` : 'nothing left';
  return inventoryProblems['out-of-stock']({ detail, data: { shortages } });
}

/** Held units become sold ones. An expired hold is taken anew if the units are still there. */
export function commitHold(book: Book, orderId: string): HoldRecord {
  let hold = book.holds.get(orderId);
  if (hold?.status === 'sold') return hold;
  if (hold?.status === 'expired') hold = setAside(book, orderId, hold.lines);
  // For ever, also when units came in meanwhile: the order has been told.
  if (hold?.status === 'refused') throw outOfStock(hold.shortages);
  if (hold?.status !== 'held') {
    throw inventoryProblems['hold-ended']({ detail: `${orderId} has no hold (${hold?.status ?? 'none was made'})` });
  }
  const lines = hold.lines.map((line) => {
    const stock = stockOf(book, line.sku);
    stock.held -= line.quantity;
    stock.sold += line.quantity;
    return { ...line, version: move(book, stock, 'commit', line.quantity, orderId) };
  });
  return setHold(book, { ...hold, status: 'sold', lines });
}

/**
 * Gives back what an order has, held or sold. `returned` are units that came back already: they are not given back
 * twice. Where there is no hold, word is left that there may not be one.
 */
export function releaseHold(book: Book, orderId: string, returned: ReadonlyMap<string, number>): HoldRecord {
  const hold = book.holds.get(orderId);
  if (!hold) return setHold(book, { orderId, status: 'released', lines: [], shortages: [] });
  if (hold.status === 'refused') return hold;
  if (hold.status === 'released') return hold;
  if (hold.status === 'expired') return setHold(book, { ...hold, status: 'released' });
  for (const { sku, quantity } of hold.lines) {
    const stock = stockOf(book, sku);
    const back = hold.status === 'sold' ? quantity - (returned.get(sku) ?? 0) : quantity;
    if (back === 0) continue;
    if (hold.status === 'sold') stock.sold -= back;
    else stock.held -= back;
    stock.onHand += back;
    move(book, stock, 'release', back, orderId);
  }
  return setHold(book, { ...hold, status: 'released' });
}

/** The time of a hold is up: its units can be sold again. Anything but a hold still held is left alone. */
export function expireHold(book: Book, orderId: string): HoldRecord | undefined {
  const hold = book.holds.get(orderId);
  if (hold?.status !== 'held') return hold;
  for (const { sku, quantity } of hold.lines) {
    const stock = stockOf(book, sku);
    stock.held -= quantity;
    stock.onHand += quantity;
    move(book, stock, 'expire', quantity, orderId);
  }
  return setHold(book, { ...hold, status: 'expired' });
}

/** Sold units come back. `returned` counts what came back before. */
export function restockReturn(
  book: Book,
  orderId: string,
  returnId: string,
  lines: readonly StockLine[],
  sellable: boolean,
  returned: ReadonlyMap<string, number>,
): void {
  const hold = book.holds.get(orderId);
  const bought = new Map(hold?.status === 'sold' ? hold.lines.map((line) => [line.sku, line.quantity]) : []);
  const wanted = mergeLines(lines);
  for (const { sku, quantity } of wanted) {
    const left = (bought.get(sku) ?? 0) - (returned.get(sku) ?? 0);
    if (quantity > left) {
      throw inventoryProblems['not-sold']({ detail: `${sku}: ${quantity} to return, ${left} bought and not returned` });
    }
  }
  for (const { sku, quantity } of wanted) {
    const stock = stockOf(book, sku);
    stock.sold -= quantity;
    if (sellable) stock.onHand += quantity;
    else stock.writtenOff += quantity;
    move(book, stock, sellable ? 'restock' : 'write-off', quantity, returnId);
  }
}

export function receiveStock(book: Book, lines: readonly StockLine[], reference: string): void {
  for (const { sku, quantity } of mergeLines(lines)) {
    const stock = stockOf(book, sku);
    stock.received += quantity;
    stock.onHand += quantity;
    move(book, stock, 'receive', quantity, reference);
  }
}

export interface StockChange {
  readonly sku: string;
  readonly change: number;
}

/** Found units count as received; missing and damaged ones as written off. All lines or none. */
export function adjustStock(book: Book, changes: readonly StockChange[], reference: string): void {
  const merged = new Map<string, number>();
  for (const { sku, change } of changes) merged.set(sku, (merged.get(sku) ?? 0) + change);
  for (const [sku, change] of merged) {
    const { onHand } = stockOf(book, sku);
    if (onHand + change < 0) {
      throw inventoryProblems['not-enough-on-hand']({ detail: `${sku}: ${-change} to write off, ${onHand} on hand` });
    }
  }
  for (const [sku, change] of merged) {
    if (change === 0) continue;
    const stock = stockOf(book, sku);
    stock.onHand += change;
    if (change > 0) stock.received += change;
    else stock.writtenOff -= change;
    move(book, stock, change > 0 ? 'find' : 'write-off', Math.abs(change), reference);
  }
}

export interface CountedLine {
  readonly sku: string;
  readonly counted: number;
  readonly version?: number;
}

export type CountedStock = NonNullable<StockTaken['lines']>[number];

/**
 * Brings the books to what was counted; a SKU that lies in two places is counted in two lines. Held units lie on the shelf until their order is decided, so they are counted
 * with the rest; none of them is ever written off. All lines or none.
 */
export function takeStock(book: Book, lines: readonly CountedLine[], reference: string): CountedStock[] {
  const moved = lines.flatMap(({ sku, version }) => {
    const now = stockOf(book, sku).version;
    return version === undefined || version === now ? [] : [{ sku, version: now }];
  });
  const [first] = moved;
  if (first) throw inventoryProblems['stock-moved']({ detail: `${first.sku} is at ${first.version}`, data: { moved } });
  const counts = new Map<string, number>();
  for (const { sku, counted } of lines) counts.set(sku, (counts.get(sku) ?? 0) + counted);
  const taken = [...counts].map(([sku, counted]) => {
    const { onHand, held } = stockOf(book, sku);
    const expected = onHand + held;
    return { sku, expected, counted, difference: counted - expected };
  });
  const changes = taken.map(({ sku, difference }) => ({ sku, change: difference }));
  adjustStock(book, changes, reference);
  return taken;
}

/** Which SKUs of a batch sold out, or can be sold again: `soldOut` are those that were, before it. */
export function crossingsOf(stock: readonly Stock[], soldOut: ReadonlySet<string>): Stock[] {
  return stock.filter((row) => soldOut.has(row.sku) !== (row.onHand === 0));
}

export function answersOf(book: Book, skus: Iterable<string>): StockAnswer[] {
  return [...new Set(skus)].map((sku) => {
    const stock = book.stock.get(sku);
    return { sku, available: stock?.onHand ?? 0, version: stock?.version ?? 0 };
  });
}

/** A hold with what is left of its SKUs, or of those that were asked for. */
export function withStock(
  book: Book,
  hold: HoldRecord,
  lines: readonly { sku: string }[] = hold.lines,
): { readonly hold: HoldRecord; readonly stock: StockAnswer[] } {
  return {
    hold,
    stock: answersOf(
      book,
      lines.map((line) => line.sku),
    ),
  };
}
