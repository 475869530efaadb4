import { payments } from '#contracts/payments';
import { implement, type ServerOptions, type ServiceServer } from '#kit/contract';
import type { Component, Database, World } from '#kit/runtime';
import { type BatchWriter, createBatchReader, createBatchWriter, type Migrations } from '#kit/store';
import { measureBatches, noTelemetry, type Telemetry } from '#kit/telemetry';
import { applyCommands, type Command, type CommandResult } from './commands.ts';
import { applyEntries, type BookCommand, type BookResult } from './entries.ts';
import { createHandlers } from './handlers.ts';
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
  const writer: BatchWriter<Command, CommandResult> = createBatchWriter<Command, CommandResult>({
    name: 'payments',
    database,
    clock,
    timers,
    log,
    apply: applyCommands,
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
  const guard = createProviderGuard({ name: provider.name, clock, timers, log, telemetry });
  return {
    server: implement(payments, createHandlers({ database, writer, bookWriter, provider, guard, reader }), {
      clock,
      ...options.server,
    }),
    component: {
      name: 'payments',
      drain: async () => void (await Promise.all([writer.drain(), bookWriter.drain()])),
      stop: () => provider.close(),
    },
  };
}
