import { type Payment, type payments, paymentsProblems } from '#contracts/payments';
import { type CallContext, contractProblems, type Handlers, type Problem } from '#kit/contract';
import type { Database, Logger } from '#kit/runtime';
import { type BatchWriter, readInParts } from '#kit/store';
import type { Authorizations } from './authorizations.ts';
import type { Command, CommandResult } from './commands.ts';
import { type BookCommand, type BookResult, createEntryHandlers } from './entries.ts';
import { authorized, type PaymentRecord, type RefundRecord } from './model.ts';
import {
  declined,
  isProviderError,
  type PaymentProvider,
  type ProviderError,
  type ProviderGuard,
  type ProviderPayment,
} from './provider/index.ts';
import { type ExportRow, readPayment, readPayments } from './store.ts';

export interface HandlerOptions {
  readonly database: Database;
  /** Resolves once the command is committed. */
  readonly submit: (command: Command) => Promise<CommandResult>;
  readonly authorizations: Authorizations;
  readonly bookWriter: BatchWriter<BookCommand, BookResult>;
  readonly provider: PaymentProvider;
  /** Before every call to the provider. */
  readonly guard: ProviderGuard;
  /** The payment of an order as this process knows it, which may be a moment ago. */
  readonly known: (orderId: string) => Promise<PaymentRecord | undefined>;
  readonly log: Logger;
}

/** The provider forgets keys after a day: an older call is looked up before it is repeated. */
const keyAgeMsMax = 20 * 3600 * 1000;

/**
 * Around every movement of money: the intention is committed, the provider is called with a key made from the order,
 * the outcome is committed (an authorization moments later, see `Authorizations`). A crash anywhere leaves a row that says
 * what to ask the provider, and asking twice is harmless.
 */
