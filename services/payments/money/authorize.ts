import type { CallContext } from '#kit/contract';
import type { PaymentRecord } from '../model.ts';
import { declined, isProviderError, type ProviderError } from '../provider/index.ts';
import { isStored, keyAgeMsMax, providerProblem } from './failures.ts';
import type { MoneyOptions } from './index.ts';
import type { LookUps } from './look-up.ts';

/** Asks for the amount of a payment, or learns how an earlier request ended. Resolves only with what is certain. */
export type SettleAuthorization = (payment: PaymentRecord, context: CallContext) => Promise<PaymentRecord>;

export function createSettleAuthorization(
  { submit, authorizations, provider, guard, log }: MoneyOptions,
  lookUps: LookUps,
): SettleAuthorization {
  async function ask(payment: PaymentRecord, context: CallContext): Promise<PaymentRecord> {
    const { orderId, amountMinor, currency, method } = payment;
    const key = `${orderId}:authorize`;
    const result = await guard.run('authorize', context, (signal) =>
      provider.authorize({ key, orderId, amountMinor, currency, paymentMethod: method, signal }),
    );
    if (result.kind === 'declined') {
      const decline = { code: result.declineCode, message: result.message };
      const { providerRef = null } = result;
      return (await submit({ kind: 'declined', orderId, decline, providerRef })).payment;
    }
    const { providerRef } = result;
    if (payment.status !== 'requested') return (await submit({ kind: 'authorized', orderId, providerRef })).payment;
    authorizations.note(orderId, providerRef);
    return authorizations.with(payment);
  }

  /** Not the bank but the provider said no, and its words are for us: whoever pays gets a sentence of ours. */
  async function recordRefusal(orderId: string, error: ProviderError): Promise<PaymentRecord> {
    log.warn('the payment provider refused an authorization', { orderId, error });
    const { declineCode, message } = declined(undefined, error.code, error.providerCode);
    const decline = { code: declineCode, message };
    return (await submit({ kind: 'declined', orderId, decline, providerRef: null })).payment;
  }

  return async (payment, context) => {
    const { orderId, ageMs } = payment;
    const known = ageMs > keyAgeMsMax ? await lookUps.settlePayment(orderId, context) : undefined;
    if (known) return known;
    try {
      return await ask(payment, context);
    } catch (error) {
      if (!isProviderError(error)) throw error;
      if (error.outcome === 'refused') return recordRefusal(orderId, error);
      const found = isStored(error) ? await lookUps.settlePayment(orderId, context) : undefined;
      if (found) return found;
      throw providerProblem(error);
    }
  };
}
