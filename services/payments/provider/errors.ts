import type { Category, Retry } from '#kit/contract';

/**
 * What is known about the effect of the call.
 * not-done: it never reached the provider, or the provider did not begin · refused: the provider understood and will
 * not do it · unknown: sent, but no answer that can be relied on.
 */
export type ProviderOutcome = 'not-done' | 'refused' | 'unknown';

export interface ProviderErrorFields {
  readonly code: ProviderErrorCode;
  readonly outcome: ProviderOutcome;
  readonly category: Category;
  readonly retry: Retry;
  readonly message: string;
  readonly status?: number | undefined;
  readonly providerCode?: string | undefined;
  readonly providerRequestId?: string | undefined;
  readonly cause?: unknown;
}

export type ProviderErrorCode =
  | 'timeout'
  | 'aborted'
  | 'connection_lost'
  | 'unreachable'
  | 'provider_failed'
  | 'busy'
  /** Not called: it failed too often lately, or too many calls are under way. */
  | 'left_alone'
  | 'key_in_use'
  | 'key_reused'
  | 'credentials'
  | 'not_found'
  | 'already_captured'
  | 'already_voided'
  | 'not_captured'
  | 'capture_exceeds_authorized'
  | 'refund_exceeds_captured'
  | 'needs_action'
  | 'declined_later'
  | 'invalid_request'
  | 'webhook_signature';

const brand = Symbol.for('holdfast.provider-error');

export class ProviderError extends Error {
  readonly [brand] = true;
  readonly code: ProviderErrorCode;
  readonly outcome: ProviderOutcome;
  readonly category: Category;
  readonly retry: Retry;
  readonly status: number | undefined;
  readonly providerCode: string | undefined;
  readonly providerRequestId: string | undefined;

  constructor(fields: ProviderErrorFields) {
    super(`payment provider: ${fields.message}`, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.name = 'ProviderError';
    this.code = fields.code;
    this.outcome = fields.outcome;
    this.category = fields.category;
    this.retry = fields.retry;
    this.status = fields.status;
    this.providerCode = fields.providerCode;
    this.providerRequestId = fields.providerRequestId;
  }
}

export function isProviderError(error: unknown): error is ProviderError {
  return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[brand] === true;
}

/** An error that Stripe's API answered with, from the SDK or from the sandbox. */
export interface ApiRefusal {
  readonly status: number;
  readonly type: string | undefined;
  readonly code: string | undefined;
  readonly param: string | undefined;
  readonly message: string;
  /** `status` of the intent that stood in the way. */
  readonly intentStatus: string | undefined;
  /** The reply had been stored under the key by an earlier call, so repeating will give it again. */
  readonly replayed: boolean;
  readonly requestId?: string | undefined;
}

/** How long to leave a busy provider or a key in use alone. */
const busyAfterMs = 500;

type Verdict = Pick<ProviderErrorFields, 'code' | 'outcome' | 'category' | 'retry'>;

const refused = (code: ProviderErrorCode, category: Category): Verdict => ({
  code,
  outcome: 'refused',
  category,
  retry: 'never',
});

export function refusalError(refusal: ApiRefusal): ProviderError {
  return new ProviderError({
    ...verdictOf(refusal),
    message: `${refusal.message} (${refusal.status}${refusal.code ? `, ${refusal.code}` : ''})`,
    status: refusal.status,
    providerCode: refusal.code,
    providerRequestId: refusal.requestId,
  });
}

function verdictOf(refusal: ApiRefusal): Verdict {
  const { status, type, code } = refusal;
  if (status >= 500) return failedVerdict(refusal);
  // The first call with this key is still under way, so its outcome is open; it is not the caller's mistake.
  if (status === 409) {
    return { code: 'key_in_use', outcome: 'unknown', category: 'conflict', retry: { afterMs: busyAfterMs } };
  }
  if (status === 429 || code === 'rate_limit' || code === 'lock_timeout') {
    return { code: 'busy', outcome: 'not-done', category: 'unavailable', retry: { afterMs: busyAfterMs } };
  }
  if (status === 401 || status === 403) return refused('credentials', 'auth');
  // A card that declines at the capture; `authorize` turns its own declines into answers before this is thrown.
  if (status === 402) return refused('declined_later', 'conflict');
  if (type === 'idempotency_error') return refused('key_reused', 'conflict');
  if (code === 'resource_missing') return refused('not_found', 'input');
  if (code === 'payment_intent_unexpected_state') return stateVerdict(refusal.intentStatus);
  if (code === 'charge_already_refunded' || isRefundTooLarge(refusal)) {
    return refused('refund_exceeds_captured', 'conflict');
  }
  if (refusal.param === 'amount_to_capture') return refused('capture_exceeds_authorized', 'input');
  return refused('invalid_request', 'input');
}

/**
 * A 5xx says nothing about the effect. Stripe (API v1) stores even a 5xx under the key once execution began, so one that
 * was replayed comes back for ever: only `find` can tell then.
 */
function failedVerdict({ replayed }: ApiRefusal): Verdict {
  return {
    code: 'provider_failed',
    outcome: 'unknown',
    category: 'unavailable',
    retry: replayed ? 'never' : 'same-key',
  };
}

function stateVerdict(intentStatus: string | undefined): Verdict {
  if (intentStatus === 'succeeded') return refused('already_captured', 'conflict');
  if (intentStatus === 'canceled') return refused('already_voided', 'conflict');
  if (intentStatus === 'requires_action') return refused('needs_action', 'conflict');
  return refused('not_captured', 'conflict');
}

/** Stripe gives this one no code; its message is stable since 2013. */
const isRefundTooLarge = (refusal: ApiRefusal): boolean =>
  refusal.param === 'amount' && refusal.message.includes('greater than unrefunded amount');

/** The wait for an answer ended; the request may be anywhere. */
export function lostError(why: 'timeout' | 'aborted' | 'connection_lost', cause?: unknown): ProviderError {
  const messages = {
    timeout: 'no answer in time; the outcome is unknown',
    aborted: 'the caller stopped waiting; the outcome is unknown',
    connection_lost: 'the connection broke before the answer; the outcome is unknown',
  };
  return new ProviderError({
    code: why,
    outcome: 'unknown',
    category: why === 'connection_lost' ? 'unavailable' : 'timeout',
    retry: 'same-key',
    message: messages[why],
    cause,
  });
}

/** The request never left. */
export function notSentError(why: 'unreachable' | 'aborted', cause?: unknown): ProviderError {
  return new ProviderError({
    code: why,
    outcome: 'not-done',
    category: why === 'aborted' ? 'timeout' : 'unavailable',
    retry: 'same-key',
    message: why === 'aborted' ? 'the deadline had passed before the call was sent' : 'it could not be reached',
    cause,
  });
}