export function createHandlers({
  database,
  submit,
  authorizations,
  bookWriter,
  provider,
  guard,
  known,
  log,
}: HandlerOptions): Handlers<typeof payments> {
  const keyOf = (orderId: string, what: string) => `${orderId}:${what}`;

  /** Asks for the amount, or learns how an earlier request ended. Resolves only with what is certain. */
  async function settleAuthorization(payment: PaymentRecord, context: CallContext): Promise<PaymentRecord> {
    const { orderId, amountMinor, currency, method } = payment;
    if (payment.ageMs > keyAgeMsMax) {
      const known = await settleByLookUp(orderId, context);
      if (known) return known;
    }
    try {
      const key = keyOf(orderId, 'authorize');
      const result = await guard.run('authorize', context, (signal) =>
        provider.authorize({ key, orderId, amountMinor, currency, paymentMethod: method, signal }),
      );
      if (result.kind === 'authorized') {
        const { providerRef } = result;
        if (payment.status !== 'requested') return await record({ kind: 'authorized', orderId, providerRef });
        authorizations.note(orderId, providerRef);
        return withNoted(payment);
      }
      const decline = { code: result.declineCode, message: result.message };
      return await record({ kind: 'declined', orderId, decline, providerRef: result.providerRef ?? null });
    } catch (error) {
      if (!isProviderError(error)) throw error;
      if (error.outcome === 'refused') {
        // Not the bank but the provider said no, and its words are for us: whoever pays gets a sentence of ours.
        log.warn('the payment provider refused an authorization', { orderId, error });
        const { declineCode, message } = declined(undefined, error.code, error.providerCode);
        return record({ kind: 'declined', orderId, decline: { code: declineCode, message }, providerRef: null });
      }
      const known = isStored(error) ? await settleByLookUp(orderId, context) : undefined;
      if (known) return known;
      throw providerProblem(error);
    }
  }

  /** The payment with what is to be written of it in a moment. */
  function withNoted(payment: PaymentRecord): PaymentRecord {
    const providerRef = authorizations.refOf(payment.orderId);
    return providerRef === undefined ? payment : authorized(payment, providerRef);
  }

  /** What the provider has of an order, or of a payment of its own. */
  async function lookUp(
    wanted: { readonly orderId: string } | { readonly providerRef: string },
    context: CallContext,
  ): Promise<ProviderPayment | undefined> {
    try {
      return await guard.run('find', context, (signal) => provider.find({ ...wanted, signal }));
    } catch (error) {
      throw isProviderError(error) ? providerProblem(error) : error;
    }
  }

  async function settleByLookUp(orderId: string, context: CallContext): Promise<PaymentRecord | undefined> {
    const found = await lookUp({ orderId }, context);
    if (!found || found.status === 'pending') return undefined;
    const { providerRef } = found;
    if (found.status === 'captured') {
      return record({ kind: 'captured', orderId, providerRef, capturedMinor: found.capturedMinor });
    }
    if (found.status === 'authorized') return record({ kind: 'authorized', orderId, providerRef });
    const decline = { code: found.decline?.declineCode ?? found.status, message: 'The payment was not accepted.' };
    return record({ kind: 'declined', orderId, decline, providerRef });
  }

  async function record(command: Command): Promise<PaymentRecord> {
    return (await submit(command)).payment;
  }

  async function capture(orderId: string, context: CallContext): Promise<PaymentRecord> {
    const found = await known(orderId);
    if (!found) throw contractProblems['not-found']({ detail: `no payment of ${orderId}` });
    let payment = withNoted(found);
    // Authorized at another instance, or by one that died before it wrote so.
    if (payment.status === 'requested') payment = await settleAuthorization(payment, context);
    // It lapsed before anyone wrote it down: a confirmed order lacks its money, and people have to see that.
    if (payment.status === 'declined') {
      throw paymentsProblems['provider-refused']({ detail: payment.decline?.message ?? 'the payment was declined' });
    }
    if (payment.status !== 'authorized' || !payment.providerRef) return payment;
    const { providerRef } = payment;
    try {
      const result = await guard.run('capture', context, (signal) =>
        provider.capture({ key: keyOf(orderId, 'capture'), providerRef, signal }),
      );
      const taken = await record({ kind: 'captured', orderId, providerRef, capturedMinor: result.capturedMinor });
      authorizations.forget(orderId);
      return taken;
    } catch (error) {
      if (!isProviderError(error)) throw error;
      const isHidden = error.code === 'already_captured' || isStored(error);
      const known = isHidden ? await settleByLookUp(orderId, context) : undefined;
      if (known && known.status !== 'authorized') return known;
      // Called off by us while we asked: there is nothing to take, and that is as it should be. An amount that the
      // provider let go (authorizations lapse) is money that a confirmed order lacks: a refusal, for people to see.
      const now = error.code === 'already_voided' ? await readPayment(database, orderId) : undefined;
      if (now?.status === 'voiding' || now?.status === 'voided') return now;
      throw providerProblem(error);
    }
  }

  async function callOff(orderId: string, context: CallContext): Promise<PaymentRecord> {
    await authorizations.settle(orderId);
    let payment = await record({ kind: 'start-void', orderId });
    if (payment.status === 'voiding' && !payment.providerRef) {
      // Whether the amount was ever set aside is not known. A look-up that finds it is enough; one that does not proves
      // nothing, because the lost call may still arrive: repeating it under its key makes sure that it has.
      payment = (await settleByLookUp(orderId, context)) ?? (await settleAuthorization(payment, context));
    }
    if (payment.status === 'voiding') {
      const { providerRef } = payment;
      if (!providerRef) throw new Error(`the payment of ${orderId} was settled without a reference of the provider`);
      try {
        await guard.run('void', context, (signal) =>
          provider.void({ key: keyOf(orderId, 'void'), providerRef, signal }),
        );
      } catch (error) {
        if (!isProviderError(error)) throw error;
        if (error.code === 'already_captured') await settleByLookUp(orderId, context);
        else if (isStored(error)) await settleStoredVoid(orderId, error, context);
        else if (error.code !== 'already_voided') throw providerProblem(error);
      }
      payment = await record({ kind: 'voided', orderId });
    }
    if (payment.status !== 'captured') return payment;
    // Not the key of the void: the provider remembers what that was used for.
    const refundId = keyOf(orderId, 'call-off');
    const opened = await submit({ kind: 'start-refund', orderId, refundId, amountMinor: 'rest' });
    if (opened.refund) await payBack(opened.payment, opened.refund, context);
    return opened.payment;
  }

  async function settleStoredVoid(orderId: string, error: ProviderError, context: CallContext): Promise<void> {
    const known = await settleByLookUp(orderId, context);
    if (known?.status !== 'voided' && known?.status !== 'captured') throw providerProblem(error);
  }

  /** Undefined when the provider shows no refund of this key: it was not paid back, or not yet. */
  async function settleRefundByLookUp(
    { orderId, providerRef }: PaymentRecord,
    refundId: string,
    context: CallContext,
  ): Promise<RefundRecord | undefined> {
    const found = await lookUp({ providerRef: providerRef ?? '' }, context);
    const paid = found?.refunds.find(({ key }) => key === refundId);
    if (!paid) return undefined;
    const { providerRefundRef } = paid;
    return (await submit({ kind: 'refunded', orderId, refundId, providerRef: providerRefundRef })).refund;
  }

  async function payBack(payment: PaymentRecord, refund: RefundRecord, context: CallContext): Promise<RefundRecord> {
    const { orderId } = payment;
    const { refundId, amountMinor } = refund;
    if (refund.status === 'succeeded') return refund;
    if (refund.ageMs > keyAgeMsMax) {
      const known = await settleRefundByLookUp(payment, refundId, context);
      if (known) return known;
    }
    const providerRef = payment.providerRef ?? '';
    try {
      const result = await guard.run('refund', context, (signal) =>
        provider.refund({ key: refundId, providerRef, amountMinor, signal }),
      );
      const closed = await submit({
        kind: 'refunded',
        orderId,
        refundId,
        providerRef: result.providerRefundRef,
      });
      return closed.refund ?? refund;
    } catch (error) {
      if (!isProviderError(error)) throw error;
      const known = isStored(error) ? await settleRefundByLookUp(payment, refundId, context) : undefined;
      if (known) return known;
      if (error.outcome === 'refused') await submit({ kind: 'refund-refused', orderId, refundId });
      throw providerProblem(error);
    }
  }

  return {
    ...createEntryHandlers(database, bookWriter),
    authorize: async ({ body }, context) => {
      let payment = withNoted(await record({ kind: 'request', ...body }));
      if (payment.status === 'requested') payment = await settleAuthorization(payment, context);
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
      return { status: 200, body: viewOf(withNoted(payment)) };
    },
    providerView: async ({ params: { orderId } }, context) => {
      const payment = await known(orderId);
      const providerRef = payment && withNoted(payment).providerRef;
      const found = await lookUp(providerRef ? { providerRef } : { orderId }, context);
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
      await settleByLookUp(payment.orderId, context);
    }
  }
}

