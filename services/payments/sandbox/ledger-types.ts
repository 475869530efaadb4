/** The words of the sandbox's ledger. Everything is plain immutable data: a record is journalled as it stands. */

export type IntentStatus =
  | 'requires_payment_method'
  | 'requires_confirmation'
  | 'requires_action'
  | 'requires_capture'
  | 'succeeded'
  | 'canceled';

export type Metadata = Readonly<Record<string, string>>;

/** The error object of Stripe's API, without the envelope. */
export interface ApiError {
  readonly type: 'card_error' | 'invalid_request_error' | 'idempotency_error' | 'api_error';
  readonly code?: string;
  readonly decline_code?: string;
  readonly message: string;
  readonly param?: string;
}

/** One version of a payment intent. A change makes a new object, so an older reply can always be given again. */
export interface Intent {
  readonly id: string;
  /** Place in order of creation, from 0: what pagination walks. */
  readonly ordinal: number;
  readonly createdMs: number;
  readonly status: IntentStatus;
  readonly amountMinor: number;
  readonly capturableMinor: number;
  readonly capturedMinor: number;
  readonly currency: string;
  readonly captureMethod: 'manual' | 'automatic';
  readonly paymentMethod: string | undefined;
  readonly description: string | undefined;
  readonly metadata: Metadata;
  /** How often it was confirmed: what its charge is named by (see `chargeIdOf`). */
  readonly attempts: number;
  readonly lastError: ApiError | undefined;
  readonly canceledMs: number | undefined;
  readonly cancellationReason: string | undefined;
  readonly refunds: readonly Refund[];
}

export interface Refund {
  readonly id: string;
  readonly intentId: string;
  readonly chargeId: string;
  readonly createdMs: number;
  readonly amountMinor: number;
  readonly currency: string;
  readonly reason: string | undefined;
  readonly metadata: Metadata;
}

export type Command =
  | {
      readonly operation: 'create';
      readonly amountMinor: number;
      readonly currency: string;
      readonly captureMethod: 'manual' | 'automatic';
      readonly confirm: boolean;
      readonly errorOnRequiresAction: boolean;
      readonly paymentMethod: string | undefined;
      readonly description: string | undefined;
      readonly metadata: Metadata;
    }
  | {
      readonly operation: 'confirm';
      readonly intentId: string;
      readonly paymentMethod: string | undefined;
      readonly errorOnRequiresAction: boolean;
    }
  | { readonly operation: 'capture'; readonly intentId: string; readonly amountMinor: number | undefined }
  | { readonly operation: 'cancel'; readonly intentId: string; readonly reason: string | undefined }
  | {
      readonly operation: 'refund';
      readonly intentId: string;
      readonly amountMinor: number | undefined;
      readonly reason: string | undefined;
      readonly metadata: Metadata;
    };

export type Operation = Command['operation'];

/**
 * One movement of money, the unit of the witness.
 * authorized: set aside on the card · captured: taken · released: the part of an authorization that a smaller capture
 * left · voided: an authorization given back whole · refunded: taken money given back.
 */
export interface Movement {
  readonly seq: number;
  readonly atMs: number;
  readonly kind: 'authorized' | 'captured' | 'released' | 'voided' | 'refunded';
  readonly intentId: string;
  /** The shop's order, from the metadata `order`. */
  readonly orderId: string | undefined;
  readonly amountMinor: number;
  readonly currency: string;
  /** The idempotency key of the call that moved it. */
  readonly key: string | undefined;
}

/** What one executed call did, always with the same fields (small and fast in V8; JSON leaves the empty ones out): the line of the journal, the stored reply of its key, and the cause of a webhook. */
export interface LedgerRecord {
  readonly seq: number;
  readonly atMs: number;
  readonly key: string | undefined;
  readonly command: Command;
  /** The true outcome: 200, 402 declined, or 400 refused because of the state. */
  readonly status: number;
  /** Set by a fault: the caller gets this 5xx instead, now and whenever the key is repeated, though it took effect. */
  readonly replyStatus: number | undefined;
  /** The intent after the call; on an error of state, the intent that stood in the way. */
  readonly intent: Intent;
  readonly refund: Refund | undefined;
  readonly error: ApiError | undefined;
  readonly movements: readonly Movement[];
  /** Present when somebody listens to webhooks. */
  readonly eventId: string | undefined;
}
