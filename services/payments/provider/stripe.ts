import Stripe from 'stripe';
import type { Clock, Timers } from '#kit/runtime';
import { declined } from './declines.ts';
import { lostError, notSentError, ProviderError, refusalError } from './errors.ts';
import { badSignature, readEvent } from './events.ts';
import {
  type AuthorizeRequest,
  type AuthorizeResult,
  type CaptureRequest,
  type CaptureResult,
  type FindRequest,
  type PaymentProvider,
  type ProviderPayment,
  providerTimeoutMs,
  type RefundRequest,
  type RefundResult,
  type VoidRequest,
  type VoidResult,
} from './port.ts';
import { type CallScope, createStripeHttpClient, type StripeHttpClientOptions } from './stripe-http-client.ts';
import { choosePayment, paymentOf } from './stripe-view.ts';

export interface StripeProviderOptions extends StripeHttpClientOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** `sk_…` or a restricted key `rk_…` with write access to PaymentIntents and Refunds. */
  readonly secretKey: string;
  /** `whsec_…` of the webhook endpoint. */
  readonly webhookSecret: string;
  /** Default `https://api.stripe.com`. Give the sandbox's URL to speak to that instead. */
  readonly url?: string;
  /** Default 5,000 ms. */
  readonly timeoutMs?: number;
  /** Oldest webhook that is accepted, in seconds; 0 accepts any age. Default 300, as Stripe advises. */
  readonly webhookToleranceSeconds?: number;
  /** Pages of 100 payments that `find` walks when search knows nothing. Default 20. */
  readonly findPagesMax?: number;
}

/** How far the provider's clock may be from ours when `find` limits its list by time. */
const clockDistanceMsMax = 10 * 60_000;
/** How far back `find` looks when it isn't told: as long as Stripe remembers keys. */
const findWindowMs = 24 * 3_600_000;
const pageSize = 100;

