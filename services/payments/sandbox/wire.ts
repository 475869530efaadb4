import { chargeIdOf, refundedMinor } from './decide.ts';
import type { ApiError, Intent, LedgerRecord, Refund } from './ledger-types.ts';

/** The version whose shapes are spoken: the one the installed SDK sends. */
export const apiVersion = '2026-10-28.endive';

const seconds = (ms: number): number => Math.floor(ms / 1000);

export function intentJson(intent: Intent): Record<string, unknown> {
  return {
    id: intent.id,
    object: 'payment_intent',
    amount: intent.amountMinor,
    amount_capturable: intent.capturableMinor,
    amount_received: intent.capturedMinor,
    canceled_at: intent.canceledMs === undefined ? null : seconds(intent.canceledMs),
    cancellation_reason: intent.cancellationReason ?? null,
    capture_method: intent.captureMethod,
    client_secret: `${intent.id}_secret_sandbox`,
    confirmation_method: 'automatic',
    created: seconds(intent.createdMs),
    currency: intent.currency,
    customer: null,
    description: intent.description ?? null,
    last_payment_error: intent.lastError ? errorJson(intent.lastError, intent) : null,
    latest_charge: chargeIdOf(intent) ?? null,
    livemode: false,
    metadata: intent.metadata,
    next_action: intent.status === 'requires_action' ? { type: 'use_stripe_sdk', use_stripe_sdk: {} } : null,
    payment_method: intent.paymentMethod ?? null,
    allowed_payment_method_types: ['card'],
    payment_method_types: ['card'],
    status: intent.status,
  };
}

export function refundJson(refund: Refund): Record<string, unknown> {
  return {
    id: refund.id,
    object: 'refund',
    amount: refund.amountMinor,
    charge: refund.chargeId,
    created: seconds(refund.createdMs),
    currency: refund.currency,
    metadata: refund.metadata,
    payment_intent: refund.intentId,
    reason: refund.reason ?? null,
    status: 'succeeded',
  };
}

function chargeJson(intent: Intent): Record<string, unknown> {
  const refunded = refundedMinor(intent);
  return {
    id: chargeIdOf(intent),
    object: 'charge',
    amount: intent.amountMinor,
    amount_captured: intent.capturedMinor,
    amount_refunded: refunded,
    captured: intent.status === 'succeeded',
    created: seconds(intent.createdMs),
    currency: intent.currency,
    livemode: false,
    metadata: intent.metadata,
    paid: true,
    payment_intent: intent.id,
    payment_method: intent.paymentMethod ?? null,
    refunded: refunded === intent.capturedMinor,
    status: 'succeeded',
  };
}

/** The error's own fields; the intent is attached by `errorReplyJson`, not inside `last_payment_error`. */
function errorJson(error: ApiError, intent: Intent | undefined): Record<string, unknown> {
  const charge = error.type === 'card_error' && intent ? { charge: chargeIdOf(intent) } : {};
  return { ...error, ...charge, ...(error.code !== undefined && { doc_url: docUrl(error.code) }) };
}

export function errorReplyJson(error: ApiError, intent?: Intent): Record<string, unknown> {
  return { error: { ...errorJson(error, intent), ...(intent && { payment_intent: intentJson(intent) }) } };
}

const docUrl = (code: string): string => `https://docs.stripe.com/error-codes/${code.replaceAll('_', '-')}`;

/** The type of the event that a record causes, if any. */
export function eventTypeOf(record: LedgerRecord): string | undefined {
  if (record.status === 402) return 'payment_intent.payment_failed';
  if (record.movements.length === 0) {
    return record.error || record.command.operation !== 'cancel' ? undefined : 'payment_intent.canceled';
  }
  switch (record.command.operation) {
    case 'create':
    case 'confirm':
      return record.intent.status === 'succeeded'
        ? 'payment_intent.succeeded'
        : 'payment_intent.amount_capturable_updated';
    case 'capture':
      return 'payment_intent.succeeded';
    case 'cancel':
      return 'payment_intent.canceled';
    case 'refund':
      return 'charge.refunded';
  }
}

export function eventJson(record: LedgerRecord): Record<string, unknown> | undefined {
  const type = eventTypeOf(record);
  if (type === undefined) return undefined;
  return {
    id: record.eventId,
    object: 'event',
    api_version: apiVersion,
    created: seconds(record.atMs),
    data: { object: type === 'charge.refunded' ? chargeJson(record.intent) : intentJson(record.intent) },
    livemode: false,
    pending_webhooks: 1,
    request: { id: `req_${record.seq}`, idempotency_key: record.key ?? null },
    type,
  };
}
