import { inventory, type ShareChange } from '#contracts/inventory';
import { implement, type ServerOptions, type ServiceServer } from '#kit/contract';
import { idempotencyMigrations, keepMsDefault, sweepKeys } from '#kit/idempotency';
import { type Cancel, type Component, type Database, quietly, type World } from '#kit/runtime';
import { type BatchWriter, createBatchWriter, type Migrations } from '#kit/store';
import { measureBatches, noTelemetry, type Telemetry } from '#kit/telemetry';
import { type PublishAlarm, tellLowStock } from './alarms.ts';
import { applyCommands, type Command, type CommandResult } from './commands.ts';
import type { Publish } from './events.ts';
import { createHandlers } from './handlers.ts';
import { createStockRecall } from './recall.ts';
import { applyShareCommands, type ShareCommand } from './shares.ts';
import { dueHolds } from './store.ts';

export const inventoryMigrations: readonly Migrations[] = [
  idempotencyMigrations,
  { directory: `${import.meta.dirname}/schema`, table: 'schema_inventory' },
];

export interface InventoryOptions {
  readonly world: World;
  readonly database: Database;
  readonly server?: Partial<ServerOptions>;
  readonly telemetry?: Telemetry;
  /** Tells which SKUs sold out or are back, in the transaction in which they did. Without it nobody is told. */
  readonly publish?: Publish & PublishAlarm;
  /** Told after a commit that published something: to wake the outbox's relay. */
  readonly onPublished?: () => void;
  /** Who owns the stock that this instance sells from. Default `main`. */
  readonly holder?: string;
  /** How often it is looked for watched SKUs that became low. Default 5,000 ms. */
  readonly alarmPeriodMs?: number;
  /** How often holds are looked at whose time is up. Default 1,000 ms. */
  readonly expiryPeriodMs?: number;
}

export interface Service {
  readonly server: ServiceServer;
  readonly component: Component;
}

const expiriesPerRun = 500;
const sweepPeriodMs = 60_000;

/** Owns stock: all-or-nothing holds, sales, returns, receipts and adjustments, with every unit accounted for. */
export function createInventory(options: InventoryOptions): Service {
  const { world, database, holder = 'main', expiryPeriodMs = 1_000, telemetry = noTelemetry } = options;
  const { alarmPeriodMs = 5_000 } = options;
  const { publish, onPublished } = options;
  const { clock, timers, log } = world;
  const measure = measureBatches(telemetry, 'inventory', () => writer.waiting);
  const recall = createStockRecall();
  // Most batches have nothing to tell, and then nobody is to be woken.
  let hasPublished = false;
  const publishing: Publish | undefined =
    publish &&
    (async (tx, events) => {
      hasPublished = true;
      await publish(tx, events);
    });
  const writer: BatchWriter<Command, CommandResult> = createBatchWriter<Command, CommandResult>({
    name: 'inventory',
    database,
    clock,
    timers,
    log,
    apply: (tx, commands) => applyCommands(tx, { holder, publish: publishing, recall }, commands),
    groupOf: (command) => (recall.knows(command) ? 'recalled' : 'locked'),
    onCommit(batch) {
      measure(batch);
      recall.committed();
      if (hasPublished) onPublished?.();
      hasPublished = false;
    },
  });
  // Apart from the holds of orders, which are many and hurried.
  const shares: BatchWriter<ShareCommand, ShareChange> = createBatchWriter<ShareCommand, ShareChange>({
    name: 'inventory shares',
    database,
    clock,
    timers,
    log,
    apply: (tx, commands) => applyShareCommands(tx, { holder, publish }, commands),
    onCommit: () => onPublished?.(),
  });
  let cancels: Cancel[] = [];

  async function expire(): Promise<void> {
    const due = await dueHolds(database, expiriesPerRun);
    await Promise.all(due.map((orderId) => writer.submit({ kind: 'expire', orderId })));
    if (due.length > 0) log.info('holds expired', { count: due.length });
  }

  async function warn(tell: PublishAlarm): Promise<void> {
    if ((await tellLowStock(database, holder, tell)) > 0) onPublished?.();
  }

  return {
    server: implement(inventory, createHandlers(database, writer, shares, holder), { clock, ...options.server }),
    component: {
      name: 'inventory',
      async start() {
        cancels = [
          timers.every(expiryPeriodMs, quietly(log, 'hold expiry', expire)),
          ...(publish
            ? [
                timers.every(
                  alarmPeriodMs,
                  quietly(log, 'stock alarms', () => warn(publish)),
                ),
              ]
            : []),
          timers.every(
            sweepPeriodMs,
            quietly(log, 'idempotency sweep', () => sweepKeys(database, keepMsDefault)),
          ),
        ];
      },
      async drain() {
        await Promise.all([writer.drain(), shares.drain()]);
      },
      async stop() {
        for (const cancel of cancels) cancel();
      },
    },
  };
}
