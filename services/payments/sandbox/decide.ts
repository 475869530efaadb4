import { type CardOutcome, testCards } from './cards.ts';
import type { ApiError, Command, Intent, LedgerRecord, Movement, Refund } from './ledger-types.ts';

/** Everything a decision may depend on beside the intent: no clock, no randomness of its own. */
export interface DecisionContext {
  readonly nowMs: number;
  readonly seq: number;
  /** Ordinal for an intent that is created. */
  readonly ordinal: number;
  readonly key: string | undefined;
  newId(prefix: 'pi' | 're'): string;
  /** Overrules the test card; set by a decline fault. */
  readonly cardOutcome?: CardOutcome;
}

/** `invalid`: the call never began to execute, so nothing is stored under its key (as Stripe documents). */
export type Decision =
  | { readonly kind: 'executed'; readonly record: LedgerRecord }
  | { readonly kind: 'invalid'; readonly status: number; readonly error: ApiError };

export const refundsPerIntentMax = 100;
const amountMinorMax = 99_999_999;
const cancellable = ['requires_payment_method', 'requires_capture', 'requires_confirmation', 'requires_action'];
const confirmable = ['requires_payment_method', 'requires_confirmation', 'requires_action'];

/**
 * The state machine of a payment intent (docs.stripe.com/payments/paymentintents/lifecycle), card payments only.
 * requires_payment_method → requires_confirmation → (requires_action) → requires_capture → succeeded, or canceled from
 * anywhere before succeeded. A decline leads back to requires_payment_method. Money moves only on entering
 * requires_capture (authorized), succeeded (captured, and released for the rest), canceled (voided), and by refunds.
 */
export function decide(command: Command, intent: Intent | undefined, context: DecisionContext): Decision {
  if (command.operation === 'create') return decideCreate(command, context);
  if (!intent) return missing('payment_intent', command.intentId, 404, 'intent');
  switch (command.operation) {
    case 'confirm':
      return decideConfirm(command, intent, context);
    case 'capture':
      return decideCapture(command, intent, context);
    case 'cancel':
      return decideCancel(command, intent, context);
    case 'refund':
      return decideRefund(command, intent, context);
  }
}

type CommandOf<O extends Command['operation']> = Extract<Command, { operation: O }>;

function decideCreate(command: CommandOf<'create'>, context: DecisionContext): Decision {
  const problem = createProblem(command);
  if (problem) return { kind: 'invalid', status: 400, error: problem };
  if (command.paymentMethod !== undefined && !testCards.has(command.paymentMethod)) {
    return missing('PaymentMethod', command.paymentMethod, 400, 'payment_method');
  }
  const intent: Intent = {
    id: context.newId('pi'),
    ordinal: context.ordinal,
    createdMs: context.nowMs,
    status: command.paymentMethod === undefined ? 'requires_payment_method' : 'requires_confirmation',
    amountMinor: command.amountMinor,
    capturableMinor: 0,
    capturedMinor: 0,
    currency: command.currency,
    captureMethod: command.captureMethod,
    paymentMethod: command.paymentMethod,
    description: command.description,
    metadata: command.metadata,
    attempts: 0,
    lastError: undefined,
    canceledMs: undefined,
    cancellationReason: undefined,
    refunds: [],
  };
  if (!command.confirm) return executed(command, context, { intent });
  return confirm(command, intent, command.errorOnRequiresAction, context);
}

function createProblem(command: CommandOf<'create'>): ApiError | undefined {
  const { amountMinor, currency, confirm, paymentMethod } = command;
  if (!Number.isSafeInteger(amountMinor)) {
    return invalid(`Invalid integer: ${amountMinor}`, 'amount', 'parameter_invalid_integer');
  }
  if (amountMinor < 1) return invalid('This value must be greater than or equal to 1.', 'amount', 'amount_too_small');
  if (amountMinor > amountMinorMax) {
    return invalid(`Amount must be no more than ${amountMinorMax}`, 'amount', 'amount_too_large');
  }
  if (!/^[a-z]{3}$/.test(currency)) {
    return invalid(`Invalid currency: ${currency}. It must be a three-letter ISO 4217 code.`, 'currency');
  }
  if (confirm && paymentMethod === undefined) {
    return invalid(
      'You cannot confirm this PaymentIntent because it is missing a payment method.',
      'payment_method',
      'payment_intent_unexpected_state',
    );
  }
  return undefined;
}

function decideConfirm(command: CommandOf<'confirm'>, intent: Intent, context: DecisionContext): Decision {
  const paymentMethod = command.paymentMethod ?? intent.paymentMethod;
  if (!confirmable.includes(intent.status)) {
    return wrongState(command, context, intent, 'confirm', 'confirmed', confirmable);
  }
  if (paymentMethod === undefined) {
    return {
      kind: 'invalid',
      status: 400,
      error: invalid(
        'You cannot confirm this PaymentIntent because it is missing a payment method.',
        'payment_method',
        'payment_intent_unexpected_state',
      ),
    };
  }
  if (!testCards.has(paymentMethod)) return missing('PaymentMethod', paymentMethod, 400, 'payment_method');
  return confirm(command, { ...intent, paymentMethod }, command.errorOnRequiresAction, context);
}

