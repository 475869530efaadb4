import { payments } from '#contracts/payments';
import { implement, type ServerOptions, type ServiceServer } from '#kit/contract';
import type { Component, Database, World } from '#kit/runtime';
import { type BatchWriter, createBatchReader, createBatchWriter, createRecall, type Migrations } from '#kit/store';
import { measureBatches, noTelemetry, type Telemetry } from '#kit/telemetry';
import { createAuthorizations } from './authorizations.ts';
import { applyCommands, type Command, type CommandResult, knowsPayment, recallPayment } from './commands.ts';
import { applyEntries, type BookCommand, type BookResult } from './entries.ts';
import { createHandlers } from './handlers.ts';
import type { PaymentRecord } from './model.ts';
import { createProviderGuard, type PaymentProvider } from './provider/index.ts';
import { readPaymentsOf } from './store.ts';

export const paymentsMigrations: readonly Migrations[] = [
  { directory: `${import.meta.dirname}/schema`, table: 'schema_payments' },
];

export interface PaymentsOptions {
  readonly world: World;
  readonly database: Database;
  readonly provider: PaymentProvider;
  readonly server?: Partial<ServerOptions>;
  readonly telemetry?: Telemetry;
}

/** Moves money through a provider, at most once for each order, whatever is lost on the way. */
export function createPayments(options: PaymentsOptions): { server: ServiceServer; component: Component } {
  const { world, database, provider, telemetry = noTelemetry } = options;
  const { clock, timers, log } = world;
  const recall = createRecall<PaymentRecord>();
  const writer: BatchWriter<Command, CommandResult> = createBatchWriter<Command, CommandResult>({
    name: 'payments',
    database,
    clock,
    timers,
    log,
    apply: (tx, commands) => applyCommands(tx, recall, commands),
    groupOf: (command) => (knowsPayment(recall, command) ? 'recalled' : 'locked'),
    onCommit: measureBatches(telemetry, 'payments', () => writer.waiting),
  });
  const bookWriter: BatchWriter<BookCommand, BookResult> = createBatchWriter<BookCommand, BookResult>({
    name: 'payments book',
    database,
    clock,
    timers,
    log,
    apply: applyEntries,
    onCommit: measureBatches(telemetry, 'payments-book', () => bookWriter.waiting),
  });
  const reader = createBatchReader({
    name: 'payments',
    timers,
    load: (orderIds: readonly string[]) => readPaymentsOf(database, orderIds),
  });

  async function submit(command: Command): Promise<CommandResult> {
    try {
      const result = await writer.submit(command);
      recallPayment(recall, result.payment);
      return result;
    } catch (error) {
      // It may be committed all the same.
      recall.doubt(command.orderId);
      throw error;
    }
  }

  const authorizations = createAuthorizations({
    timers,
    log,
    write: (orderId, providerRef) => submit({ kind: 'authorized', orderId, providerRef }),
  });

  /** What is recalled may be behind, and only of an authorization there is more to do without looking. */
  async function known(orderId: string): Promise<PaymentRecord | undefined> {
    const payment = recall.get(orderId);
    const isAuthorized = payment?.status === 'authorized' || authorizations.refOf(orderId) !== undefined;
    return payment && isAuthorized ? payment : reader.get(orderId);
  }

  const guard = createProviderGuard({ name: provider.name, clock, timers, log, telemetry });
  return {
    server: implement(
      payments,
      createHandlers({ database, submit, authorizations, bookWriter, provider, guard, known, log }),
      { clock, ...options.server },
    ),
    component: {
      name: 'payments',
      async drain() {
        await authorizations.drain();
        await Promise.all([writer.drain(), bookWriter.drain()]);
      },
      stop: () => provider.close(),
    },
  };
}
