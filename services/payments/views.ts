import { type Payment, paymentsProblems } from '#contracts/payments';
import type { Problem } from '#kit/contract';
import type { Database } from '#kit/runtime';
import { readInParts } from '#kit/store';
import type { PaymentRecord } from './model.ts';
import type { ProviderPayment } from './provider/index.ts';
import { type ExportRow, readPayments } from './store.ts';

/** ISO 4217: no currency is involved. Of a payment that was called off before it was asked for. */
const noCurrency = 'XXX';

export function viewOf(payment: PaymentRecord): Payment {
  const { orderId, status, amountMinor, currency, capturedMinor, refundedMinor, providerRef, decline } = payment;
  return {
    orderId,
    status,
    amountMinor,
    currency: currency || noCurrency,
    capturedMinor,
    refundedMinor,
    ...(providerRef === null ? {} : { providerRef }),
    ...(decline === null ? {} : { decline }),
  };
}

export function declinedProblem(payment: PaymentRecord): Problem {
  const { code, message } = payment.decline ?? { code: 'declined', message: 'The payment was declined.' };
  return paymentsProblems.declined({ detail: message, data: { declineCode: code } });
}

export function providerViewOf(payment: ProviderPayment) {
  const { providerRef, status, currency, amountMinor, capturedMinor, refundedMinor, decline, duplicates } = payment;
  return {
    ...{ providerRef, status, currency: currency.toUpperCase(), amountMinor, capturedMinor, refundedMinor },
    refunds: payment.refunds.map(({ providerRefundRef, key, amountMinor }) => ({
      ...{ providerRef: providerRefundRef, amountMinor },
      ...(key === undefined ? {} : { key }),
    })),
    ...(decline ? { decline: decline.declineCode } : {}),
    duplicates: [...duplicates],
  };
}

export async function* exportPayments(database: Database): AsyncIterable<unknown> {
  for await (const row of readInParts<ExportRow>((last, limit) => readPayments(database, last?.orderId ?? '', limit))) {
    yield { ...row, currency: row.currency || noCurrency, createdAt: row.createdAt.toISOString() };
  }
}
