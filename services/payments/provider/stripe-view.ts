import type { ProviderPayment, ProviderPaymentStatus } from './port.ts';

/** The fields of Stripe's objects that are read; the SDK's types fit, and so do the sandbox's. */
export interface IntentLike {
  readonly id: string;
  readonly status: string;
  readonly created: number;
  readonly amount: number;
  readonly amount_received: number;
  readonly currency: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly last_payment_error: { readonly code?: string; readonly decline_code?: string } | null;
}

export interface RefundLike {
  readonly id: string;
  readonly amount: number;
  readonly status: string | null;
  readonly metadata: Readonly<Record<string, string>> | null;
}

const statuses: Readonly<Record<string, ProviderPaymentStatus>> = {
  requires_capture: 'authorized',
  succeeded: 'captured',
  canceled: 'voided',
};

/** `intents` oldest first (Stripe counts whole seconds, so their order decides). Of several, the earliest that holds or took money, else the newest; and which others do too. */
export function choosePayment<T extends Pick<IntentLike, 'id' | 'status' | 'created'>>(intents: readonly T[]) {
  const byAge = intents.toSorted((one, other) => one.created - other.created);
  const withMoney = byAge.filter(({ status }) => status === 'requires_capture' || status === 'succeeded');
  const intent = withMoney[0] ?? byAge.at(-1);
  return intent && { intent, duplicates: withMoney.slice(1).map(({ id }) => id) };
}

export function paymentOf(
  intent: IntentLike,
  refunds: readonly RefundLike[],
  duplicates: readonly string[],
): ProviderPayment {
  const lastError = intent.last_payment_error;
  // Failed and canceled refunds gave nothing back.
  const made = refunds.filter(({ status }) => status !== 'failed' && status !== 'canceled');
  const status = statuses[intent.status] ?? (lastError ? 'declined' : 'pending');
  return {
    providerRef: intent.id,
    orderId: intent.metadata['order'],
    key: intent.metadata['business_key'],
    status,
    amountMinor: intent.amount,
    capturedMinor: intent.amount_received,
    refundedMinor: made.reduce((sum, { amount }) => sum + amount, 0),
    currency: intent.currency.toUpperCase(),
    refunds: made.map(({ id, amount, metadata }) => ({
      providerRefundRef: id,
      key: metadata?.['business_key'],
      amountMinor: amount,
    })),
    decline:
      status === 'declined' && lastError?.code !== undefined
        ? { code: lastError.code, declineCode: lastError.decline_code || lastError.code }
        : undefined,
    duplicates,
  };
}
