import { payments } from '#contracts/payments';
import { implement, type ServerOptions, type ServiceServer } from '#kit/contract';
import type { Component, Database, World } from '#kit/runtime';
import { createBatchWriter, type Migrations } from '#kit/store';
import { applyCommands, type Command, type CommandResult } from './commands.ts';
import { applyEntries, type BookCommand, type BookResult } from './entries.ts';
import { createHandlers } from './handlers.ts';
import type { PaymentProvider } from './provider/index.ts';

export const paymentsMigrations: readonly Migrations[] = [
  { directory: `${import.meta.dirname}/schema`, table: 'schema_payments' },
];

export interface PaymentsOptions {
  readonly world: World;
  readonly database: Database;
  readonly provider: PaymentProvider;
  readonly server?: Partial<ServerOptions>;
}

/** Moves money through a provider, at most once for each order, whatever is lost on the way. */
export function createPayments(options: PaymentsOptions): { server: ServiceServer; component: Component } {
  const { world, database, provider } = options;
  const { clock, timers, log } = world;
  const writer = createBatchWriter<Command, CommandResult>({
    name: 'payments',
    database,
    clock,
    timers,
    log,
    apply: applyCommands,
  });
  const bookWriter = createBatchWriter<BookCommand, BookResult>({
    name: 'payments book',
    database,
    clock,
    timers,
    log,
    apply: applyEntries,
  });
  return {
    server: implement(payments, createHandlers({ database, writer, bookWriter, provider }), {
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
