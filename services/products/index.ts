import { products } from '#contracts/products';
import { implement, type LogicalClockPort, type ServerOptions, type ServiceServer } from '#kit/contract';
import { idempotencyMigrations, keepMsDefault, sweepKeys } from '#kit/idempotency';
import { type EventLog, inboxMigrations, type MessagingMetrics, type Subscription } from '#kit/messaging';
import type { Cancel, Component, Database, World } from '#kit/runtime';
import { type BatchWriter, createBatchWriter, type Migrations } from '#kit/store';
import { measureBatches, noTelemetry, type Telemetry } from '#kit/telemetry';
import type { Command, Outcome } from './commands.ts';
import { createHandlers } from './handlers.ts';
import { importLinesMax } from './import.ts';
import { createResolveCache } from './resolve-cache.ts';
import { candidatesMaxDefault } from './search-store.ts';
import { createStockFeed, noDeadLetters } from './stock-feed.ts';
import { createApply, type EventOutbox } from './write-store.ts';

export { gtinCheckDigit, isGtin } from './gtin.ts';
export { type SeedReport, seedProducts } from './seed.ts';
export { seedCatalogue } from './seed-data.ts';
export type { EventOutbox, OutgoingEvent } from './write-store.ts';

/** Those of the outbox come with it (kit/messaging). */
export const productsMigrations: readonly Migrations[] = [
  idempotencyMigrations,
  inboxMigrations,
  { directory: `${import.meta.dirname}/schema`, table: 'schema_products' },
];

export interface ProductsOptions {
  readonly world: World;
  readonly database: Database;
  /** Where events go, in the transaction of the change. Without it nobody is told. */
  readonly outbox?: EventOutbox;
  /** Where inventory tells what sold out. Without it the availability facet knows what `noteAvailability` is told. */
  readonly log?: EventLog;
  readonly metrics?: MessagingMetrics;
  readonly logicalClock?: LogicalClockPort;
  /** See `ResolveCacheOptions`. Default 1,000 ms. */
  readonly resolveAgeMsMax?: number;
  /**
   * Products that relevance and facet counts of one search are taken from. More makes them exact for broader searches
   * and costs about 6 µs each; fewer saves that. Default 1,000.
   */
  readonly searchCandidatesMax?: number;
  readonly checkReplies?: boolean;
  readonly onServed?: ServerOptions['onServed'];
  readonly telemetry?: Telemetry;
}

export interface ProductsService {
  readonly server: ServiceServer;
  readonly component: Component;
  /** The feed from inventory, where there is one. */
  readonly subscription: Subscription | undefined;
}

const sweepPeriodMs = 600_000;

/** The catalogue: what is sold, under which names and codes, at which prices; and the search over it. */
export function createProducts(options: ProductsOptions): ProductsService {
  const {
    world,
    database,
    outbox,
    logicalClock,
    onServed,
    telemetry = noTelemetry,
    searchCandidatesMax: candidatesMax = candidatesMaxDefault,
  } = options;
  const { clock, timers, ids, log } = world;
  const measure = measureBatches(telemetry, 'products', () => writer.waiting);
  const writer: BatchWriter<Command, Outcome> = createBatchWriter<Command, Outcome>({
    name: 'products',
    database,
    clock,
    timers,
    log,
    apply: createApply({ clock, outbox }),
    batchMax: importLinesMax,
    onCommit: (batch) => {
      measure(batch);
      outbox?.wake();
    },
  });
  const cache = createResolveCache({
    clock,
    timers,
    database,
    ...(options.resolveAgeMsMax === undefined ? {} : { ageMsMax: options.resolveAgeMsMax }),
  });
  const subscription =
    options.log &&
    createStockFeed({
      log: options.log,
      database,
      world,
      writer,
      ...(logicalClock ? { logicalClock } : {}),
      ...(options.metrics ? { metrics: options.metrics } : {}),
    });
  const deadLetters = subscription?.deadLetters ?? noDeadLetters;
  const lag = async () => (await subscription?.lag()) ?? [];
  const server = implement(
    products,
    createHandlers({ ids, database, writer, cache, candidatesMax, deadLetters, lag }),
    {
      clock,
      ...(logicalClock ? { logicalClock } : {}),
      ...(onServed ? { onServed } : {}),
      checkReplies: options.checkReplies ?? false,
    },
  );
  let cancelSweep: Cancel = () => {};

  return {
    server,
    subscription,
    component: {
      name: 'products',
      async start() {
        await database.query('select 1');
        await subscription?.component.start?.();
        cancelSweep = timers.every(sweepPeriodMs, async () => {
          await sweepKeys(database, keepMsDefault).catch((error) => log.warn('idempotency keys not swept', { error }));
        });
      },
      async drain() {
        await subscription?.component.drain?.();
        await writer.drain();
      },
      async stop() {
        cancelSweep();
        await subscription?.component.stop?.();
      },
      check: async () => subscription?.component.check?.(),
    },
  };
}