/** Stripe by its official library. Retries are left to the caller's budgets: each method sends one request (`find`: some). */
export function createStripeProvider(options: StripeProviderOptions): PaymentProvider {
  const { clock, timers, timeoutMs = providerTimeoutMs, findPagesMax = 20 } = options;
  const httpClient = createStripeHttpClient(options);
  const stripe = new Stripe(options.secretKey, {
    ...address(options.url),
    httpClient,
    maxNetworkRetries: 0,
    telemetry: false,
    timeout: timeoutMs,
  });

  /** One call with its time-out, its signal, and its errors translated. */
  async function call<T>(signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
    if (signal?.aborted) throw notSentError('aborted', signal.reason);
    const ended = new AbortController();
    const scope: CallScope = { signal: ended.signal, sent: false };
    let why: 'timeout' | 'aborted' | undefined;
    const end = (reason: 'timeout' | 'aborted') => {
      why ??= reason;
      ended.abort(new Error(reason));
    };
    const onAbort = () => end('aborted');
    signal?.addEventListener('abort', onAbort, { once: true });
    const cancelTimeout = timers.after(timeoutMs, () => end('timeout'));
    try {
      return await httpClient.within(scope, run);
    } catch (error) {
      throw translate(error, scope, why);
    } finally {
      cancelTimeout();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async function authorize(request: AuthorizeRequest): Promise<AuthorizeResult> {
    const { key, orderId, amountMinor, currency, paymentMethod, metadata, signal } = request;
    try {
      const intent = await call(signal, () =>
        stripe.paymentIntents.create(
          {
            amount: amountMinor,
            currency: currency.toLowerCase(),
            payment_method: paymentMethod,
            // Since version 2026-09-30.endive `payment_method_types` is refused.
            allowed_payment_method_types: ['card'],
            capture_method: 'manual',
            confirm: true,
            // A card that wants the shopper's confirmation is a decline here, not an intent left hanging.
            error_on_requires_action: true,
            metadata: { ...metadata, order: orderId, business_key: key },
          },
          { idempotencyKey: key },
        ),
      );
      return authorizedOf(intent);
    } catch (error) {
      const card = cardErrorOf(error);
      if (!card) throw error;
      return declined(card.payment_intent?.id, card.code ?? 'card_declined', card.decline_code);
    }
  }

  async function capture(request: CaptureRequest): Promise<CaptureResult> {
    const { key, providerRef, amountMinor, signal } = request;
    const params = amountMinor === undefined ? {} : { amount_to_capture: amountMinor };
    const intent = await call(signal, () =>
      stripe.paymentIntents.capture(providerRef, params, { idempotencyKey: key }),
    ).catch((error) => {
      // Reached already, by a call whose key is forgotten: the same capture again is no error.
      const done = intentInTheWay(error);
      const same = done?.status === 'succeeded' && (amountMinor ?? done.amount) === done.amount_received;
      if (same) return done;
      throw error;
    });
    return {
      kind: 'captured',
      providerRef,
      capturedMinor: intent.amount_received,
      currency: intent.currency.toUpperCase(),
    };
  }

  async function voidPayment({ key, providerRef, signal }: VoidRequest): Promise<VoidResult> {
    await call(signal, () => stripe.paymentIntents.cancel(providerRef, {}, { idempotencyKey: key })).catch((error) => {
      if (intentInTheWay(error)?.status !== 'canceled') throw error;
    });
    return { kind: 'voided', providerRef };
  }

  async function refund({ key, providerRef, amountMinor, signal }: RefundRequest): Promise<RefundResult> {
    const made = await call(signal, () =>
      stripe.refunds.create(
        { payment_intent: providerRef, amount: amountMinor, metadata: { business_key: key } },
        { idempotencyKey: key },
      ),
    );
    return {
      kind: 'refunded',
      providerRef,
      providerRefundRef: made.id,
      amountMinor: made.amount,
      currency: made.currency.toUpperCase(),
    };
  }

  async function find(request: FindRequest): Promise<ProviderPayment | undefined> {
    const { signal } = request;
    const intents =
      'providerRef' in request ? await retrieve(request.providerRef, signal) : await lookFor(request, signal);
    const chosen = choosePayment(intents.toReversed());
    if (!chosen) return undefined;
    const refunds = await call(signal, () =>
      stripe.refunds.list({ payment_intent: chosen.intent.id, limit: pageSize }).autoPagingToArray({ limit: 1_000 }),
    );
    return paymentOf(chosen.intent, refunds, chosen.duplicates);
  }

  async function retrieve(id: string, signal: AbortSignal | undefined): Promise<Stripe.PaymentIntent[]> {
    try {
      return [await call(signal, () => stripe.paymentIntents.retrieve(id))];
    } catch (error) {
      if (error instanceof ProviderError && error.code === 'not_found') return [];
      throw error;
    }
  }

  /**
   * Search first: one request. It is eventually consistent at Stripe (under a minute as a rule, longer in an outage; docs:
   * "don't use search for read-after-write flows"), so finding nothing there is no answer, and the list, which is
   * consistent, is walked from the newest back to when the payment can have begun.
   */
  async function lookFor(
    wanted: Exclude<FindRequest, { providerRef: string }>,
    signal: AbortSignal | undefined,
  ): Promise<Stripe.PaymentIntent[]> {
    const [name, value] = 'orderId' in wanted ? ['order', wanted.orderId] : ['business_key', wanted.key];
    const query = `metadata['${name}']:'${value.replaceAll(/['\\]/g, '\\$&')}'`;
    const found = await call(signal, () => stripe.paymentIntents.search({ query, limit: pageSize }));
    if (found.data.length > 0) return found.data;
    const sinceMs = (wanted.sinceMs ?? clock.now() - findWindowMs) - clockDistanceMsMax;
    return walkList(sinceMs, (intent) => intent.metadata[name as string] === value, signal);
  }

  async function walkList(
    sinceMs: number,
    matches: (intent: Stripe.PaymentIntent) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<Stripe.PaymentIntent[]> {
    const found: Stripe.PaymentIntent[] = [];
    let startingAfter: string | undefined;
    for (let page = 0; page < findPagesMax; page++) {
      const listed = await call(signal, () =>
        stripe.paymentIntents.list({
          limit: pageSize,
          created: { gte: Math.floor(sinceMs / 1000) },
          ...(startingAfter !== undefined && { starting_after: startingAfter }),
        }),
      );
      found.push(...listed.data.filter(matches));
      startingAfter = listed.data.at(-1)?.id;
      if (!listed.has_more || startingAfter === undefined) return found;
    }
    if (found.length > 0) return found;
    // Saying "not there" without having looked at everything would be a guess.
    throw tooManyToWalk(findPagesMax * pageSize);
  }

  return {
    name: 'stripe',
    authorize,
    capture,
    void: voidPayment,
    refund,
    find,
    verifyWebhook(rawBody, signatureHeader) {
      const body = typeof rawBody === 'string' ? rawBody : Buffer.from(rawBody);
      const { webhookSecret, webhookToleranceSeconds = 300 } = options;
      try {
        return readEvent(
          stripe.webhooks.constructEvent(
            body,
            signatureHeader,
            webhookSecret,
            webhookToleranceSeconds,
            undefined,
            clock.now(),
          ),
        );
      } catch (error) {
        throw badSignature(error);
      }
    },
    close: () => httpClient.close(),
  };
}

function address(url = 'https://api.stripe.com') {
  const { protocol, hostname, port } = new URL(url);
  const isHttp = protocol === 'http:';
  return {
    protocol: isHttp ? ('http' as const) : ('https' as const),
    host: hostname,
    port: port || (isHttp ? '80' : '443'),
  };
}

function authorizedOf(intent: Stripe.PaymentIntent): AuthorizeResult {
  if (intent.status !== 'requires_capture') {
    throw new ProviderError({
      code: 'needs_action',
      outcome: 'unknown',
      category: 'conflict',
      retry: 'never',
      message: `payment ${intent.id} is ${intent.status} instead of authorized; ask find, then void it`,
    });
  }
  return {
    kind: 'authorized',
    providerRef: intent.id,
    amountMinor: intent.amount_capturable,
    currency: intent.currency.toUpperCase(),
  };
}

function translate(error: unknown, scope: CallScope, why: 'timeout' | 'aborted' | undefined): unknown {
  if (why !== undefined) return scope.sent ? lostError(why, error) : notSentError('aborted', error);
  if (error instanceof Stripe.errors.StripeConnectionError) {
    return scope.sent ? lostError('connection_lost', error) : notSentError('unreachable', error);
  }
  if (!(error instanceof Stripe.errors.StripeError)) return error;
  // A reply that isn't JSON comes from something in between; it says nothing about the effect.
  if (error.statusCode === undefined) return lostError('connection_lost', error);
  const refusal = refusalError({
    status: error.statusCode,
    type: error.rawType,
    code: error.code,
    param: error.param,
    message: error.message,
    intentStatus: error.payment_intent?.status,
    replayed: error.headers?.['idempotent-replayed'] === 'true',
    requestId: error.requestId,
  });
  refusal.cause = error;
  return refusal;
}

/** The card error behind a translated error: a decline is an answer, not a failure. */
function cardErrorOf(error: unknown): Stripe.errors.StripeError | undefined {
  const cause = error instanceof ProviderError ? error.cause : undefined;
  return cause instanceof Stripe.errors.StripeCardError ? cause : undefined;
}

function intentInTheWay(error: unknown): Stripe.PaymentIntent | undefined {
  const cause = error instanceof ProviderError ? error.cause : undefined;
  return cause instanceof Stripe.errors.StripeInvalidRequestError ? cause.payment_intent : undefined;
}

function tooManyToWalk(count: number): ProviderError {
  return new ProviderError({
    code: 'provider_failed',
    outcome: 'unknown',
    category: 'unavailable',
    retry: { afterMs: 60_000 },
    message: `search knows nothing yet and ${count} listed payments were not enough; give sinceMs, or ask again in a minute`,
  });
}
