import { paymentsProblems } from '#contracts/payments';
import { type CallContext, contractProblems } from '#kit/contract';
import type { PaymentRecord } from '../model.ts';
import { isProviderError, type ProviderError } from '../provider/index.ts';
import { readPayment } from '../store.ts';
import type { SettleAuthorization } from './authorize.ts';
import { isStored, providerProblem } from './failures.ts';
import type { MoneyOptions } from './index.ts';
import type { LookUps } from './look-up.ts';

/** Takes what was set aside for an order. */
export type Capture = (orderId: string, context: CallContext) => Promise<PaymentRecord>;

export function createCapture(
  { database, submit, authorizations, provider, guard, known }: MoneyOptions,
  lookUps: LookUps,
  settleAuthorization: SettleAuthorization,
): Capture {
  async function take(orderId: string, providerRef: string, context: CallContext): Promise<PaymentRecord> {
    const { capturedMinor } = await guard.run('capture', context, (signal) =>
      provider.capture({ key: `${orderId}:capture`, providerRef, signal }),
    );
    const { payment } = await submit({ kind: 'captured', orderId, providerRef, capturedMinor });
    authorizations.forget(orderId);
    return payment;
  }

  async function explain(orderId: string, error: ProviderError, context: CallContext): Promise<PaymentRecord> {
    const isHidden = error.code === 'already_captured' || isStored(error);
    const found = isHidden ? await lookUps.settlePayment(orderId, context) : undefined;
    if (found && found.status !== 'authorized') return found;
    // Called off by us while we asked: there is nothing to take, and that is as it should be. An amount that the
    // provider let go (authorizations lapse) is money that a confirmed order lacks: a refusal, for people to see.
    const now = error.code === 'already_voided' ? await readPayment(database, orderId) : undefined;
    if (now?.status === 'voiding' || now?.status === 'voided') return now;
    throw providerProblem(error);
  }

  return async (orderId, context) => {
    const found = await known(orderId);
    if (!found) throw contractProblems['not-found']({ detail: `no payment of ${orderId}` });
    let payment = authorizations.with(found);
    // Authorized at another instance, or by one that died before it wrote so.
    if (payment.status === 'requested') payment = await settleAuthorization(payment, context);
    // It lapsed before anyone wrote it down: a confirmed order lacks its money, and people have to see that.
    if (payment.status === 'declined') {
      throw paymentsProblems['provider-refused']({ detail: payment.decline?.message ?? 'the payment was declined' });
    }
    if (payment.status !== 'authorized' || !payment.providerRef) return payment;
    try {
      return await take(orderId, payment.providerRef, context);
    } catch (error) {
      if (!isProviderError(error)) throw error;
      return explain(orderId, error, context);
    }
  };
}
