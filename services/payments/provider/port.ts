import type { ProviderEvent } from './events.ts';

/**
 * The port to whoever moves the money.
 *
 * Every changing call carries `key`, the provider's idempotency key: repeating a call with the same key and arguments
 * is always safe and gives the first answer again. A call ends in one of three ways:
 *   - it resolves: the provider said so, and that is final;
 *   - it rejects with a `ProviderError` whose outcome is `not-done` or `refused`: certainly no effect;
 *   - it rejects with a `ProviderError` whose outcome is `unknown`: the effect may or may not have happened, or may yet
 *     happen. Neither success nor failure may be concluded from it. Repeat with the same key, or ask `find`. A `find`
 *     that finds nothing proves nothing while the lost call can still arrive; the repeat settles it.
 * Keys are remembered for a day (Stripe: at least 24 h). A repeat later than that must ask `find` first, and does not
 * repeat what `find` shows: for a refund that means comparing `refunds[].key`.
 */
export interface PaymentProvider {
  readonly name: string;
  /** Sets the amount aside on the card. Not taken until `capture`. */
  authorize(request: AuthorizeRequest): Promise<AuthorizeResult>;
  /** Takes what was authorized, or `amountMinor` of it; the rest is released. Capturing the same again changes nothing. */
  capture(request: CaptureRequest): Promise<CaptureResult>;
  /** Gives an authorization back. Voiding again changes nothing; refused with `already_captured` after a capture. */
  void(request: VoidRequest): Promise<VoidResult>;
  /** Gives taken money back, whole or in parts, never more than was captured. */
  refund(request: RefundRequest): Promise<RefundResult>;
  /** The provider's view, or undefined when it knows of none (yet). Changes nothing. */
  find(request: FindRequest): Promise<ProviderPayment | undefined>;
  /** Throws a `ProviderError` with code `webhook_signature` unless the body was signed by the provider, recently. */
  verifyWebhook(rawBody: string | Uint8Array, signatureHeader: string): ProviderEvent;
  close(): Promise<void>;
}

/** The time-out of one call. An answer later than this counts as lost. */
export const providerTimeoutMs = 5_000;

export interface ProviderCall {
  /** Ends the wait earlier than the time-out: the caller's deadline. */
  readonly signal?: AbortSignal;
}

export interface AuthorizeRequest extends ProviderCall {
  /** At most 255 characters; also kept as metadata `business_key`, so `find` can ask for it. */
  readonly key: string;
  readonly orderId: string;
  readonly amountMinor: number;
  /** ISO 4217, upper or lower case. */
  readonly currency: string;
  /** The provider's token for a card, for example `pm_…`. Never a card number. */
  readonly paymentMethod: string;
  /** Shown at the provider beside `order` and `business_key`, which are set by the adapter. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export type AuthorizeResult =
  | {
      readonly kind: 'authorized';
      readonly providerRef: string;
      readonly amountMinor: number;
      readonly currency: string;
    }
  | {
      readonly kind: 'declined';
      readonly providerRef: string | undefined;
      /** The provider's error code, for example `card_declined` or `expired_card`. */
      readonly code: string;
      /** The bank's reason, for example `insufficient_funds`. For logs and staff, not for shoppers. */
      readonly declineCode: string;
      /** One sentence for the shopper: what happened and what to do. Never says that a card is suspected of fraud. */
      readonly message: string;
      readonly advice: DeclineAdvice;
    };

/** What the shopper can do about a decline. */
export type DeclineAdvice = 'try-again' | 'correct-details' | 'authenticate' | 'other-card' | 'ask-bank';

export interface CaptureRequest extends ProviderCall {
  readonly key: string;
  readonly providerRef: string;
  /** Default: all that was authorized. */
  readonly amountMinor?: number;
}

export interface CaptureResult {
  readonly kind: 'captured';
  readonly providerRef: string;
  readonly capturedMinor: number;
  readonly currency: string;
}

export interface VoidRequest extends ProviderCall {
  readonly key: string;
  readonly providerRef: string;
}

export interface VoidResult {
  readonly kind: 'voided';
  readonly providerRef: string;
}

export interface RefundRequest extends ProviderCall {
  readonly key: string;
  readonly providerRef: string;
  readonly amountMinor: number;
}

export interface RefundResult {
  readonly kind: 'refunded';
  readonly providerRef: string;
  readonly providerRefundRef: string;
  readonly amountMinor: number;
  readonly currency: string;
}

export type FindRequest = ProviderCall &
  (
    | { readonly orderId: string; readonly sinceMs?: number }
    | { readonly key: string; readonly sinceMs?: number }
    | { readonly providerRef: string }
  );

export interface ProviderPayment {
  readonly providerRef: string;
  readonly orderId: string | undefined;
  /** The key of the `authorize` that made it. */
  readonly key: string | undefined;
  readonly status: ProviderPaymentStatus;
  readonly amountMinor: number;
  readonly capturedMinor: number;
  readonly refundedMinor: number;
  readonly currency: string;
  readonly refunds: readonly ProviderRefund[];
  /** When `status` is `declined`. */
  readonly decline: { readonly code: string; readonly declineCode: string } | undefined;
  /**
   * Other payments of the same order that hold or took money: empty, unless the order was paid twice. Where several
   * exist, the one described here is the earliest that holds or took money, else the newest.
   */
  readonly duplicates: readonly string[];
}

/** `pending`: made, but waiting for the shopper or for the provider; no money is held. */
export type ProviderPaymentStatus = 'pending' | 'declined' | 'authorized' | 'captured' | 'voided';

export interface ProviderRefund {
  readonly providerRefundRef: string;
  /** The key of the `refund` call that made it. */
  readonly key: string | undefined;
  readonly amountMinor: number;
}
