import type { Clock, Timers } from '#kit/runtime';
import type { ApiError, Command, Intent } from '../sandbox/ledger-types.ts';
import type { CallReply, Read, Sandbox } from '../sandbox/sandbox.ts';
import { verifySignature } from '../sandbox/webhooks.ts';
import { declined } from './declines.ts';
import { type ApiRefusal, lostError, notSentError, refusalError } from './errors.ts';
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
import { choosePayment, paymentOf } from './stripe-view.ts';

export interface SandboxProviderOptions {
  readonly sandbox: Sandbox;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly webhookSecret: string;
  /** Default 5,000 ms. */
  readonly timeoutMs?: number;
  /** Oldest webhook that is accepted, in seconds; 0 accepts any age. Default 300. */
  readonly webhookToleranceSeconds?: number;
}

type Answer = Extract<CallReply, { kind: 'reply' }>;

/**
 * The sandbox without HTTP between: the same books, keys, faults and declines, at the cost of a function call. With the
 * memory journal and no fault nothing waits, so no timer is armed.
 */
export function createSandboxProvider(options: SandboxProviderOptions): PaymentProvider {
  const { sandbox, clock, timers, timeoutMs = providerTimeoutMs } = options;

  /** One call with time-out and signal. A lost reply and a late one look the same as over the network. */
  async function send(command: Command, key: string, signal: AbortSignal | undefined): Promise<Answer> {
    if (signal?.aborted) throw notSentError('aborted', signal.reason);
    const outcome = sandbox.call(command, key);
    const reply = outcome instanceof Promise ? await inTime(outcome, signal) : outcome;
    if (reply.kind === 'lost') throw lostError('connection_lost');
    return reply;
  }

  function inTime<T>(pending: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const finish = () => {
        cancelTimeout();
        signal?.removeEventListener('abort', onAbort);
      };
      const onAbort = () => {
        finish();
        reject(lostError('aborted', signal?.reason));
      };
      const cancelTimeout = timers.after(timeoutMs, () => {
        finish();
        reject(lostError('timeout'));
      });
      signal?.addEventListener('abort', onAbort, { once: true });
      pending.then(resolve, reject).finally(finish);
    });
  }

  async function authorize(request: AuthorizeRequest): Promise<AuthorizeResult> {
    const { key, orderId, amountMinor, currency, paymentMethod, metadata, signal } = request;
    const reply = await send(
      {
        operation: 'create',
        amountMinor,
        currency: currency.toLowerCase(),
        captureMethod: 'manual',
        confirm: true,
        errorOnRequiresAction: true,
        paymentMethod,
        description: undefined,
        metadata: { ...metadata, order: orderId, business_key: key },
      },
      key,
      signal,
    );
    const { intent, error } = reply;
    if (error?.type === 'card_error') return declined(intent?.id, error.code ?? 'card_declined', error.decline_code);
    const made = intentOf(reply);
    return {
      kind: 'authorized',
      providerRef: made.id,
      amountMinor: made.capturableMinor,
      currency: made.currency.toUpperCase(),
    };
  }

  async function capture({ key, providerRef, amountMinor, signal }: CaptureRequest): Promise<CaptureResult> {
    const reply = await send({ operation: 'capture', intentId: providerRef, amountMinor }, key, signal);
    const done = reply.status === 400 ? reply.intent : undefined;
    const same = done?.status === 'succeeded' && (amountMinor ?? done.amountMinor) === done.capturedMinor;
    const intent = same ? done : intentOf(reply);
    return {
      kind: 'captured',
      providerRef,
      capturedMinor: intent.capturedMinor,
      currency: intent.currency.toUpperCase(),
    };
  }

  async function voidPayment({ key, providerRef, signal }: VoidRequest): Promise<VoidResult> {
    const reply = await send({ operation: 'cancel', intentId: providerRef, reason: undefined }, key, signal);
    if (!(reply.status === 400 && reply.intent?.status === 'canceled')) intentOf(reply);
    return { kind: 'voided', providerRef };
  }

  async function refund({ key, providerRef, amountMinor, signal }: RefundRequest): Promise<RefundResult> {
    const reply = await send(
      { operation: 'refund', intentId: providerRef, amountMinor, reason: undefined, metadata: { business_key: key } },
      key,
      signal,
    );
    const { currency } = intentOf(reply);
    if (!reply.refund) throw new Error('the sandbox answered a refund without one');
    return {
      kind: 'refunded',
      providerRef,
      providerRefundRef: reply.refund.id,
      amountMinor: reply.refund.amountMinor,
      currency: currency.toUpperCase(),
    };
  }

  /** The ledger is asked by index, so there is no search that lags and no list to walk. */
  async function find(request: FindRequest): Promise<ProviderPayment | undefined> {
    const { signal } = request;
    if (signal?.aborted) throw notSentError('aborted', signal.reason);
    const pending = sandbox.read((ledger) => {
      if ('orderId' in request) return ledger.ofOrder(request.orderId);
      if ('key' in request) return ledger.ofBusinessKey(request.key);
      const intent = ledger.intent(request.providerRef);
      return intent ? [intent] : [];
    });
    const intents = readValue(pending instanceof Promise ? await inTime(pending, signal) : pending);
    const chosen = choosePayment(intents.map((intent) => ({ ...view(intent), intent })));
    return chosen && paymentOf(chosen.intent, refundsOf(chosen.intent.intent), chosen.duplicates);
  }

  return {
    name: 'sandbox',
    authorize,
    capture,
    void: voidPayment,
    refund,
    find,
    verifyWebhook(rawBody, signatureHeader) {
      const { webhookSecret, webhookToleranceSeconds = 300 } = options;
      const body = typeof rawBody === 'string' ? rawBody : Buffer.from(rawBody).toString();
      if (!verifySignature(body, signatureHeader, webhookSecret, clock.now(), webhookToleranceSeconds)) {
        throw badSignature();
      }
      return readEvent(JSON.parse(body));
    },
    async close() {},
  };
}

/** The intent of a successful reply; throws what the reply refuses. */
function intentOf(reply: Answer): Intent {
  if (reply.error) throw refusalError(refusalOf(reply.status, reply.error, reply));
  return reply.intent as Intent;
}

function readValue<T>(read: Read<T>): T {
  if (read.kind === 'lost') throw lostError('connection_lost');
  if (read.kind === 'failed') throw refusalError(refusalOf(read.status, read.error, { replayed: false }));
  return read.value;
}

function refusalOf(status: number, error: ApiError, reply: { intent?: Intent; replayed: boolean }): ApiRefusal {
  return {
    status,
    type: error.type,
    code: error.code,
    param: error.param,
    message: error.message,
    intentStatus: reply.intent?.status,
    replayed: reply.replayed,
  };
}

/** The same view that the SDK would give, without the detour over JSON. */
function view(intent: Intent) {
  return {
    id: intent.id,
    status: intent.status,
    created: intent.createdMs,
    amount: intent.amountMinor,
    amount_received: intent.capturedMinor,
    currency: intent.currency,
    metadata: intent.metadata,
    last_payment_error: intent.lastError ?? null,
  };
}

function refundsOf(intent: Intent) {
  // Newest first, as Stripe lists them.
  return intent.refunds
    .map(({ id, amountMinor, metadata }) => ({ id, amount: amountMinor, status: 'succeeded', metadata }))
    .toReversed();
}
