import type { CallContext } from '#kit/contract';
import type { Database, Logger } from '#kit/runtime';
import type { Authorizations } from '../authorizations.ts';
import type { Command, CommandResult } from '../commands.ts';
import type { PaymentRecord, PaymentRequest } from '../model.ts';
import type { PaymentProvider, ProviderGuard } from '../provider/index.ts';
import { createSettleAuthorization } from './authorize.ts';
import { type CallOff, createCallOff } from './call-off.ts';
import { type Capture, createCapture } from './capture.ts';
import { createLookUps, type LookUps } from './look-up.ts';
import { createPayBack, type PayBack } from './pay-back.ts';

export interface MoneyOptions {
  readonly database: Database;
  /** Resolves once the command is committed. */
  readonly submit: (command: Command) => Promise<CommandResult>;
  readonly authorizations: Authorizations;
  readonly provider: PaymentProvider;
  /** Before every call to the provider. */
  readonly guard: ProviderGuard;
  /** The payment of an order as this process knows it, which may be a moment ago. */
  readonly known: (orderId: string) => Promise<PaymentRecord | undefined>;
  readonly log: Logger;
}

/**
 * What moves money. Around every movement the intention is committed, the provider is called with a key made from the order,
 * the outcome is committed (an authorization moments later, see `Authorizations`). A crash anywhere leaves a row that says
 * what to ask the provider, and asking twice is harmless.
 *
 * Throws `payments/provider-unavailable` where the provider has not said how a call ended: the same may be asked again.
 * `payments/provider-refused` is for people to see.
 */
export interface Money {
  /** Asks for an amount, or learns how an earlier request of the order ended. Resolves only with what is certain. */
  authorize(request: PaymentRequest, context: CallContext): Promise<PaymentRecord>;
  readonly capture: Capture;
  readonly callOff: CallOff;
  readonly payBack: PayBack;
  readonly lookUps: LookUps;
}

export function createMoney(options: MoneyOptions): Money {
  const { submit, authorizations } = options;
  const lookUps = createLookUps(options);
  const settleAuthorization = createSettleAuthorization(options, lookUps);
  const payBack = createPayBack(options, lookUps);
  return {
    async authorize(request, context) {
      const payment = authorizations.with((await submit({ kind: 'request', ...request })).payment);
      return payment.status === 'requested' ? settleAuthorization(payment, context) : payment;
    },
    capture: createCapture(options, lookUps, settleAuthorization),
    callOff: createCallOff(options, lookUps, { settleAuthorization, payBack }),
    payBack,
    lookUps,
  };
}
