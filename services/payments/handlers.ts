import { type payments, paymentsProblems } from '#contracts/payments';
import { type CallContext, contractProblems, type Handlers } from '#kit/contract';
import type { BatchWriter } from '#kit/store';
import { type BookCommand, type BookResult, createEntryHandlers } from './entries.ts';
import { createMoney, type MoneyOptions } from './money/index.ts';
import { readPayment } from './store.ts';
import { declinedProblem, exportPayments, providerViewOf, viewOf } from './views.ts';

export interface HandlerOptions extends MoneyOptions {
  readonly bookWriter: BatchWriter<BookCommand, BookResult>;
}

export function createHandlers(options: HandlerOptions): Handlers<typeof payments> {
  const { database, submit, authorizations, bookWriter, provider, known } = options;
  const { authorize, capture, callOff, payBack, lookUps } = createMoney(options);

  return {
    ...createEntryHandlers(database, bookWriter),
    authorize: async ({ body }, context) => {
      const payment = await authorize(body, context);
      if (payment.status === 'declined') throw declinedProblem(payment);
      if (payment.status === 'voiding' || payment.status === 'voided') throw paymentsProblems.voided();
      return { status: 200, body: viewOf(payment) };
    },
    capture: async ({ params }, context) => ({ status: 200, body: viewOf(await capture(params.orderId, context)) }),
    void: async ({ params }, context) => ({ status: 200, body: viewOf(await callOff(params.orderId, context)) }),
    refund: async ({ params, body }, context) => {
      const { orderId } = params;
      const { payment, refund } = await submit({ kind: 'start-refund', orderId, ...body });
      if (!refund) throw new Error(`no refund came back for ${body.refundId}`);
      const { refundId, amountMinor } = refund;
      await payBack(payment, refund, context);
      return { status: 200, body: { refundId, orderId, amountMinor, status: 'succeeded' } };
    },
    get: async ({ params }) => {
      const payment = await readPayment(database, params.orderId);
      if (!payment) throw contractProblems['not-found']({ detail: `no payment of ${params.orderId}` });
      return { status: 200, body: viewOf(authorizations.with(payment)) };
    },
    providerView: async ({ params: { orderId } }, context) => {
      const payment = await known(orderId);
      const providerRef = payment && authorizations.with(payment).providerRef;
      const found = await lookUps.find(providerRef ? { providerRef } : { orderId }, context);
      return { status: 200, body: { provider: provider.name, ...(found ? { payment: providerViewOf(found) } : {}) } };
    },
    export: async () => ({ status: 200, body: exportPayments(database) }),
    webhook: async ({ body }, context) => {
      await takeWebhook(body, context);
      return { status: 200, body: { received: true } };
    },
  };

  /** A webhook is a hint, never a fact: what it is about is looked up at the provider. */
  async function takeWebhook(body: string, context: CallContext): Promise<void> {
    let orderId: string | undefined;
    try {
      ({ orderId } = provider.verifyWebhook(body, context.headers['stripe-signature'] ?? ''));
    } catch (error) {
      throw paymentsProblems['webhook-refused']({ cause: error });
    }
    const payment = orderId === undefined ? undefined : await readPayment(database, orderId);
    if (payment?.status === 'requested' || payment?.status === 'authorized') {
      await lookUps.settlePayment(payment.orderId, context);
    }
  }
}
