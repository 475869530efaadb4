/** A small shop in memory that really enforces its rules: idempotency by business key, stock, one capture, refunds. */
import { isDeepStrictEqual } from 'node:util';
import type { AdjustStock, BookEntries, PlaceOrder, ReceiveStock, RefundOrder, ReturnOrder } from '../operations.ts';
import { type OrderAnswer, type OrderRecord, type ShopApi, ShopError, type StockRecord } from '../shop-api.ts';

export interface MemoryShopOptions {
  /** Called before and after the effect of each write; may wait, or throw to lose the request or its reply. */
  readonly around?: (when: 'before' | 'after', operation: string, key: string) => Promise<void>;
  /** Answers an order with `received` first and decides it when its state is next asked for. */
  readonly decideLater?: boolean;
}

export type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

interface Kept {
  readonly operation: unknown;
  readonly answer: unknown;
}

export interface MemoryShop extends ShopApi {
  readonly orders: Map<string, Mutable<OrderRecord> & { readonly operation: PlaceOrder }>;
  readonly returns: Map<string, ReturnOrder>;
  readonly refunds: Map<string, RefundOrder>;
  readonly receipts: Map<string, ReceiveStock>;
  readonly adjustments: Map<string, AdjustStock>;
  readonly entries: Map<string, BookEntries>;
  readonly stock: Map<string, Mutable<StockRecord>>;
  readonly products: Map<string, unknown>;
  /** Writes that arrived, repeats included. */
  writes: number;
}

