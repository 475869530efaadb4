import type { CallContext } from '#kit/contract';
import type { PaymentRecord, RefundRecord } from '../model.ts';
import { isProviderError } from '../provider/index.ts';
import { isStored, keyAgeMsMax, providerProblem } from './failures.ts';
import type { MoneyOptions } from './index.ts';
import type { LookUps } from './look-up.ts';

/** Carries out a refund that is committed as requested. */
export type PayBack = (payment: PaymentRecord, refund: RefundRecord, context: CallContext) => Promise<RefundRecord>;

export function createPayBack({ submit, provider, guard }: MoneyOptions, lookUps: LookUps): PayBack {
  return async (payment, refund, context) => {
    const { orderId } = payment;
    const { refundId, amountMinor } = refund;
    if (refund.status === 'succeeded') return refund;
    const known = refund.ageMs > keyAgeMsMax ? await lookUps.settleRefund(payment, refundId, context) : undefined;
    if (known) return known;
    const providerRef = payment.providerRef ?? '';
    try {
      const { providerRefundRef } = await guard.run('refund', context, (signal) =>
        provider.refund({ key: refundId, providerRef, amountMinor, signal }),
      );
      const closed = await submit({ kind: 'refunded', orderId, refundId, providerRef: providerRefundRef });
      return closed.refund ?? refund;
    } catch (error) {
      if (!isProviderError(error)) throw error;
      const found = isStored(error) ? await lookUps.settleRefund(payment, refundId, context) : undefined;
      if (found) return found;
      if (error.outcome === 'refused') await submit({ kind: 'refund-refused', orderId, refundId });
      throw providerProblem(error);
    }
  };
}
