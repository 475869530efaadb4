import { analytics as analyticsContract } from '#contracts/analytics';
import { inventory as inventoryContract } from '#contracts/inventory';
import { notifications as notificationsContract } from '#contracts/notifications';
import { orders as ordersContract } from '#contracts/orders';
import { payments as paymentsContract } from '#contracts/payments';
import { products as productsContract } from '#contracts/products';
import { users as usersContract } from '#contracts/users';
import { createHybridClock, createTextClock } from '#kit/clock';
import {
  type CallContext,
  createClient,
  type ServerOptions,
  type ServiceContract,
  type ServiceServer,
} from '#kit/contract';
import { createOutbox, type EventLog, type Outbox, outboxMigrations } from '#kit/messaging';
import type { Component, Database, Transport, World } from '#kit/runtime';
import type { Migrations } from '#kit/store';
import { analyticsMigrations, createAnalytics } from '#services/analytics';
import { createInventory, inventoryMigrations } from '#services/inventory';
import { createNotifications, type Mailer, notificationsMigrations } from '#services/notifications';
import { createOrders, ordersMigrations, type PriceOf } from '#services/orders';
import { createPayments, paymentsMigrations } from '#services/payments';
import type { PaymentProvider } from '#services/payments/provider';
import { createProducts, productsMigrations } from '#services/products';
import { createUsers, usersMigrations } from '#services/users';

/**
 * How the services are joined: the one place that knows them all. It takes ports only, so a process, a test and the
 * simulator compose the very same system; what differs is the world, the databases and the transport they hand in.
 */

/** Services with a contract. The gateway and the sandbox are joined elsewhere. */
export const composedServices = [
  'users',
  'products',
  'inventory',
  'payments',
  'orders',
  'notifications',
  'analytics',
] as const;
export type ComposedService = (typeof composedServices)[number];

/** Migrations of each service's database. */
export const serviceMigrations: Readonly<Record<ComposedService, readonly Migrations[]>> = {
  users: [...usersMigrations, outboxMigrations],
  products: [...productsMigrations, outboxMigrations],
  inventory: inventoryMigrations,
  payments: paymentsMigrations,
  orders: [...ordersMigrations, outboxMigrations],
  notifications: notificationsMigrations,
  analytics: analyticsMigrations,
};

export interface ComposeOptions {
  readonly world: World;
  /** The services to make, of those this process runs. */
  readonly services: readonly ComposedService[];
  /** A service's own database, migrated. */
  readonly databaseOf: (service: ComposedService) => Database;
  /** Carries calls between services: to those made here as well. */
  readonly transport: Transport;
  /** Where outboxes are relayed to. */
  readonly eventLog: EventLog;
  /** Needed where payments runs. */
  readonly provider?: PaymentProvider;
  /** Seals the keys that sign access tokens. */
  readonly keyEncryptionSecret: string;
  /** Sends what notifications writes; without one, mails are kept to be read. */
  readonly mailer?: Mailer;
  /** Made where users runs and there is no such account yet. */
  readonly admin?: { readonly email: string; readonly password: string };
  readonly server?: Partial<ServerOptions>;
  /** The simulator brings password hashing without threads. */
  readonly passwords?: Parameters<typeof createUsers>[0]['passwords'];
  /** Lease of sagas. Default 5,000 ms. */
  readonly sagaLeaseMs?: number;
}

export interface ComposedPart {
  readonly server: ServiceServer;
  /** In start order. */
  readonly components: readonly Component[];
}

/** Makes the services of a process, in the order in which they start. */
export function composeServices(options: ComposeOptions): Map<ComposedService, ComposedPart> {
  const { world } = options;
  const logicalClock = createTextClock(createHybridClock({ clock: world.clock, ...alarmTo(world) }));
  const parts = new Map<ComposedService, ComposedPart>();
  for (const service of composedServices.filter((name) => options.services.includes(name))) {
    parts.set(
      service,
      makers[service]({ ...options, server: { clock: world.clock, logicalClock, ...options.server } }),
    );
  }
  return parts;
}

const alarmTo = ({ log }: World) => ({
  onAlarm: (alarm: object) => log.error('the clocks of two machines differ by more than the bound', { ...alarm }),
});

const wakeAfterMs = 20;

type MakerOptions = ComposeOptions & { readonly server: ServerOptions };

