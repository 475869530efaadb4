/**
 * What a replay needs of a shop. `cli/` implements it over the public HTTP API; the tests over a small shop in memory.
 *
 * Every write carries its business key: the shop answers a repeat as it answered the first time, and refuses the same
 * key with other content (`retry: 'never'`). Writes reject with a `ShopError` when they can't be done.
 */
import type { LineKind } from './codes.ts';
import type {
  AdjustStock,
  BookEntries,
  EntryKind,
  PlaceOrder,
  ReceiveStock,
  ReturnOrder,
  UpsertProducts,
} from './operations.ts';

export interface ShopApi {
  /** Names the shop's books: progress made in other books is not continued. */
  booksId(signal?: AbortSignal): Promise<string>;
  upsertProducts(operation: UpsertProducts, signal?: AbortSignal): Promise<void>;
  receiveStock(operation: ReceiveStock, signal?: AbortSignal): Promise<void>;
  /** Resolves once the order is durable. A refusal (declined, out of stock) is an answer, not an error. */
  placeOrder(operation: PlaceOrder, signal?: AbortSignal): Promise<OrderAnswer>;
  /** Goods back on the shelf, money back through the provider. */
  returnOrder(operation: ReturnOrder, signal?: AbortSignal): Promise<void>;
  adjustStock(operation: AdjustStock, signal?: AbortSignal): Promise<void>;
  bookEntries(operation: BookEntries, signal?: AbortSignal): Promise<void>;

  /** Reading back, at most `KEYS_PER_READ` keys a call. What the shop does not know is left out of the answer. */
  readOrders(keys: readonly string[], signal?: AbortSignal): Promise<readonly OrderRecord[]>;
  readReturns(keys: readonly string[], signal?: AbortSignal): Promise<readonly ReturnRecord[]>;
  readReceipts(keys: readonly string[], signal?: AbortSignal): Promise<readonly ReceiptRecord[]>;
  readAdjustments(keys: readonly string[], signal?: AbortSignal): Promise<readonly AdjustmentRecord[]>;
  readEntries(keys: readonly string[], signal?: AbortSignal): Promise<readonly EntriesRecord[]>;
  readStock(skus: readonly string[], signal?: AbortSignal): Promise<readonly StockRecord[]>;
}

export const KEYS_PER_READ = 100;

/** `received`: durable, still on its way (202). `cancelled` and `refused` took nothing. */
export type OrderState = 'received' | 'confirmed' | 'refused' | 'cancelled';

export interface OrderAnswer {
  readonly state: OrderState;
  readonly reason?: string;
}

export interface OrderRecord {
  readonly key: string;
  readonly state: OrderState;
  readonly reason?: string;
  readonly country: string;
  readonly occurredAt: string;
  readonly lines: readonly {
    readonly sku: string;
    readonly kind: LineKind;
    readonly quantity: number;
    readonly totalMinor: number;
  }[];
  readonly totalMinor: number;
  /** Sum of all its returns so far, as the orders service has it. */
  readonly returnedMinor: number;
  /** As the payments service's ledger has it, all attempts and refunds added up. */
  readonly capturedMinor: number;
  readonly refundedMinor: number;
}

export interface ReturnRecord {
  readonly key: string;
  readonly orderKey: string;
  readonly country: string;
  readonly occurredAt: string;
  readonly lines: readonly {
    readonly sku: string;
    readonly kind: LineKind;
    readonly quantity: number;
    readonly refundMinor: number;
  }[];
}

export interface ReceiptRecord {
  readonly key: string;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
}

export interface AdjustmentRecord {
  readonly key: string;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
}

export interface EntriesRecord {
  readonly key: string;
  readonly country: string;
  readonly occurredAt: string;
  readonly lines: readonly { readonly kind: EntryKind; readonly amountMinor: number }[];
}

/** A SKU's whole history over all holders, whoever caused it. Everything is 0 or more but `adjusted`. */
export interface StockRecord {
  readonly sku: string;
  readonly received: number;
  readonly onHand: number;
  readonly held: number;
  /** Units committed to orders, before returns. */
  readonly sold: number;
  readonly returned: number;
  /** Net of all corrections: positive where more was found than lost. */
  readonly adjusted: number;
}

/** `same-key`: repeat with the same key after backing off; a number: after that many milliseconds. */
export type ShopRetry = 'never' | 'same-key' | number;

export class ShopError extends Error {
  override readonly name = 'ShopError';
  readonly retry: ShopRetry;
  constructor(message: string, retry: ShopRetry, options?: ErrorOptions) {
    super(message, options);
    this.retry = retry;
  }
}
