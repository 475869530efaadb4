import type { carts, PricingRules } from '#contracts/carts';
import type { inventory } from '#contracts/inventory';
import type { payments } from '#contracts/payments';
import type { products } from '#contracts/products';
import { tills } from '#contracts/tills';
import {
  type CallContext,
  type Client,
  implement,
  ownContext,
  type ServerOptions,
  type ServiceServer,
} from '#kit/contract';
import { idempotencyMigrations, keepMsDefault, sweepKeys } from '#kit/idempotency';
import { type Cancel, type Component, type Database, quietly, type World } from '#kit/runtime';
import type { Migrations } from '#kit/store';
import { createHandlers } from './handlers.ts';
import type { Publish } from './journal.ts';
import { createSettlement } from './settle.ts';
import { readKnownRules, tillsUnsettled, writeKnownRules } from './store.ts';

export const tillsMigrations: readonly Migrations[] = [
  idempotencyMigrations,
  { directory: `${import.meta.dirname}/schema`, table: 'schema_tills' },
];

export interface TillsOptions {
  readonly world: World;
  readonly database: Database;
  readonly carts: Client<typeof carts>;
  readonly inventory: Client<typeof inventory>;
  readonly payments: Client<typeof payments>;
  readonly products: Client<typeof products>;
  /** Writes events in the transaction of what they tell of; by default nobody is told. */
  readonly publish?: Publish;
  readonly onPublished?: () => void;
  readonly server?: Partial<ServerOptions>;
  /** How often entries are told again that inventory or payments have not heard of. Default 5,000 ms. */
  readonly settlePeriodMs?: number;
}

const sweepPeriodMs = 60_000;
const settleTimeoutMs = 10_000;
const rulesTimeoutMs = 800;
const rulesAgeMsMax = 30_000;
/** Tills settled in one run. */
const tillsMax = 50;

/** Tills: devices, their journals of sessions and sales, each with its own share of the stock. */
export function createTills(options: TillsOptions): { readonly server: ServiceServer; readonly component: Component } {
  const { world, database, carts, inventory, payments, products, settlePeriodMs = 5_000 } = options;
  const { publish = async () => {}, onPublished = () => {} } = options;
  const { clock, timers, log } = world;
  const settlement = createSettlement({ database, inventory, payments });
  let known: { readonly rules: PricingRules; readonly untilMs: number } | undefined;
  let cancels: Cancel[] = [];

  /** Tax rules as carts tells them, or as it last told them: a till's journal is taken whoever is away. */
  async function rules(context: CallContext): Promise<PricingRules> {
    if (known && known.untilMs > clock.monotonicMs()) return known.rules;
    try {
      const { body } = await carts.rules({ timeoutMs: rulesTimeoutMs }, context);
      await writeKnownRules(database, body);
      known = { rules: body, untilMs: clock.monotonicMs() + rulesAgeMsMax };
      return body;
    } catch (error) {
      log.info('tax rules are the last known', { error });
      return known?.rules ?? (await readKnownRules(database)) ?? noRules;
    }
  }

  async function settleAll(): Promise<void> {
    for (const tillId of await tillsUnsettled(database, tillsMax)) {
      try {
        const count = await settlement.settleTill(
          tillId,
          ownContext(world, { service: tills.service, timeoutMs: settleTimeoutMs }),
        );
        if (count > 0) log.info('entries of a till settled', { till: tillId, count });
      } catch (error) {
        // One till's trouble is not the others'.
        log.warn('entries of a till could not be settled, will be repeated', { till: tillId, error });
      }
    }
  }

  const handlerParts = { world, database, inventory, payments, products, publish, onPublished };
  return {
    server: implement(tills, createHandlers({ ...handlerParts, rules, settlement }), {
      clock,
      ...options.server,
    }),
    component: {
      name: 'tills',
      async start() {
        cancels = [
          timers.every(settlePeriodMs, quietly(log, 'settling entries of tills', settleAll)),
          timers.every(
            sweepPeriodMs,
            quietly(log, 'idempotency sweep', () => sweepKeys(database, keepMsDefault)),
          ),
        ];
      },
      async stop() {
        for (const cancel of cancels) cancel();
      },
    },
  };
}

const noRules: PricingRules = { taxes: [], taxClasses: [], shippingMethods: [] };