function confirm(command: Command, intent: Intent, errorOnRequiresAction: boolean, context: DecisionContext): Decision {
  const outcome = context.cardOutcome ?? (testCards.get(intent.paymentMethod as string) as CardOutcome);
  switch (outcome.kind) {
    case 'declined':
      return decline(command, context, intent, outcome.code, outcome.declineCode);
    case 'action-required':
      if (errorOnRequiresAction) {
        return decline(command, context, intent, 'authentication_required', 'authentication_required');
      }
      return executed(command, context, { intent: { ...intent, status: 'requires_action', lastError: undefined } });
    case 'approved':
      return approve(command, context, intent);
  }
}

function approve(command: Command, context: DecisionContext, intent: Intent): Decision {
  const manual = intent.captureMethod === 'manual';
  const approvedIntent: Intent = {
    ...intent,
    status: manual ? 'requires_capture' : 'succeeded',
    capturableMinor: manual ? intent.amountMinor : 0,
    capturedMinor: manual ? 0 : intent.amountMinor,
    attempts: intent.attempts + 1,
    lastError: undefined,
  };
  const authorized = movement(context, approvedIntent, 'authorized', intent.amountMinor);
  const movements = manual
    ? [authorized]
    : [authorized, movement(context, approvedIntent, 'captured', intent.amountMinor)];
  return executed(command, context, { intent: approvedIntent, movements });
}

function decline(
  command: Command,
  context: DecisionContext,
  intent: Intent,
  code: string,
  declineCode: string,
): Decision {
  const error: ApiError = {
    type: 'card_error',
    code,
    decline_code: declineCode,
    message: declineMessages[declineCode] ?? 'Your card was declined.',
  };
  const declinedIntent: Intent = {
    ...intent,
    status: 'requires_payment_method',
    paymentMethod: undefined,
    attempts: intent.attempts + 1,
    lastError: error,
  };
  return executed(command, context, { status: 402, intent: declinedIntent, error });
}

const declineMessages: Readonly<Record<string, string>> = {
  insufficient_funds: 'Your card has insufficient funds.',
  expired_card: 'Your card has expired.',
  incorrect_cvc: "Your card's security code is incorrect.",
  processing_error: 'An error occurred while processing your card. Try again in a little bit.',
  authentication_required: 'Your card was declined. This transaction requires authentication.',
};

function decideCapture(command: CommandOf<'capture'>, intent: Intent, context: DecisionContext): Decision {
  if (intent.status !== 'requires_capture') {
    return wrongState(command, context, intent, 'capture', 'captured', ['requires_capture']);
  }
  const amountMinor = command.amountMinor ?? intent.capturableMinor;
  if (!Number.isSafeInteger(amountMinor) || amountMinor < 1) {
    return {
      kind: 'invalid',
      status: 400,
      error: invalid(`Invalid positive integer: ${amountMinor}`, 'amount_to_capture', 'parameter_invalid_integer'),
    };
  }
  if (amountMinor > intent.capturableMinor) {
    const error = invalid(
      'The payment could not be captured because the requested capture amount is greater than the authorized amount.',
      'amount_to_capture',
      'amount_too_large',
    );
    return executed(command, context, { status: 400, intent, error });
  }
  const restMinor = intent.capturableMinor - amountMinor;
  const captured: Intent = { ...intent, status: 'succeeded', capturableMinor: 0, capturedMinor: amountMinor };
  const movements = [movement(context, captured, 'captured', amountMinor)];
  if (restMinor > 0) movements.push(movement(context, captured, 'released', restMinor));
  return executed(command, context, { intent: captured, movements });
}

function decideCancel(command: CommandOf<'cancel'>, intent: Intent, context: DecisionContext): Decision {
  if (!cancellable.includes(intent.status)) {
    return wrongState(command, context, intent, 'cancel', 'canceled', cancellable);
  }
  const canceled: Intent = {
    ...intent,
    status: 'canceled',
    capturableMinor: 0,
    canceledMs: context.nowMs,
    cancellationReason: command.reason,
  };
  const heldMinor = intent.capturableMinor;
  const movements = heldMinor > 0 ? [movement(context, canceled, 'voided', heldMinor)] : [];
  return executed(command, context, { intent: canceled, movements });
}

