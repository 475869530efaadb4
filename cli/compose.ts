import { analytics as analyticsContract } from '#contracts/analytics';
import { assistant as assistantContract } from '#contracts/assistant';
import { carts as cartsContract } from '#contracts/carts';
import { inventory as inventoryContract } from '#contracts/inventory';
import { notifications as notificationsContract } from '#contracts/notifications';
import { orders as ordersContract } from '#contracts/orders';
import { payments as paymentsContract } from '#contracts/payments';
import { products as productsContract } from '#contracts/products';
import { tills as tillsContract } from '#contracts/tills';
import { users as usersContract } from '#contracts/users';
import { webhooks as webhooksContract } from '#contracts/webhooks';
import { type ClockAlarm, createRejoiningClock } from '#kit/clock';
import {
  type CallContext,
  createClient,
  type ServerOptions,
  type ServiceContract,
  type ServiceServer,
} from '#kit/contract';
import { onlyAllowed } from '#kit/mesh';
import { createOutbox, type EventLog, type Outbox, outboxMigrations, type Subscription } from '#kit/messaging';
import type { Component, Database, Transport, World } from '#kit/runtime';
import type { Migrations } from '#kit/store';
import { measureEvents, noTelemetry, type Telemetry } from '#kit/telemetry';
import { analyticsMigrations, createAnalytics } from '#services/analytics';
import { assistantMigrations, createAssistant, type LanguageModel } from '#services/assistant';
import { cartsMigrations, createCarts } from '#services/carts';
import { createInventory, inventoryMigrations } from '#services/inventory';
import {
  createNotifications,
  type Mailer,
  type NotificationsOptions,
  notificationsMigrations,
} from '#services/notifications';
import { createOrders, ordersMigrations, type PriceOf } from '#services/orders';
import { createPayments, paymentsMigrations } from '#services/payments';
import type { PaymentProvider } from '#services/payments/provider';
import { createProducts, productsMigrations } from '#services/products';
import { createTills, tillsMigrations } from '#services/tills';
import { createUsers, usersMigrations } from '#services/users';
import { createWebhooks, type WebhooksOptions, webhooksMigrations } from '#services/webhooks';
import { observeServed, observeTransport, traceServer } from './observe.ts';

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
  'carts',
  'tills',
  'notifications',
  'analytics',
  'assistant',
  'webhooks',
] as const;
export type ComposedService = (typeof composedServices)[number];

/** Migrations of each service's database. */
export const serviceMigrations: Readonly<Record<ComposedService, readonly Migrations[]>> = {
  users: [...usersMigrations, outboxMigrations],
  products: [...productsMigrations, outboxMigrations],
  inventory: [...inventoryMigrations, outboxMigrations],
  payments: paymentsMigrations,
  orders: [...ordersMigrations, outboxMigrations],
  carts: cartsMigrations,
  tills: [...tillsMigrations, outboxMigrations],
  notifications: notificationsMigrations,
  analytics: analyticsMigrations,
  assistant: assistantMigrations,
  webhooks: webhooksMigrations,
};

/** Services with an outbox; the topic of their events bears their name. */
export const publishesEvents = (service: ComposedService): boolean =>
  serviceMigrations[service].includes(outboxMigrations);

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
  /** Sends what notifications writes; without it, mails are kept to be read. */
  readonly mail?: { readonly mailer: Mailer } & Pick<NotificationsOptions, 'messageIdDomain' | 'shop'>;
  /** Puts the assistant's answers into words; without it they are put together from facts. */
  readonly languageModel?: LanguageModel;
  /** What merchants' endpoints may be. Default: nothing private. The simulator brings its own outside world. */
  readonly webhooks?: Pick<WebhooksOptions, 'allowPrivate' | 'poster' | 'sender'>;
  /** Made where users runs and there is no such account yet. */
  readonly admin?: { readonly email: string; readonly password: string };
  readonly server?: Partial<ServerOptions>;
  /** Default: nothing is measured or traced, and hops write no log lines; as in the simulator, whose trace tells more. */
  readonly telemetry?: Telemetry;
  /** The simulator brings password hashing without threads. */
  readonly passwords?: Parameters<typeof createUsers>[0]['passwords'];
  /** Lease of sagas. Default 5,000 ms. */
  readonly sagaLeaseMs?: number;
}

export interface ComposedPart {
  readonly server: ServiceServer;
  /** In start order. */
  readonly components: readonly Component[];
  /** What tells how far behind the events are. */
  readonly outbox?: Outbox;
  readonly subscription?: Subscription;
}

/** Makes the services of a process, in the order in which they start. */
export function composeServices(options: ComposeOptions): Map<ComposedService, ComposedPart> {
  const { world } = options;
  const logicalClock = createRejoiningClock({ clock: world.clock, ...alarmTo(world) });
  const parts = new Map<ComposedService, ComposedPart>();
  for (const service of composedServices.filter((name) => options.services.includes(name))) {
    const serverOptions: ServerOptions = { clock: world.clock, logicalClock, ...options.server };
    const transport = onlyAllowed(service, publicContracts, options.transport);
    parts.set(service, makePart(service, { ...options, transport, server: serverOptions }));
  }
  return parts;
}

/** A service, and around it whatever shows what it does. Without telemetry there is nothing around it. */
function makePart(service: ComposedService, options: MakerOptions): ComposedPart {
  const { telemetry, transport } = options;
  if (!telemetry) return makers[service](options);
  const world = { ...options.world, log: options.world.log.with({ service }) };
  const show = observeServed(telemetry, world);
  const { onServed } = options.server;
  const server: ServerOptions = {
    ...options.server,
    onServed(served) {
      show(served);
      onServed?.(served);
    },
  };
  const part = makers[service]({
    ...options,
    world,
    server,
    transport: observeTransport(telemetry, service, transport, world),
  });
  return { ...part, server: traceServer(telemetry, part.server) };
}

