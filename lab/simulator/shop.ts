import { products as productsContract } from '#contracts/products';
import { apiKeyMigrations, auditMigrations } from '#edge/gateway';
import type { Served, ServiceServer } from '#kit/contract';
import { createPostgresLog, type EventLog, inboxMigrations, logMigrations, subscribe } from '#kit/messaging';
import { type Component, createHost, type Database, type Host, type Transport } from '#kit/runtime';
import type { Mailer } from '#services/notifications';
import { createSandboxProvider, type PaymentProvider } from '#services/payments/provider';
import { createMemoryJournal, createSandbox, type Sandbox } from '#services/payments/sandbox';
import { type ComposedService, composeServices, serviceMigrations } from '../../cli/compose.ts';
import { createSimulatedDatabase } from './database.ts';
import { createDatabaseServer, type DatabaseServer } from './database-server.ts';
import { adminEmail, passwordOfAll } from './door/accounts.ts';
import { createDoorBook, type DoorBook, lifeOf } from './door/book.ts';
import { createSimulatedGateway } from './door/gateway.ts';
import { simulatedPasswords } from './door/passwords.ts';
import { settleWebCryptoAtOnce } from './door/web-crypto.ts';
import { type History, recordStockAnswers } from './history.ts';
import { createMailServer, type MailServer } from './mail.ts';
import { createNetwork, type Network } from './network.ts';
import { createNewsroom } from './newsroom.ts';
import { createNode, createNodeClock, type Incarnation, type SimNode } from './node.ts';
import type { Image, ImageDescription } from './pglite/image.ts';
import { type DatabaseName, databasesOf, nodesOf, type Plan, type StockPlan } from './plan.ts';
import { createSimulatedProvider } from './provider.ts';
import { applyEvents, countRedeliveries, type ReaderHandler, refusePoison } from './reader.ts';
import { between, type Simulation } from './simulation.ts';
import { retryDelaysMs } from './webhooks/check.ts';
import { createMerchants, type Merchants, type Poster } from './webhooks/merchants.ts';

/** The services under test, as production composes them. */
const testedServices = [
  'orders',
  'inventory',
  'payments',
  'notifications',
  'analytics',
  'assistant',
  'carts',
  'tills',
  'users',
  'products',
  'webhooks',
] as const satisfies readonly ComposedService[];

/** The databases of the shop under test: migrations as they are in production. */
export const imageDescriptions: readonly ImageDescription[] = [
  ...testedServices.map((name) => ({ name, migrations: serviceMigrations[name] })),
  { name: 'gateway', migrations: [auditMigrations, apiKeyMigrations] },
  // The log and its reader share a server, which production may do too.
  {
    name: 'log',
    migrations: [
      logMigrations,
      inboxMigrations,
      { directory: `${import.meta.dirname}/schema/reader`, table: 'schema_reader' },
    ],
  },
];

/**
 * Where a planted bug gets hold of a process: what it is handed is replaced by something that misbehaves. The code under
 * test is the same with and without.
 */
export interface Hooks {
  database?(database: Database, owner: string, incarnation: Incarnation): Database;
  transport?(transport: Transport, incarnation: Incarnation): Transport;
  server?(server: ServiceServer, incarnation: Incarnation): ServiceServer;
  provider?(provider: PaymentProvider, incarnation: Incarnation): PaymentProvider;
  log?(log: EventLog, incarnation: Incarnation): EventLog;
  mailer?(mailer: Mailer): Mailer;
  poster?(poster: Poster): Poster;
  reader?(
    handler: ReaderHandler,
    database: Database,
  ): { delivery: 'effectively-once' | 'at-least-once'; handler: ReaderHandler };
}

export interface Shop {
  readonly network: Network;
  readonly nodes: ReadonlyMap<string, SimNode>;
  readonly databases: ReadonlyMap<DatabaseName, DatabaseServer>;
  readonly sandbox: Sandbox;
  readonly mail: MailServer;
  /** The machine of those who use the shop. It never fails: somebody has to tell what they saw. */
  readonly shoppers: Incarnation;
  readonly newsroom: ReturnType<typeof createNewsroom>;
  readonly merchants: Merchants;
  readonly doorBook: DoorBook;
  restart(node: string): void;
}

const restartMsMin = 20;

/** What is listened to, by database. */
const channelsOf: Partial<Record<DatabaseName, readonly string[]>> = {
  log: ['holdfast_log'],
  gateway: ['api_key_revoked'],
};

/** `orders-2` runs orders. */
const serviceOf = ({ name }: SimNode): string => name.replace(/-\d+$/, '');

export interface ShopOptions {
  readonly simulation: Simulation;
  readonly plan: Plan;
  readonly images: ReadonlyMap<string, Image>;
  readonly hooks: Hooks;
  readonly history: History;
}

