import { paymentsProblems } from '#contracts/payments';

export type PaymentStatus = 'requested' | 'authorized' | 'declined' | 'captured' | 'voiding' | 'voided';

export interface Decline {
  readonly code: string;
  readonly message: string;
}

export interface PaymentRecord {
  readonly orderId: string;
  readonly status: PaymentStatus;
  readonly amountMinor: number;
  readonly currency: string;
  readonly method: string;
  readonly providerRef: string | null;
  readonly capturedMinor: number;
  /** Given back or promised to be: a refund counts from the moment it was requested. */
  readonly refundedMinor: number;
  readonly decline: Decline | null;
  /** By the database's clock. */
  readonly ageMs: number;
}

export interface RefundRecord {
  readonly refundId: string;
  readonly orderId: string;
  readonly amountMinor: number;
  readonly status: 'requested' | 'succeeded' | 'refused';
  readonly providerRef: string | null;
  /** Since it was requested first, by the database's clock. */
  readonly ageMs: number;
}

export interface PaymentRequest {
  readonly orderId: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly method: string;
}

/** Records the intent to pay before anyone is asked for money. A repeat gets the payment as it stands. */
export function requestPayment(known: PaymentRecord | undefined, request: PaymentRequest): PaymentRecord {
  return (
    known ?? {
      ...request,
      status: 'requested',
      providerRef: null,
      capturedMinor: 0,
      refundedMinor: 0,
      decline: null,
      ageMs: 0,
    }
  );
}

/** The provider has set the amount aside. A payment being called off meanwhile only learns where to call it off. */
export function authorized(payment: PaymentRecord, providerRef: string): PaymentRecord {
  if (payment.status === 'requested') return { ...payment, status: 'authorized', providerRef };
  return payment.providerRef ? payment : { ...payment, providerRef };
}

export function declined(payment: PaymentRecord, decline: Decline, providerRef: string | null): PaymentRecord {
  if (payment.status === 'requested') return { ...payment, status: 'declined', decline, providerRef };
  // Nothing is held at the provider, so there is nothing left to call off.
  if (payment.status === 'voiding') return { ...payment, status: 'voided', decline, providerRef };
  return payment;
}

export function captured(payment: PaymentRecord, capturedMinor: number, providerRef: string): PaymentRecord {
  if (payment.status === 'captured') return payment;
  return { ...payment, status: 'captured', capturedMinor, providerRef };
}

/** Calls a payment off. What was captured already is for `startRefund`. */
export function startVoid(known: PaymentRecord | undefined, orderId: string): PaymentRecord {
  if (!known) {
    const nothing = { amountMinor: 0, currency: '', method: '', providerRef: null, capturedMinor: 0, refundedMinor: 0 };
    return { ...nothing, orderId, status: 'voided', decline: null, ageMs: 0 };
  }
  if (known.status === 'requested' || known.status === 'authorized') return { ...known, status: 'voiding' };
  return known;
}

export function voided(payment: PaymentRecord): PaymentRecord {
  return payment.status === 'voiding' ? { ...payment, status: 'voided' } : payment;
}

/** Reserves part of what was captured for a refund, so that two refunds can't both spend it. */
export function startRefund(
  payment: PaymentRecord | undefined,
  refundId: string,
  amountMinor: number,
): { payment: PaymentRecord; refund: RefundRecord } {
  if (payment?.status === 'requested' || payment?.status === 'authorized') {
    throw paymentsProblems['capture-pending']({ detail: `the payment of ${payment.orderId} is ${payment.status}` });
  }
  const left = payment?.status === 'captured' ? payment.capturedMinor - payment.refundedMinor : 0;
  if (!payment || amountMinor > left) {
    const state = payment ? `the payment is ${payment.status}` : 'there is no payment';
    const detail = `${amountMinor} to refund, ${left} left of what was captured; ${state}`;
    throw paymentsProblems['not-captured']({ detail });
  }
  return {
    payment: { ...payment, refundedMinor: payment.refundedMinor + amountMinor },
    refund: { refundId, orderId: payment.orderId, amountMinor, status: 'requested', providerRef: null, ageMs: 0 },
  };
}

/** The provider will not pay it back: the reserved part is free again. */
export function refundRefused(
  payment: PaymentRecord,
  refund: RefundRecord,
): { payment: PaymentRecord; refund: RefundRecord } {
  return {
    payment: { ...payment, refundedMinor: payment.refundedMinor - refund.amountMinor },
    refund: { ...refund, status: 'refused' },
  };
}
