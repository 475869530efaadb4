import type { CallContext } from '#kit/contract';
import type { Command } from '../commands.ts';
import type { PaymentRecord, RefundRecord } from '../model.ts';
import { isProviderError, type ProviderPayment } from '../provider/index.ts';
import { providerProblem } from './failures.ts';
import type { MoneyOptions } from './index.ts';

/** Learns from the provider how a call of ours ended, and commits it. */
export interface LookUps {
  /** What the provider has of an order, or of a payment of its own. */
  find(
    wanted: { readonly orderId: string } | { readonly providerRef: string },
    context: CallContext,
  ): Promise<ProviderPayment | undefined>;
  /** Undefined where the provider has nothing of the order that is certain. */
  settlePayment(orderId: string, context: CallContext): Promise<PaymentRecord | undefined>;
  /** Undefined where the provider shows no refund of this key: it was not paid back, or not yet. */
  settleRefund(payment: PaymentRecord, refundId: string, context: CallContext): Promise<RefundRecord | undefined>;
}

export function createLookUps({ submit, provider, guard }: MoneyOptions): LookUps {
  const find: LookUps['find'] = async (wanted, context) => {
    try {
      return await guard.run('find', context, (signal) => provider.find({ ...wanted, signal }));
    } catch (error) {
      throw isProviderError(error) ? providerProblem(error) : error;
    }
  };

  return {
    find,
    async settlePayment(orderId, context) {
      const found = await find({ orderId }, context);
      return found && found.status !== 'pending' ? (await submit(outcomeOf(orderId, found))).payment : undefined;
    },
    async settleRefund({ orderId, providerRef }, refundId, context) {
      const found = await find({ providerRef: providerRef ?? '' }, context);
      const paid = found?.refunds.find(({ key }) => key === refundId);
      if (!paid) return undefined;
      const { providerRefundRef } = paid;
      return (await submit({ kind: 'refunded', orderId, refundId, providerRef: providerRefundRef })).refund;
    },
  };
}

function outcomeOf(orderId: string, { status, providerRef, capturedMinor, decline }: ProviderPayment): Command {
  if (status === 'captured') return { kind: 'captured', orderId, providerRef, capturedMinor };
  if (status === 'authorized') return { kind: 'authorized', orderId, providerRef };
  const code = decline?.declineCode ?? status;
  return { kind: 'declined', orderId, providerRef, decline: { code, message: 'The payment was not accepted.' } };
}
