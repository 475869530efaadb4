import type { Transaction } from '#kit/runtime';
import { Overtaken, type Recall, type Verdict } from '#kit/store';
import {
  authorized,
  captured,
  type Decline,
  declined,
  type PaymentRecord,
  type PaymentRequest,
  type RefundRecord,
  refundRefused,
  requestPayment,
  startRefund,
  startVoid,
  voided,
} from './model.ts';
import { lockPayments, readRefunds, writePayments } from './store.ts';

export type Command = { readonly orderId: string } & (
  | (PaymentRequest & { readonly kind: 'request' })
  | { readonly kind: 'authorized'; readonly providerRef: string }
  | { readonly kind: 'declined'; readonly decline: Decline; readonly providerRef: string | null }
  | { readonly kind: 'captured'; readonly capturedMinor: number; readonly providerRef: string }
  | { readonly kind: 'start-void' }
  | { readonly kind: 'voided' }
  | { readonly kind: 'start-refund'; readonly refundId: string; readonly amountMinor: number | 'rest' }
  | { readonly kind: 'refunded'; readonly refundId: string; readonly providerRef: string }
  | { readonly kind: 'refund-refused'; readonly refundId: string }
);

export interface CommandResult {
  readonly payment: PaymentRecord;
  readonly refund?: RefundRecord;
}

/** Payments under way as this process knows them. */
export type PaymentRecall = Recall<PaymentRecord>;

/** To be told what a command has made of its payment, once that is committed. */
export function recallPayment(recall: PaymentRecall, payment: PaymentRecord): void {
  if (payment.status === 'requested' || payment.status === 'authorized') recall.keep(payment.orderId, payment);
  else recall.forget(payment.orderId);
}

/**
 * Applies a batch in one transaction: lock the payments, decide in memory, write what changed. The usual steps of a
 * payment are decided on what is recalled, or on there being no payment yet, and cost one round trip.
 */
export async function applyCommands(
  tx: Transaction,
  recall: PaymentRecall,
  commands: readonly Command[],
): Promise<Verdict<CommandResult>[]> {
  const recalled = recallAll(recall, commands);
  try {
    return await decideAndWrite(tx, commands, recalled);
  } catch (error) {
    if (recalled && error instanceof Overtaken) for (const { orderId } of commands) recall.doubt(orderId);
    throw error;
  }
}

/** Whether this command could be decided on what is recalled just now: those that can't are better off by themselves. */
export function knowsPayment(recall: PaymentRecall, { kind, orderId }: Command): boolean {
  if (recall.isDoubted(orderId)) return false;
  return recall.get(orderId) ? kind === 'authorized' || kind === 'captured' : kind === 'request';
}

/** Undefined unless all payments of the batch are known well enough. */
function recallAll(recall: PaymentRecall, commands: readonly Command[]): Map<string, PaymentRecord> | undefined {
  const orders = new Set<string>();
  const payments = new Map<string, PaymentRecord>();
  for (const command of commands) {
    const { orderId } = command;
    if (orders.has(orderId) || !knowsPayment(recall, command)) return undefined;
    orders.add(orderId);
    const payment = recall.get(orderId);
    if (payment) payments.set(orderId, payment);
  }
  return payments;
}

async function decideAndWrite(
  tx: Transaction,
  commands: readonly Command[],
  recalled: Map<string, PaymentRecord> | undefined,
): Promise<Verdict<CommandResult>[]> {
  const orderIds = [...new Set(commands.map((command) => command.orderId))].sort();
  const refundIds = commands.flatMap((command) => ('refundId' in command ? [command.refundId] : []));
  const [before, refundRows] = await Promise.all([
    recalled ?? lockPayments(tx, orderIds),
    recalled ? [] : readRefunds(tx, refundIds),
  ]);
  const payments = new Map(before);
  const refunds = new Map(refundRows.map((row) => [row.refundId, row]));
  const changedRefunds = new Map<string, RefundRecord>();

  const verdicts = commands.map((command): Verdict<CommandResult> => {
    try {
      return { ok: decide(command) };
    } catch (error) {
      return { error };
    }
  });

  function decide(command: Command): CommandResult {
    const known = payments.get(command.orderId);
    if (command.kind === 'request') return keep(requestPayment(known, command));
    if (command.kind === 'start-void') return keep(startVoid(known, command.orderId));
    if (!known) throw new Error(`there is no payment of ${command.orderId}`);
    switch (command.kind) {
      case 'authorized':
        return keep(authorized(known, command.providerRef));
      case 'declined':
        return keep(declined(known, command.decline, command.providerRef));
      case 'captured':
        return keep(captured(known, command.capturedMinor, command.providerRef));
      case 'voided':
        return keep(voided(known));
      case 'start-refund':
        return openRefund(known, command.refundId, command.amountMinor);
      default:
        return closeRefund(known, command);
    }
  }

  function keep(payment: PaymentRecord, refund?: RefundRecord): CommandResult {
    payments.set(payment.orderId, payment);
    if (!refund) return { payment };
    refunds.set(refund.refundId, refund);
    changedRefunds.set(refund.refundId, refund);
    return { payment, refund };
  }

  function openRefund(known: PaymentRecord, refundId: string, wanted: number | 'rest'): CommandResult {
    const earlier = refunds.get(refundId);
    if (earlier && earlier.status !== 'refused') return { payment: known, refund: earlier };
    const amountMinor = wanted === 'rest' ? known.capturedMinor - known.refundedMinor : wanted;
    if (amountMinor === 0) return { payment: known };
    const started = startRefund(known, refundId, amountMinor);
    return keep(started.payment, started.refund);
  }

  function closeRefund(
    known: PaymentRecord,
    command: Extract<Command, { kind: 'refunded' | 'refund-refused' }>,
  ): CommandResult {
    const refund = refunds.get(command.refundId);
    if (!refund) throw new Error(`there is no refund ${command.refundId}`);
    if (refund.status !== 'requested') return { payment: known, refund };
    if (command.kind === 'refunded') {
      return keep(known, { ...refund, status: 'succeeded', providerRef: command.providerRef });
    }
    const undone = refundRefused(known, refund);
    return keep(undone.payment, undone.refund);
  }

  // In order of id, which is how every instance locks them.
  const changed = [...payments.values()]
    .filter((payment) => before.get(payment.orderId) !== payment)
    .sort((a, b) => (a.orderId < b.orderId ? -1 : 1));
  await writePayments(tx, {
    added: changed.filter((payment) => !before.has(payment.orderId)),
    // A row that was added and moved on within one batch was decided in memory: it is written as it ended.
    changed: changed
      .filter((payment) => before.has(payment.orderId) || payment.status !== 'requested')
      .map((payment) => ({ payment, was: before.get(payment.orderId)?.status ?? payment.status })),
    refunds: [...changedRefunds.values()],
    recalled: recalled !== undefined,
  });
  return verdicts;
}