function decideRefund(command: CommandOf<'refund'>, intent: Intent, context: DecisionContext): Decision {
  const amountAsked = command.amountMinor;
  if (amountAsked !== undefined && (!Number.isSafeInteger(amountAsked) || amountAsked < 1)) {
    return {
      kind: 'invalid',
      status: 400,
      error: invalid(`Invalid positive integer: ${amountAsked}`, 'amount', 'parameter_invalid_integer'),
    };
  }
  const remainingMinor = intent.capturedMinor - refundedMinor(intent);
  const error = refundProblem(intent, amountAsked ?? remainingMinor, remainingMinor);
  if (error) return executed(command, context, { status: 400, intent, error });
  const refund: Refund = {
    id: context.newId('re'),
    intentId: intent.id,
    chargeId: chargeIdOf(intent) as string,
    createdMs: context.nowMs,
    amountMinor: amountAsked ?? remainingMinor,
    currency: intent.currency,
    reason: command.reason,
    metadata: command.metadata,
  };
  const refunded: Intent = { ...intent, refunds: [...intent.refunds, refund] };
  const movements = [movement(context, refunded, 'refunded', refund.amountMinor)];
  return executed(command, context, { intent: refunded, refund, movements });
}

function refundProblem(intent: Intent, amountMinor: number, remainingMinor: number): ApiError | undefined {
  if (intent.status !== 'succeeded') {
    return invalid(
      `This PaymentIntent (${intent.id}) does not have a successful charge to refund.`,
      'payment_intent',
      'payment_intent_unexpected_state',
    );
  }
  if (remainingMinor === 0) {
    return invalid(`Charge ${chargeIdOf(intent)} has already been refunded.`, 'charge', 'charge_already_refunded');
  }
  if (amountMinor > remainingMinor) {
    return invalid(
      `Refund amount (${amountMinor}) is greater than unrefunded amount on charge (${remainingMinor})`,
      'amount',
    );
  }
  if (intent.refunds.length >= refundsPerIntentMax) {
    return invalid(`A charge takes at most ${refundsPerIntentMax} refunds here.`, 'payment_intent');
  }
  return undefined;
}

/** Each attempt is a charge of its own, named after the intent, as at Stripe. */
export function chargeIdOf(intent: Intent): string | undefined {
  if (intent.attempts === 0) return undefined;
  const first = `ch_${intent.id.slice('pi_'.length)}`;
  return intent.attempts === 1 ? first : `${first}_${intent.attempts}`;
}

/** The intent that a charge belongs to, by name; whether it exists is another question. */
export function intentIdOfCharge(chargeId: string): string {
  return `pi_${chargeId.slice('ch_'.length).split('_')[0]}`;
}

export function refundedMinor(intent: Intent): number {
  let sum = 0;
  for (const refund of intent.refunds) sum += refund.amountMinor;
  return sum;
}

interface Effect {
  readonly status?: number;
  readonly intent: Intent;
  readonly refund?: Refund;
  readonly error?: ApiError;
  readonly movements?: readonly Movement[];
}

const noMovements: readonly Movement[] = [];

function executed(command: Command, context: DecisionContext, effect: Effect): Decision {
  return {
    kind: 'executed',
    record: {
      seq: context.seq,
      atMs: context.nowMs,
      key: context.key,
      command,
      status: effect.status ?? 200,
      replyStatus: undefined,
      intent: effect.intent,
      refund: effect.refund,
      error: effect.error,
      movements: effect.movements ?? noMovements,
      eventId: undefined,
    },
  };
}

const movement = ({ seq, nowMs, key }: DecisionContext, intent: Intent, kind: Movement['kind'], amountMinor: number) =>
  movementOf({ seq, atMs: nowMs, key }, intent, kind, amountMinor);

/** Says all of a movement that the call and the intent after it don't. */
export function movementOf(
  { seq, atMs, key }: Pick<LedgerRecord, 'seq' | 'atMs' | 'key'>,
  intent: Intent,
  kind: Movement['kind'],
  amountMinor: number,
): Movement {
  return {
    ...{ seq, atMs, kind, intentId: intent.id, orderId: intent.metadata['order'] },
    ...{ amountMinor, currency: intent.currency, key },
  };
}

function wrongState(
  command: Command,
  context: DecisionContext,
  intent: Intent,
  verb: string,
  participle: string,
  allowed: readonly string[],
): Decision {
  const start =
    verb === 'cancel' ? 'You cannot cancel this PaymentIntent' : `This PaymentIntent could not be ${participle}`;
  const error: ApiError = {
    type: 'invalid_request_error',
    code: 'payment_intent_unexpected_state',
    message:
      `${start} because it has a status of ${intent.status}. ` +
      `Only a PaymentIntent with one of the following statuses may be ${participle}: ${allowed.join(', ')}.`,
  };
  return executed(command, context, { status: 400, intent, error });
}

function invalid(message: string, param: string, code?: string): ApiError {
  return { type: 'invalid_request_error', message, param, ...(code !== undefined && { code }) };
}

function missing(what: string, id: string, status: number, param: string): Decision {
  const error = invalid(`No such ${what}: '${id}'`, param, 'resource_missing');
  return { kind: 'invalid', status, error };
}