/** A stored 5xx comes back for ever, whatever the call has done: only looking can tell what it hides. */
function isStored(error: ProviderError): boolean {
  return error.outcome === 'unknown' && error.retry === 'never';
}

function declinedProblem(payment: PaymentRecord): Problem {
  const { code, message } = payment.decline ?? { code: 'declined', message: 'The payment was declined.' };
  return paymentsProblems.declined({ detail: message, data: { declineCode: code } });
}

function providerProblem(error: ProviderError): Problem {
  const { outcome, message: detail, retry } = error;
  if (outcome === 'refused') return paymentsProblems['provider-refused']({ detail, cause: error });
  // What was not sent may know better when to come back.
  const advice = outcome === 'not-done' && typeof retry === 'object' ? { retry } : {};
  return paymentsProblems['provider-unavailable']({ detail, cause: error, ...advice });
}

/** ISO 4217: no currency is involved. Of a payment that was called off before it was asked for. */
const noCurrency = 'XXX';

function viewOf(payment: PaymentRecord): Payment {
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

function providerViewOf(payment: ProviderPayment) {
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

async function* exportPayments(database: Database): AsyncIterable<unknown> {
  for await (const row of readInParts<ExportRow>((last, limit) => readPayments(database, last?.orderId ?? '', limit))) {
    yield { ...row, currency: row.currency || noCurrency, createdAt: row.createdAt.toISOString() };
  }
}