export function createMemoryShop({ around = async () => {}, decideLater = false }: MemoryShopOptions = {}): MemoryShop {
  const kept = new Map<string, Kept>();
  const state = {
    orders: new Map<string, Mutable<OrderRecord> & { readonly operation: PlaceOrder }>(),
    returns: new Map<string, ReturnOrder>(),
    refunds: new Map<string, RefundOrder>(),
    receipts: new Map<string, ReceiveStock>(),
    adjustments: new Map<string, AdjustStock>(),
    entries: new Map<string, BookEntries>(),
    stock: new Map<string, Mutable<StockRecord>>(),
    products: new Map<string, unknown>(),
  };

  async function once<T>(operation: { type: string; key: string }, effect: () => T): Promise<T> {
    shop.writes += 1;
    await around('before', operation.type, operation.key);
    const name = `${operation.type} ${operation.key}`;
    const known = kept.get(name);
    if (known !== undefined && !isDeepStrictEqual(known.operation, operation)) {
      throw new ShopError(`${name} was used for something else`, 'never');
    }
    const answer = known === undefined ? effect() : (known.answer as T);
    kept.set(name, { operation, answer });
    await around('after', operation.type, operation.key);
    return answer;
  }

  function level(sku: string): Mutable<StockRecord> {
    const found = state.stock.get(sku) ?? { sku, received: 0, onHand: 0, held: 0, sold: 0, returned: 0, adjusted: 0 };
    state.stock.set(sku, found);
    return found;
  }

  function place(operation: PlaceOrder): OrderAnswer {
    const units = new Map<string, number>();
    for (const { kind, sku, quantity } of operation.lines) {
      if (kind === 'goods') units.set(sku, (units.get(sku) ?? 0) + quantity);
    }
    const short = [...units].find(([sku, quantity]) => level(sku).onHand < quantity);
    const unknown = [...units].find(([sku]) => !state.products.has(sku));
    const reason = unknown ? `unknown ${unknown[0]}` : short ? `out of stock: ${short[0]}` : undefined;
    const confirmed = reason === undefined && operation.totalMinor >= 0;
    if (confirmed) {
      for (const [sku, quantity] of units) {
        level(sku).onHand -= quantity;
        level(sku).sold += quantity;
      }
    }
    const { key, country, occurredAt, lines, totalMinor } = operation;
    const money = { totalMinor, returnedMinor: 0, capturedMinor: confirmed ? totalMinor : 0, refundedMinor: 0 };
    const decided = confirmed ? 'confirmed' : 'refused';
    const answer = { state: decideLater ? 'received' : decided, ...(reason !== undefined && { reason }) } as const;
    state.orders.set(key, { key, country, occurredAt, lines, ...money, ...answer, operation });
    return answer;
  }

  function giveBack(orderKey: string, minor: number): void {
    const order = state.orders.get(orderKey);
    if (order === undefined) throw new ShopError(`no order ${orderKey}`, 'never');
    if (order.state === 'received') {
      order.state = 'confirmed';
      throw new ShopError(`order ${orderKey} is not decided yet`, 20);
    }
    if (order.refundedMinor + minor > order.capturedMinor) throw new ShopError('refund beyond the payment', 'never');
    order.returnedMinor += minor;
    order.refundedMinor += minor;
  }

  function bringBack(operation: ReturnOrder): void {
    const order = state.orders.get(operation.orderKey);
    for (const { sku, quantity } of operation.lines) {
      const sold = (order?.operation.lines ?? []).filter((line) => line.kind === 'goods' && line.sku === sku);
      const earlier = [...state.returns.values()].filter((other) => other.orderKey === operation.orderKey);
      const back = earlier.flatMap((other) => other.lines).filter((line) => line.sku === sku);
      if (units(sold) < units(back) + quantity) throw new ShopError(`${sku} was not sold to this order`, 'never');
    }
    giveBack(operation.orderKey, operation.refundMinor);
    for (const { sku, quantity } of operation.lines) {
      level(sku).returned += quantity;
      level(sku).onHand += quantity;
    }
    state.returns.set(operation.key, operation);
  }

  function adjust(operation: AdjustStock): void {
    const short = operation.lines.find(({ sku, quantity }) => level(sku).onHand + quantity < 0);
    if (short !== undefined) throw new ShopError(`not enough ${short.sku} on hand`, 'never');
    for (const { sku, quantity } of operation.lines) {
      level(sku).adjusted += quantity;
      level(sku).onHand += quantity;
    }
    state.adjustments.set(operation.key, operation);
  }

  const shop: MemoryShop = {
    ...state,
    writes: 0,
    booksId: async () => 'memory',
    async upsertProducts({ products }) {
      for (const product of products) state.products.set(product.sku, product);
    },
    receiveStock: (operation) =>
      once(operation, () => {
        for (const { sku, quantity } of operation.lines) {
          level(sku).received += quantity;
          level(sku).onHand += quantity;
        }
        state.receipts.set(operation.key, operation);
      }),
    placeOrder: (operation) => once(operation, () => place(operation)),
    returnOrder: (operation) => once(operation, () => bringBack(operation)),
    refundOrder: (operation) =>
      once(operation, () => {
        giveBack(operation.orderKey, operation.amountMinor);
        state.refunds.set(operation.key, operation);
      }),
    adjustStock: (operation) => once(operation, () => adjust(operation)),
    bookEntries: (operation) => once(operation, () => void state.entries.set(operation.key, operation)),

    async *readOrders(keys) {
      for (const key of keys) {
        const order = state.orders.get(key);
        if (order === undefined) continue;
        yield { ...order };
        if (order.state === 'received') order.state = 'confirmed';
      }
    },
    readReturns: (keys) => pick(state.returns, keys),
    readRefunds: (keys) => pick(state.refunds, keys),
    readReceipts: (keys) => pick(state.receipts, keys),
    readAdjustments: (keys) => pick(state.adjustments, keys),
    readEntries: (keys) => pick(state.entries, keys),
    readStock: (skus) => pick(state.stock, skus),
  };
  return shop;
}

async function* pick<T>(all: ReadonlyMap<string, T>, keys: ReadonlySet<string>): AsyncGenerator<T> {
  for (const key of keys) {
    const found = all.get(key);
    if (found !== undefined) yield found;
  }
}

function units(lines: readonly { quantity: number }[]): number {
  return lines.reduce((sum, { quantity }) => sum + quantity, 0);
}