export async function createShop({ simulation, plan, images, hooks, history }: ShopOptions): Promise<Shop> {
  settleWebCryptoAtOnce();
  const network = createNetwork(simulation, plan.network);
  const clocks = simulation.stream('clocks');
  const restarts = simulation.stream('restarts');
  const nodes = new Map<string, SimNode>();
  const readUpTo = new Map<string, number>();
  const hosts = new Map<string, { readonly host: Host; readonly incarnation: Incarnation }>();

  function newClock(skewMsMax: number, driftPpmMax: number) {
    const wrong = (most: number) => Math.round((clocks.next() * 2 - 1) * most);
    return createNodeClock(simulation, wrong(skewMsMax), wrong(driftPpmMax));
  }

  const databases = new Map<DatabaseName, DatabaseServer>();
  for (const name of databasesOf(plan)) {
    const clock = newClock(plan.databaseSkewMsMax, plan.driftPpmMax);
    const image = images.get(name);
    if (!image) throw new Error(`there is no image of ${name}`);
    const surroundings = { wallMs: clock.wallMs, entropy: simulation.stream(`${name}/entropy`) };
    databases.set(
      name,
      createDatabaseServer({
        name: `db-${name}`,
        simulation,
        session: image.reset(surroundings),
        recoverSession: () => image.recover(surroundings),
        clock,
        faults: plan.database,
        latencyMs: plan.latencyMs,
        channels: channelsOf[name] ?? [],
        onCrashPoint: (client, why) => client.node.crash(why),
      }),
    );
  }

  const databaseOf = (name: DatabaseName, incarnation: Incarnation): Database => {
    const database = createSimulatedDatabase(databases.get(name) as DatabaseServer, incarnation);
    return hooks.database?.(database, name, incarnation) ?? database;
  };
  const transportOf = (incarnation: Incarnation): Transport => {
    const transport = recordStockAnswers(network.transportOf(incarnation), incarnation, simulation, history);
    return hooks.transport?.(transport, incarnation) ?? transport;
  };
  /** What it carries is seen by the people whose requests these are. */
  const gatewayTransportOf = (incarnation: Incarnation): Transport => {
    const transport = network.transportOf(incarnation);
    return hooks.transport?.(transport, incarnation) ?? transport;
  };
  const server = {
    checkReplies: true,
    onServed({ request, problem }: Served) {
      if (problem?.category !== 'internal') return;
      const cause = problem.cause instanceof Error ? problem.cause.message : problem.message;
      simulation.violate('nothing fails unexpectedly', `${request.service}.${request.operation}: ${cause}`);
    },
  };

  /** A machine that nothing happens to: the outside world, which the checks believe. */
  function unfailing(name: string): Incarnation {
    const born: Incarnation[] = [];
    const clock = createNodeClock(simulation, 0, 0);
    createNode({ name, simulation, clock, boot: (incarnation) => void born.push(incarnation) }).start();
    return born[0] as Incarnation;
  }
  const sandbox = await createSandbox({ ...unfailing('provider').world, journal: createMemoryJournal() });
  sandbox.faults.set(plan.provider);
  const mail = createMailServer(simulation, plan.mail);
  const shoppers = unfailing('shoppers');
  const merchants = createMerchants(simulation, plan.merchants);
  const doorBook = createDoorBook();
  const newsroom = createNewsroom(simulation, plan.news);
  if (plan.news.length > 0) openNewsroom();

  function openNewsroom(): void {
    const log = databases.get('log') as DatabaseServer;
    const node = createNode({
      name: 'newsroom',
      simulation,
      clock: createNodeClock(simulation, 0, 0),
      boot(incarnation) {
        const database = createSimulatedDatabase(log, incarnation);
        newsroom.boot(incarnation, createPostgresLog({ database, world: incarnation.world }));
      },
    });
    node.onCrash(() => simulation.world.timers.after(restartMsMin, node.start));
    node.start();
  }

  interface Program {
    readonly components: readonly Component[];
    readonly server?: ServiceServer;
  }
  function program(service: ComposedService, incarnation: Incarnation): Program {
    const { world } = incarnation;
    const adapter = createSandboxProvider({ sandbox, ...world, webhookSecret: 'whsec_simulation' });
    const provider = createSimulatedProvider(simulation, incarnation, adapter);
    const mailer = mail.mailerOf(incarnation);
    const poster = merchants.posterOf(incarnation);
    const part = composeServices({
      world,
      services: [service],
      databaseOf: (name) => databaseOf(name as DatabaseName, incarnation),
      transport: transportOf(incarnation),
      eventLog: logOf(incarnation),
      provider: hooks.provider?.(provider, incarnation) ?? provider,
      keyEncryptionSecret: 'a secret of this simulation',
      passwords: simulatedPasswords,
      admin: { email: adminEmail, password: passwordOfAll },
      mail: { mailer: hooks.mailer?.(mailer) ?? mailer },
      webhooks: { poster: hooks.poster?.(poster) ?? poster, sender: { retryDelaysMs } },
      server,
    }).get(service);
    if (!part) throw new Error(`there is no service ${service}`);
    return part;
  }

  const programs: Record<string, (incarnation: Incarnation) => Program> = {
    orders: (incarnation) => program('orders', incarnation),
    inventory: (incarnation) => program('inventory', incarnation),
    payments: (incarnation) => program('payments', incarnation),
    notifications: (incarnation) => program('notifications', incarnation),
    analytics: (incarnation) => program('analytics', incarnation),
    assistant: (incarnation) => program('assistant', incarnation),
    carts: (incarnation) => program('carts', incarnation),
    tills: (incarnation) => program('tills', incarnation),
    users: (incarnation) => program('users', incarnation),
    products: (incarnation) => program('products', incarnation),
    webhooks: (incarnation) => program('webhooks', incarnation),
    gateway: (incarnation) =>
      createSimulatedGateway({
        ...{ simulation, incarnation, book: doorBook, database: databaseOf('gateway', incarnation) },
        ...{ transport: gatewayTransportOf(incarnation), events: tailOf(incarnation) },
      }),
    reader(incarnation) {
      const { world } = incarnation;
      const database = databaseOf('log', incarnation);
      const handler = plan.poison ? refusePoison(applyEvents) : applyEvents;
      const options = hooks.reader?.(handler, database) ?? { delivery: 'effectively-once', handler };
      const common = { group: 'reader', topics: ['orders'], log: logOf(incarnation), database, world } as const;
      const subscription =
        options.delivery === 'effectively-once'
          ? subscribe({ ...common, delivery: 'effectively-once', handler: options.handler })
          : subscribe({
              ...common,
              delivery: 'at-least-once',
              handler: (events) => database.transaction((tx) => options.handler(tx, events)),
            });
      return { components: [subscription.component] };
    },
  };

  const tailOf = (incarnation: Incarnation): EventLog =>
    createPostgresLog({ database: databaseOf('log', incarnation), world: incarnation.world });

  function logOf(incarnation: Incarnation): EventLog {
    const log = tailOf(incarnation);
    const counted = countRedeliveries(log, serviceOf(incarnation.node), readUpTo, simulation.faults);
    return hooks.log?.(counted, incarnation) ?? counted;
  }

  function boot(incarnation: Incarnation): void {
    const { node, world } = incarnation;
    const made = (programs[serviceOf(node)] as (incarnation: Incarnation) => Program)(incarnation);
    const host = createHost({ log: world.log, timers: world.timers, drainTimeoutMs: 5_000 });
    for (const component of made.components) host.add(component);
    hosts.set(node.name, { host, incarnation });
    host.start().then(
      () => {
        if (made.server) network.serve(incarnation, hooks.server?.(made.server, incarnation) ?? made.server);
      },
      // A process that can't start ends, and is started again by whoever looks after it.
      () => node.crash('could not start'),
    );
  }

  for (const name of nodesOf(plan)) {
    const node = createNode({ name, simulation, clock: newClock(plan.skewMsMax, plan.driftPpmMax), boot });
    nodes.set(name, node);
    node.onCrash(() => {
      if (serviceOf(node) === 'gateway')
        doorBook.ended.set(lifeOf({ node, number: node.incarnation }), simulation.world.nowMs);
      const downMs = simulation.faultsOn ? between(restarts, restartMsMin, plan.downMsMax) : restartMsMin;
      simulation.world.timers.after(downMs, node.start);
    });
  }
  const placesOf = (service: string) => [...nodes.keys()].filter((name) => name.startsWith(`${service}-`));
  for (const service of [...testedServices, 'gateway']) network.place(service, placesOf(service));
  if (plan.storefront.products === 0) {
    network.serve(unfailing('catalogue'), createCatalogue(plan.stock));
    network.place('products', ['catalogue']);
  }
  for (const node of nodes.values()) node.start();

  return {
    network,
    nodes,
    databases,
    sandbox,
    mail,
    shoppers,
    newsroom,
    merchants,
    doorBook,
    restart(name) {
      const running = hosts.get(name);
      const node = nodes.get(name);
      if (!running?.incarnation.isAlive || !node) return;
      network.leave(running.incarnation);
      const { number } = running.incarnation;
      void running.host.stop().then(() => {
        if (node.incarnation === number) node.crash('stopped in order');
      });
    },
  };
}

/** Names and prices, from nowhere: for runs without the catalogue's own service. */
function createCatalogue(stock: readonly StockPlan[]): ServiceServer {
  return {
    contract: productsContract,
    async handle({ body }) {
      const { skus } = body as { skus: readonly string[] };
      const items = stock
        .filter(({ sku }) => skus.includes(sku))
        .map(({ sku, unitPriceMinor }) => ({ sku, name: sku, active: true, amountMinor: unitPriceMinor }));
      return { status: 200, headers: {}, body: { items } };
    },
  };
}
