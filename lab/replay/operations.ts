/** What a file asks the shop to do, in the shop's terms. Every operation carries its business key: a repeat is harmless. */
import type { AdjustmentReason, LineKind } from './codes.ts';
import type { Reject } from './row.ts';

export interface ProductUpsert {
  readonly sku: string;
  readonly name: string;
  readonly kind: LineKind;
  /** Rounded to minor units; `null` where the files never name a price: the product is known, but not on offer. */
  readonly priceMinor: number | null;
  readonly currency: string;
}

/** Products of one file, at most `PRODUCTS_PER_BATCH`. Naturally idempotent: the last write wins. */
export interface UpsertProducts {
  readonly type: 'products';
  readonly key: string;
  readonly products: readonly ProductUpsert[];
}

/** Goods received so that what a file takes out can be taken out. */
export interface ReceiveStock {
  readonly type: 'receipt';
  readonly key: string;
  readonly occurredAt: string;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
}

export interface OrderLine {
  readonly sku: string;
  readonly name: string;
  readonly kind: LineKind;
  /** Always positive; a discount has a negative unit price instead. */
  readonly quantity: number;
  /** Exact; may have more decimals than the currency. */
  readonly unitPriceText: string;
  /** quantity × unit price, half to even. */
  readonly totalMinor: number;
}

/** A sale. Its key is the invoice number. `totalMinor` is 0 or more; at 0 there is nothing to charge. */
export interface PlaceOrder {
  readonly type: 'order';
  readonly key: string;
  /** `null` for a sale without a known customer. */
  readonly customer: string | null;
  /** ISO 3166-1 alpha-2; `ZZ` where the file names none that is known. */
  readonly country: string;
  /** The shop's local time, `2010-12-01T08:26:00`. */
  readonly occurredAt: string;
  readonly currency: string;
  readonly lines: readonly OrderLine[];
  readonly totalMinor: number;
}

/** Goods of one earlier order taken back and refunded. Key: `<credit note>/<order key>`. */
export interface ReturnOrder {
  readonly type: 'return';
  readonly key: string;
  readonly orderKey: string;
  readonly country: string;
  readonly occurredAt: string;
  readonly currency: string;
  /** One line a SKU. */
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
  readonly refundMinor: number;
}

/** Postage and the like of one earlier order given back, no goods. Key: `<credit note>/<order key>/refund`. */
export interface RefundOrder {
  readonly type: 'refund';
  readonly key: string;
  readonly orderKey: string;
  readonly country: string;
  readonly occurredAt: string;
  readonly currency: string;
  readonly amountMinor: number;
}

/** Stock corrected; a foreign return (its sale is not in these books) brings units back the same way. One reason each. */
export interface AdjustStock {
  readonly type: 'adjust';
  readonly key: string;
  readonly occurredAt: string;
  readonly reason: AdjustmentReason;
  /** What the file says about it, as written. */
  readonly note: string;
  /** Signed: negative takes out. */
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
}

export type EntryKind = LineKind | 'foreign-return';

/** Money booked without a customer's payment: fees, write-offs, credits for sales that are not in these books. */
export interface BookEntries {
  readonly type: 'entries';
  readonly key: string;
  readonly country: string;
  readonly occurredAt: string;
  readonly currency: string;
  readonly lines: readonly {
    readonly kind: EntryKind;
    readonly sku: string;
    readonly quantity: number;
    /** Signed: negative is money the shop gave up. */
    readonly amountMinor: number;
    readonly note: string;
  }[];
  readonly totalMinor: number;
}

/** Everything before it must be done before anything after it starts. */
export interface Barrier {
  readonly type: 'barrier';
}

export type ShopOperation =
  | UpsertProducts
  | ReceiveStock
  | PlaceOrder
  | ReturnOrder
  | RefundOrder
  | AdjustStock
  | BookEntries;
export type Operation = ShopOperation | Barrier | Reject;
