import type { inventory } from '#contracts/inventory';
import { orders } from '#contracts/orders';
import type { payments } from '#contracts/payments';
import { type Client, implement, type ServerOptions, type ServiceServer } from '#kit/contract';
import { idempotencyMigrations, keepMsDefault, sweepKeys } from '#kit/idempotency';
import type { Cancel, Component, Database, World } from '#kit/runtime';
import {
  createSagaEngine,
  inspectSaga,
  type JournalEntry,
  type SagaEngine,
  type SagaRecord,
  sagaMigrations,
} from '#kit/saga';
import { type BatchWriter, createBatchWriter, type Migrations } from '#kit/store';
import { measureBatches, noTelemetry, type Telemetry } from '#kit/telemetry';
import { createAnswers } from './answers.ts';
import { applyCommands, type Command, type CommandResult, type Publish } from './commands.ts';
import { createHandlers, type PriceOf } from './handlers.ts';
import { logByOrigin, measureSteps, traceSagas } from './observe.ts';
import { createOrderRecall } from './recall.ts';
import { type ChangeOrderInput, causeOf, defineOrderSagas } from './sagas.ts';

export const ordersMigrations: readonly Migrations[] = [
  idempotencyMigrations,
  sagaMigrations,
  { directory: `${import.meta.dirname}/schema`, table: 'schema_orders' },
];

export type { PriceOf } from './handlers.ts';

export interface OrdersOptions {
  readonly world: World;
  readonly database: Database;
  readonly inventory: Client<typeof inventory>;
  readonly payments: Client<typeof payments>;
  readonly priceOf: PriceOf;
  /** Writes events to the outbox in the transaction that they tell of. */
  readonly publish: Publish;
  /** Called after each commit that may have published. */
  readonly onCommit?: (batch: { readonly size: number; readonly durationMs: number }) => void;
  readonly server?: Partial<ServerOptions>;
  readonly telemetry?: Telemetry;
  readonly leaseMs?: number;
  readonly onStep?: (saga: SagaRecord, entry: JournalEntry) => void;
}

const sweepPeriodMs = 60_000;

/** Takes orders and sees each through to its end: it orchestrates inventory and payments by sagas. */
export function createOrders(options: OrdersOptions): { server: ServiceServer; component: Component } {
  const { world, database, inventory, payments, priceOf, publish, onCommit, leaseMs, onStep } = options;
  const { telemetry = noTelemetry } = options;
  const { clock, timers, random, ids, log } = world;
  const publishing = { publish, logicalClock: options.server?.logicalClock };
  const answers = createAnswers({ clock, timers, database });
  const measureBatch = measureBatches(telemetry, 'orders', () => writer.waiting);
  const recall = createOrderRecall();
  const writer: BatchWriter<Command, CommandResult> = createBatchWriter<Command, CommandResult>({
    name: 'orders',
    database,
    clock,
    timers,
    log,
    apply: (tx, commands) => applyCommands(tx, { ...publishing, recall }, commands),
    groupOf: (command) => (recall.knows(command) ? 'recalled' : 'locked'),
    onCommit(batch) {
      measureBatch(batch);
      onCommit?.(batch);
    },
  });

  async function submit(command: Command): Promise<CommandResult> {
    try {
      const result = await writer.submit(command);
      recall.committed(command, result);
      return result;
    } catch (error) {
      // It may be committed all the same.
      recall.doubt([command]);
      throw error;
    }
  }

  const definitions = defineOrderSagas({
    clock,
    inventory,
    payments,
    async decide({ orderId, origin }, decision, saga) {
      const atMs = clock.now();
      const result = await submit({ kind: 'decide', saga, orderId, decision, atMs, cause: causeOf(origin) });
      answers.settle(orderId, 'order' in result ? result.order : undefined);
    },
    async finish({ orderId, changeId, kind, refundMinor, claim, origin }: ChangeOrderInput, saga) {
      const change = { kind, changeId };
      const cause = causeOf(origin);
      const result = await submit({ kind: 'finish-change', saga, orderId, change, refundMinor, claim, cause });
      answers.settle(changeId, 'order' in result ? result.order : undefined);
    },
    isAbandoned: async (sagaId) => (await inspectSaga(database, sagaId))?.status === 'abandoned',
  });
  const sagas = traceSagas(telemetry, definitions);
  const measureStep = measureSteps(telemetry, () => engine.active);
  const engine: SagaEngine = createSagaEngine({
    owner: ids.next('own'),
    database,
    clock,
    timers,
    random,
    log: logByOrigin(log, (id) => engine.peek(id)),
    definitions: Object.values(sagas),
    save: async (saga) => {
      await submit({ kind: 'progress', saga });
    },
    ...(leaseMs === undefined ? {} : { leaseMs }),
    onStep(saga, entry) {
      measureStep(saga, entry);
      onStep?.(saga, entry);
    },
  });
  let cancelSweep: Cancel = () => {};

  return {
    server: implement(
      orders,
      createHandlers({ world, database, submit, engine, sagas, answers, priceOf, publishing }),
      { clock, ...options.server },
    ),
    component: {
      name: 'orders',
      async start() {
        await engine.component.start?.();
        cancelSweep = timers.every(sweepPeriodMs, async () => {
          await sweepKeys(database, keepMsDefault).catch((error) => log.warn('idempotency sweep failed', { error }));
        });
      },
      async drain() {
        await engine.component.drain?.();
        await writer.drain();
      },
      async stop() {
        cancelSweep();
        await engine.component.stop?.();
      },
    },
  };
}
