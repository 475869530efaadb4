import { carts } from '#contracts/carts';
import type { inventory } from '#contracts/inventory';
import type { orders } from '#contracts/orders';
import type { products } from '#contracts/products';
import { type Client, implement, ownContext, type ServerOptions, type ServiceServer } from '#kit/contract';
import { idempotencyMigrations, keepMsDefault, sweepKeys } from '#kit/idempotency';
import { type Cancel, type Component, type Database, quietly, type World } from '#kit/runtime';
import { type BatchWriter, createBatchWriter, type Migrations } from '#kit/store';
import { measureBatches, noTelemetry, type Telemetry } from '#kit/telemetry';
import { createCheckouts } from './checkout.ts';
import { applyCommands, type Command, type CommandResult } from './commands.ts';
import { createHandlers } from './handlers.ts';
import { createMarketPlace } from './market.ts';
import { sweepGuestCarts, takeDueCheckouts } from './store.ts';

export const cartsMigrations: readonly Migrations[] = [
  idempotencyMigrations,
  { directory: `${import.meta.dirname}/schema`, table: 'schema_carts' },
];

export interface CartsOptions {
  readonly world: World;
  readonly database: Database;
  readonly products: Client<typeof products>;
  readonly inventory: Client<typeof inventory>;
  readonly orders: Client<typeof orders>;
  readonly server?: Partial<ServerOptions>;
  readonly telemetry?: Telemetry;
  /**
   * How long a checkout is left to the request that began it, and how long between attempts after that. Longer asks an
   * ailing orders service less often, shorter ends saved checkouts sooner. Default 15,000 ms.
   */
  readonly retryMs?: number;
  /** How often checkouts are looked at that nobody has seen the end of. Default 2,000 ms. */
  readonly lookAfterPeriodMs?: number;
}

const sweepPeriodMs = 60_000;
/** A guest who comes back after a quarter of a year begins anew. */
const guestCartKeepMs = 90 * 86_400_000;
const driveTimeoutMs = 10_000;
/** Checkouts looked after in one run. */
const dueMax = 50;

/** Carts that can always be written, what they cost, and the checkout that turns one into an order. */
export function createCarts(options: CartsOptions): { readonly server: ServiceServer; readonly component: Component } {
  const { world, database, products, inventory, orders, telemetry = noTelemetry } = options;
  const { retryMs = 15_000, lookAfterPeriodMs = 2_000 } = options;
  const { clock, timers, log } = world;
  const measure = measureBatches(telemetry, 'carts', () => writer.waiting);
  const writer: BatchWriter<Command, CommandResult> = createBatchWriter<Command, CommandResult>({
    name: 'carts',
    database,
    clock,
    timers,
    log,
    apply: (tx, commands) => applyCommands(tx, retryMs, commands),
    onCommit: measure,
  });
  const market = createMarketPlace({ clock, database, products, inventory });
  const checkouts = createCheckouts({ clock, database, writer, market, orders });
  let cancels: Cancel[] = [];

  /** Brings what was accepted to its end, whoever accepted it and whatever became of them. */
  async function lookAfter(): Promise<void> {
    const due = await takeDueCheckouts(database, dueMax, retryMs);
    await Promise.all(
      due.map((checkout) =>
        checkouts.drive(checkout, ownContext(world, { service: carts.service, timeoutMs: driveTimeoutMs })),
      ),
    );
    if (due.length > 0) log.info('saved checkouts looked after', { count: due.length });
  }

  return {
    server: implement(carts, createHandlers({ world, database, writer, market, checkouts }), {
      clock,
      ...options.server,
    }),
    component: {
      name: 'carts',
      async start() {
        cancels = [
          timers.every(lookAfterPeriodMs, quietly(log, 'looking after checkouts', lookAfter)),
          timers.every(
            sweepPeriodMs,
            quietly(log, 'sweep of keys and carts', async () => {
              await sweepKeys(database, keepMsDefault);
              await sweepGuestCarts(database, guestCartKeepMs);
            }),
          ),
        ];
      },
      drain: () => writer.drain(),
      async stop() {
        for (const cancel of cancels) cancel();
      },
    },
  };
}
