import { ProviderError } from './errors.ts';

/** What a provider reports by webhook. Events come at least once and in any order: treat them as hints to `find`. */
export interface ProviderEvent {
  /** The same for every delivery of the same event: what an inbox deduplicates by. */
  readonly id: string;
  readonly kind: 'authorized' | 'captured' | 'voided' | 'declined' | 'refunded' | 'other';
  /** The provider's own name for it, for example `payment_intent.succeeded`. */
  readonly type: string;
  readonly occurredMs: number;
  readonly providerRef: string | undefined;
  readonly orderId: string | undefined;
  /** The key of the `authorize` that made the payment. */
  readonly key: string | undefined;
  readonly amountMinor: number | undefined;
  readonly capturedMinor: number | undefined;
  readonly refundedMinor: number | undefined;
  readonly currency: string | undefined;
}

const kinds: Readonly<Record<string, ProviderEvent['kind']>> = {
  'payment_intent.amount_capturable_updated': 'authorized',
  'payment_intent.succeeded': 'captured',
  'payment_intent.canceled': 'voided',
  'payment_intent.payment_failed': 'declined',
  'charge.refunded': 'refunded',
};

/** The part of Stripe's event object that is read; the SDK's `Stripe.Event` fits too. */
export interface StripeEventLike {
  readonly id: string;
  readonly type: string;
  readonly created: number;
  readonly data: { readonly object: unknown };
}

export function readEvent(event: StripeEventLike): ProviderEvent {
  const object = event.data.object as Record<string, unknown>;
  const metadata = (object['metadata'] ?? {}) as Record<string, string>;
  const isCharge = object['object'] === 'charge';
  return {
    id: event.id,
    kind: kinds[event.type] ?? 'other',
    type: event.type,
    occurredMs: event.created * 1000,
    providerRef: text(isCharge ? object['payment_intent'] : object['id']),
    orderId: text(metadata['order']),
    key: text(metadata['business_key']),
    amountMinor: amount(object['amount']),
    capturedMinor: amount(isCharge ? object['amount_captured'] : object['amount_received']),
    refundedMinor: amount(object['amount_refunded']),
    currency: text(object['currency'])?.toUpperCase(),
  };
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const amount = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

export function badSignature(cause?: unknown): ProviderError {
  return new ProviderError({
    code: 'webhook_signature',
    outcome: 'refused',
    category: 'auth',
    retry: 'never',
    message: 'the webhook was not signed with the configured secret, or its time stamp is too old',
    cause,
  });
}