const clockAlarms: Readonly<Record<ClockAlarm['kind'], string>> = {
  'remote-ahead': 'the clocks of two machines differ by more than the bound',
  'local-jump': 'the clock of this machine was set, or the machine slept',
  rejoined: 'the clock of this machine had run ahead and was put right: this process goes on at the time of its peers',
};

const alarmTo = ({ log }: World) => ({
  onAlarm: (alarm: ClockAlarm) => log.error(clockAlarms[alarm.kind], { ...alarm }),
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
      telemetry: telemetryOf(options),
      ...(options.passwords ? { passwords: options.passwords } : {}),
    });
    const { admin } = options;
    const localAdmin: Component = {
      name: 'local admin',
      start: async () => void (admin && (await users.ensureAdmin(admin))),
    };
    return { server: users.server, components: [outbox.component, users.component, localAdmin], outbox };
  },
  products(options) {
    const outbox = outboxOf('products', options);
    const { logicalClock, onServed, checkReplies } = options.server;
    const { log, metrics } = listenerOf(options);
    const products = createProducts({
      log,
      metrics,
      world: options.world,
      database: options.databaseOf('products'),
      telemetry: telemetryOf(options),
      outbox,
      ...(logicalClock ? { logicalClock } : {}),
      ...(onServed ? { onServed } : {}),
      ...(checkReplies === undefined ? {} : { checkReplies }),
    });
    const { server, component, subscription } = products;
    const components = [outbox.component, component];
    return { server, components, outbox, ...(subscription ? { subscription } : {}) };
  },
  inventory(options) {
    const outbox = outboxOf('inventory', options);
    const { world, server } = options;
    const inventory = createInventory({
      publish: outbox.publish,
      onPublished: outbox.wake,
      world,
      database: options.databaseOf('inventory'),
      server,
      telemetry: telemetryOf(options),
    });
    return { server: inventory.server, components: [outbox.component, inventory.component], outbox };
  },
  payments(options) {
    const { world, server, provider } = options;
    if (!provider) throw new Error('compose: payments runs here and was given no provider');
    const payments = createPayments({
      world,
      database: options.databaseOf('payments'),
      provider,
      server,
      telemetry: telemetryOf(options),
    });
    return { server: payments.server, components: [payments.component] };
  },
  orders(options) {
    const outbox = outboxOf('orders', options);
    const { world, server, sagaLeaseMs } = options;
    const orders = createOrders({
      world,
      database: options.databaseOf('orders'),
      telemetry: telemetryOf(options),
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
    return { server: orders.server, components: [outbox.component, orders.component], outbox };
  },
  carts(options) {
    const { world, server } = options;
    const carts = createCarts({
      world,
      database: options.databaseOf('carts'),
      products: clientOf(productsContract, options),
      inventory: clientOf(inventoryContract, options),
      orders: clientOf(ordersContract, options),
      server,
      telemetry: telemetryOf(options),
    });
    return { server: carts.server, components: [carts.component] };
  },
  tills(options) {
    const outbox = outboxOf('tills', options);
    const { world, server } = options;
    const tills = createTills({
      world,
      database: options.databaseOf('tills'),
      carts: clientOf(cartsContract, options),
      inventory: clientOf(inventoryContract, options),
      payments: clientOf(paymentsContract, options),
      products: clientOf(productsContract, options),
      publish: async (tx, events) => {
        await outbox.publish(tx, events);
      },
      onPublished: outbox.wake,
      server,
    });
    return { server: tills.server, components: [outbox.component, tills.component], outbox };
  },
  notifications(options) {
    const database = options.databaseOf('notifications');
    const users = clientOf(usersContract, options);
    const part = createNotifications({ ...listenerOf(options), database, users, ...options.mail });
    return { server: part.server, components: [part.component], subscription: part.subscription };
  },
  analytics(options) {
    const part = createAnalytics({ ...listenerOf(options), database: options.databaseOf('analytics') });
    return { server: part.server, components: [part.component], subscription: part.subscription };
  },
  assistant(options) {
    const part = createAssistant({
      ...listenerOf(options),
      database: options.databaseOf('assistant'),
      ...(options.languageModel ? { model: options.languageModel } : {}),
    });
    return { server: part.server, components: [part.component], subscription: part.subscription };
  },
  webhooks(options) {
    const { keyEncryptionSecret } = options;
    const database = options.databaseOf('webhooks');
    const part = createWebhooks({ ...listenerOf(options), database, keyEncryptionSecret, ...options.webhooks });
    return {
      ...{ server: part.server, components: [part.component] },
      // Reads events only while there is somebody to tell.
      get subscription() {
        return part.subscription;
      },
    } as ComposedPart;
  },
};

function listenerOf(options: MakerOptions) {
  const { world, eventLog, server } = options;
  const { logicalClock } = server;
  const telemetry = telemetryOf(options);
  const metrics = measureEvents(telemetry);
  return { world, log: eventLog, server, telemetry, metrics, ...(logicalClock ? { logicalClock } : {}) };
}

const telemetryOf = ({ telemetry = noTelemetry }: ComposeOptions): Telemetry => telemetry;

function outboxOf(source: ComposedService, options: MakerOptions): Outbox {
  const { databaseOf, eventLog, world, server } = options;
  const { logicalClock } = server;
  return createOutbox({
    source,
    database: databaseOf(source),
    log: eventLog,
    world,
    metrics: measureEvents(telemetryOf(options)),
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
  cartsContract,
  tillsContract,
  paymentsContract,
  notificationsContract,
  analyticsContract,
  assistantContract,
  webhooksContract,
];
