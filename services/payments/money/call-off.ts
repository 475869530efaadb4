import type { CallContext } from '#kit/contract';
import type { PaymentRecord } from '../model.ts';
import { isProviderError, type ProviderError } from '../provider/index.ts';
import type { SettleAuthorization } from './authorize.ts';
import { isStored, providerProblem } from './failures.ts';
import type { MoneyOptions } from './index.ts';
import type { LookUps } from './look-up.ts';
import type { PayBack } from './pay-back.ts';

/** Voids what was set aside, and pays back what was captured; leaves word where nothing was asked for yet. */
export type CallOff = (orderId: string, context: CallContext) => Promise<PaymentRecord>;

interface Steps {
  readonly settleAuthorization: SettleAuthorization;
  readonly payBack: PayBack;
}

export function createCallOff(
  { submit, authorizations, provider, guard }: MoneyOptions,
  lookUps: LookUps,
  { settleAuthorization, payBack }: Steps,
): CallOff {
  async function release({ orderId, providerRef }: PaymentRecord, context: CallContext): Promise<PaymentRecord> {
    if (!providerRef) throw new Error(`the payment of ${orderId} was settled without a reference of the provider`);
    try {
      await guard.run('void', context, (signal) => provider.void({ key: `${orderId}:void`, providerRef, signal }));
    } catch (error) {
      if (!isProviderError(error)) throw error;
      if (error.code === 'already_captured') await lookUps.settlePayment(orderId, context);
      else if (isStored(error)) await settleStored(orderId, error, context);
      else if (error.code !== 'already_voided') throw providerProblem(error);
    }
    return (await submit({ kind: 'voided', orderId })).payment;
  }

  async function settleStored(orderId: string, error: ProviderError, context: CallContext): Promise<void> {
    const known = await lookUps.settlePayment(orderId, context);
    if (known?.status !== 'voided' && known?.status !== 'captured') throw providerProblem(error);
  }

  async function payRestBack(orderId: string, context: CallContext): Promise<PaymentRecord> {
    // Not the key of the void: the provider remembers what that was used for.
    const refundId = `${orderId}:call-off`;
    const { payment, refund } = await submit({ kind: 'start-refund', orderId, refundId, amountMinor: 'rest' });
    if (refund) await payBack(payment, refund, context);
    return payment;
  }

  return async (orderId, context) => {
    await authorizations.settle(orderId);
    let { payment } = await submit({ kind: 'start-void', orderId });
    if (payment.status === 'voiding' && !payment.providerRef) {
      // Whether the amount was ever set aside is not known. A look-up that finds it is enough; one that does not proves
      // nothing, because the lost call may still arrive: repeating it under its key makes sure that it has.
      payment = (await lookUps.settlePayment(orderId, context)) ?? (await settleAuthorization(payment, context));
    }
    if (payment.status === 'voiding') payment = await release(payment, context);
    return payment.status === 'captured' ? payRestBack(orderId, context) : payment;
  };
}
