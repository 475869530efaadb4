/**
 * What a replay needs of a shop. `cli/` implements it over the public HTTP API; the tests over a small shop in memory.
 *
 * Every write carries its business key: the shop answers a repeat as it answered the first time, and refuses the same
 * key with other content (`retry: 'never'`). Writes reject with a `ShopError` when they can't be done.
 */
import type {
  AdjustStock,
  BookEntries,
  EntryKind,
  PlaceOrder,
  ReceiveStock,
  RefundOrder,
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
  /** Money back through the provider without goods. */
  refundOrder(operation: RefundOrder, signal?: AbortSignal): Promise<void>;
  adjustStock(operation: AdjustStock, signal?: AbortSignal): Promise<void>;
  bookEntries(operation: BookEntries, signal?: AbortSignal): Promise<void>;

  /**
   * Reading back: every record that the shop has under these keys, each as often as it is there (a key twice is a fault
   * that the reconciliation names). Page by page or from an export: it is a stream, in any order.
   */
  readOrders(keys: ReadonlySet<string>, signal?: AbortSignal): AsyncIterable<OrderRecord>;
  readReturns(keys: ReadonlySet<string>, signal?: AbortSignal): AsyncIterable<ReturnRecord>;
  readRefunds(keys: ReadonlySet<string>, signal?: AbortSignal): AsyncIterable<RefundRecord>;
  readReceipts(keys: ReadonlySet<string>, signal?: AbortSignal): AsyncIterable<MovementRecord>;
  readAdjustments(keys: ReadonlySet<string>, signal?: AbortSignal): AsyncIterable<MovementRecord>;
  readEntries(keys: ReadonlySet<string>, signal?: AbortSignal): AsyncIterable<EntriesRecord>;
  readStock(skus: ReadonlySet<string>, signal?: AbortSignal): AsyncIterable<StockRecord>;
}

/** `received`: durable, still on its way (202). `confirmed` includes orders whose goods all came back since. */
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
    /** Only goods have stock; all other kinds are added up as fees. */
    readonly kind: string;
    readonly quantity: number;
    readonly totalMinor: number;
  }[];
  readonly totalMinor: number;
  /** Sum of all its returns and refunds so far, as the orders service has it. */
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
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
  readonly refundMinor: number;
}

export interface RefundRecord {
  readonly key: string;
  readonly country: string;
  readonly occurredAt: string;
  readonly amountMinor: number;
}

/** A receipt or an adjustment. */
export interface MovementRecord {
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