const makers: Readonly<Record<ComposedService, (options: MakerOptions) => ComposedPart>> = {
  users(options) {
    const outbox = outboxOf('users', options);
    const users = createUsers({
      world: options.world,
      database: options.databaseOf('users'),
      publish: async (tx, events) => {
        await outbox.publish(tx, events);
        // After the commit, which takes a few milliseconds; should it take longer, the relay's slow poll finds them.
        options.world.timers.after(wakeAfterMs, outbox.wake);
      },
      keyEncryptionSecret: options.keyEncryptionSecret,
      server: options.server,
      ...(options.passwords ? { passwords: options.passwords } : {}),
    });
    const { admin } = options;
    const localAdmin: Component = {
      name: 'local admin',
      start: async () => void (admin && (await users.ensureAdmin(admin))),
    };
    return { server: users.server, components: [outbox.component, users.component, localAdmin] };
  },
  products(options) {
    const outbox = outboxOf('products', options);
    const { logicalClock, onServed, checkReplies } = options.server;
    const products = createProducts({
      world: options.world,
      database: options.databaseOf('products'),
      outbox,
      ...(logicalClock ? { logicalClock } : {}),
      ...(onServed ? { onServed } : {}),
      ...(checkReplies === undefined ? {} : { checkReplies }),
    });
    return { server: products.server, components: [outbox.component, products.component] };
  },
  inventory(options) {
    const { world, server } = options;
    const inventory = createInventory({ world, database: options.databaseOf('inventory'), server });
    return { server: inventory.server, components: [inventory.component] };
  },
  payments(options) {
    const { world, server, provider } = options;
    if (!provider) throw new Error('compose: payments runs here and was given no provider');
    const payments = createPayments({ world, database: options.databaseOf('payments'), provider, server });
    return { server: payments.server, components: [payments.component] };
  },
  orders(options) {
    const outbox = outboxOf('orders', options);
    const { world, server, sagaLeaseMs } = options;
    const orders = createOrders({
      world,
      database: options.databaseOf('orders'),
      inventory: clientOf(inventoryContract, options),
      payments: clientOf(paymentsContract, options),
      priceOf: priceFrom(options),
      publish: async (tx, events) => {
        await outbox.publish(tx, events);
      },
      onCommit: outbox.wake,
      server,
      ...(sagaLeaseMs === undefined ? {} : { leaseMs: sagaLeaseMs }),
    });
    return { server: orders.server, components: [outbox.component, orders.component] };
  },
  notifications(options) {
    const { mailer } = options;
    const database = options.databaseOf('notifications');
    const users = clientOf(usersContract, options);
    const part = createNotifications({ ...listenerOf(options), database, users, ...(mailer ? { mailer } : {}) });
    return { server: part.server, components: [part.component] };
  },
  analytics(options) {
    const part = createAnalytics({ ...listenerOf(options), database: options.databaseOf('analytics') });
    return { server: part.server, components: [part.component] };
  },
};

function listenerOf({ world, eventLog, server }: MakerOptions) {
  const { logicalClock } = server;
  return { world, log: eventLog, server, ...(logicalClock ? { logicalClock } : {}) };
}

function outboxOf(source: ComposedService, { databaseOf, eventLog, world, server }: MakerOptions): Outbox {
  const { logicalClock } = server;
  return createOutbox({
    source,
    database: databaseOf(source),
    log: eventLog,
    world,
    ...(logicalClock ? { logicalClock } : {}),
  });
}

function clientOf<C extends ServiceContract>(contract: C, { transport, world, server }: MakerOptions) {
  const { logicalClock } = server;
  return createClient(contract, { transport, clock: world.clock, ...(logicalClock ? { logicalClock } : {}) });
}

/** Orders asks the catalogue for names and prices at the moment of placing. */
function priceFrom(options: MakerOptions): PriceOf {
  const products = clientOf(productsContract, options);
  const asOrders = (context: CallContext): CallContext => ({ ...context, caller: { kind: 'service', id: 'orders' } });
  return async (skus, currency, context) => {
    const { body } = await products.resolve({ body: { skus: [...skus], currency } }, asOrders(context));
    return new Map(
      body.items.flatMap((item) =>
        item.active && item.amountMinor !== undefined
          ? [[item.sku, { name: item.name, unitPriceMinor: item.amountMinor }] as const]
          : [],
      ),
    );
  };
}

/** Contracts of everything that the gateway may show. */
export const publicContracts: readonly ServiceContract[] = [
  usersContract,
  productsContract,
  inventoryContract,
  ordersContract,
  paymentsContract,
  notificationsContract,
  analyticsContract,
];
