import { loadApps } from '#edge/apps';
import { auditMigrations, createGateway } from '#edge/gateway';
import type { ServiceServer } from '#kit/contract';
import { createPostgresLog, createSweeper, logMigrations } from '#kit/messaging';
import { type Component, createHost, type Database, type Host, type Transport, type World } from '#kit/runtime';
import { createDatabase, migrate } from '#kit/store';
import { seedProducts } from '#services/products';
import type { AdminAccount } from './admin.ts';
import {
  type ComposedService,
  composedServices,
  composeServices,
  publicContracts,
  publishesEvents,
  serviceMigrations,
} from './compose.ts';
import { exitCodes, Failure } from './failure.ts';
import { connectGateway } from './gateway.ts';
import type { GatewaySettings } from './gateway-settings.ts';
import { connectMail, type Mail } from './mail.ts';
import { boundHeapGrowth } from './memory.ts';
import { observeTransport } from './observe.ts';
import { connectProvider, startSandbox } from './provider.ts';
import { demoOrder, seedPricing, seedStock } from './seed.ts';
import { createProcessTelemetry, type ProcessTelemetry, sampleEvents, type TelemetryConfig } from './telemetry.ts';
import type { Provider, ServiceName } from './topology.ts';
import { createTraceCollector } from './traces.ts';
import { createTransports, internalKeyHeader } from './transports.ts';

/** What one process is given to run its services. Plain data but for `world`, so that a child gets it by message. */
export interface ServicesConfig {
  /** Name of this process, unique in the topology: `orders-2`. */
  readonly process: string;
  /** The services to run here; all others are reached at `addresses`. */
  readonly services: readonly ServiceName[];
  /** URL of each database that a service here owns, and of the log of events. */
  readonly databases: Readonly<Partial<Record<ServiceName | 'log', string>>>;
  /** Origins (`http://127.0.0.1:4101`) of the instances of each service that runs in another process. */
  readonly addresses: Readonly<Partial<Record<ServiceName, readonly string[]>>>;
  /** Where the services of this process answer other processes; absent when there is only one process. */
  readonly internal?: { readonly host: string; readonly port: number };
  /** Where the gateway listens, if it runs here. */
  readonly public: { readonly host: string; readonly port: number };
  /** Where the gateway shows metrics and traces to operators, if it runs here. Absent: nowhere. */
  readonly internalDoor?: { readonly host: string; readonly port: number };
  /** Folder of the built web apps, for the gateway to serve. Absent: the API alone. */
  readonly apps?: string;
  readonly telemetry?: TelemetryConfig;
  readonly provider: Provider;
  /** Where the pretended payment provider listens; absent when it is called within the one process. */
  readonly sandbox?: { readonly host: string; readonly port: number };
  /** Where the pretended provider keeps its books. Default `file`; `memory` for benchmarks. */
  readonly sandboxJournal?: 'file' | 'memory';
  /** Shorter times to recover, for tests that crash things. Defaults: breakers open 30,000 ms, leases 5,000 ms. */
  readonly recovery?: { readonly breakerOpenMs?: number; readonly sagaLeaseMs?: number };
  readonly secrets: Secrets;
  /** The account that people and commands on this machine administer with; only the process with users is told. */
  readonly admin?: AdminAccount;
  /** How notifications send mail, with the secret in it; only their process is told. Absent: mails are kept to be read. */
  readonly mail?: Mail;
  /** Of the public door, if it runs here. Default: as each says. */
  readonly gateway?: GatewaySettings;
  /** How long the log keeps events. Default 30 days. Longer costs disk; what has gone can't be replayed. */
  readonly eventsKeptMs?: number;
  /** For what is kept in files, such as the pretended provider's books. */
  readonly dataDir: string;
}

export interface Secrets {
  /** Shown by processes of this system to each other. */
  readonly internal: string;
  /** Seals the keys that sign access tokens. */
  readonly keyEncryption: string;
  readonly sandboxKey: string;
  /** Signs the provider's webhooks. */
  readonly webhook: string;
}

export interface ServicesOptions extends ServicesConfig {
  readonly world: World;
  /** For the fault lab: puts itself between the services and what they talk to. */
  readonly seams?: Seams;
}

export interface Seams {
  /** Calls that leave a service. */
  readonly transport?: (transport: Transport) => Transport;
  /** Calls that arrive at a service. */
  readonly server?: (server: ServiceServer) => ServiceServer;
  readonly database?: (database: Database, service: ComposedService | 'log') => Database;
}

/** What a process tells when its services are up. */
export interface RunningServices {
  readonly host: Host;
  /** Reaches every service of the topology, for whoever embeds this process: benchmarks, tests, tools. */
  readonly transport: Transport;
  /** Printed at the end of a start, and under `--json`: `{ gateway: 'http://…' }`. */
  readonly urls: Readonly<Record<string, string>>;
  /** A command for the reader to paste: what to do first. */
  readonly demo?: string;
}

/** Longer than any outage of a reader that anybody would wait for, short enough for a disk. */
const eventsKeptMsDefault = 30 * 86_400_000;

/** Starts the services of one process and resolves when they are ready. `host.stop()` drains and stops them. */
export async function startServices(options: ServicesOptions): Promise<RunningServices> {
  const { world, services } = options;
  const here = composedServices.filter((service) => services.includes(service));
  boundHeapGrowth();
  await migrateAll(options, here);

  const host = createHost({ log: world.log, timers: world.timers });
  const urls: Record<string, string> = {};
  const observed = createProcessTelemetry(world, options.process, options.telemetry ?? {});
  const { telemetry } = observed;
  const databases = openDatabases(options, observed);
  const transports = createTransports(options, observed);
  // Stops last: what the others do at their end is told too.
  host.add(observed.component);
  host.add(databases.component);
  host.add({ name: 'connections', stop: () => transports.close() });

  const sandbox = services.includes('payment-sandbox') ? await startSandbox(options) : undefined;
  if (sandbox) host.add(sandbox.component);
  if (sandbox?.url) urls['payment-sandbox'] = sandbox.url;
  const provider = services.includes('payments') ? (sandbox?.provider ?? (await connectProvider(options))) : undefined;

  const eventLog = createPostgresLog({ database: databases.of('log'), world });
  const parts = composeServices({
    world,
    services: here,
    databaseOf: databases.of,
    transport: transports.transport,
    eventLog,
    telemetry,
    ...(provider ? { provider } : {}),
    keyEncryptionSecret: options.secrets.keyEncryption,
    ...(options.admin ? { admin: options.admin } : {}),
    ...(options.mail ? { mail: connectMail(options.mail) } : {}),
    ...(options.recovery?.sagaLeaseMs === undefined ? {} : { sagaLeaseMs: options.recovery.sagaLeaseMs }),
  });
  for (const { server, components } of parts.values()) {
    transports.attach(options.seams?.server?.(server) ?? server);
    for (const component of components) host.add(component);
  }
  sampleEvents(observed, parts);
  host.add(
    createSweeper({
      log: eventLog,
      topics: here.filter(publishesEvents),
      retention: { ageMsMax: options.eventsKeptMs ?? eventsKeptMsDefault },
      world,
    }),
  );
  const products = parts.get('products');
  if (products) host.add({ name: 'seed catalogue', start: async () => void (await seedProducts(products.server)) });
  const inventory = parts.get('inventory');
  if (inventory) host.add({ name: 'seed stock', start: () => seedStock(inventory.server) });
  const carts = parts.get('carts');
  if (carts) host.add({ name: 'seed prices', start: () => seedPricing(carts.server) });
  if (transports.internalServer) host.add(transports.internalServer);

  if (!services.includes('gateway')) {
    await host.start();
    return { host, urls, transport: transports.transport };
  }
  const internal = options.internalDoor && internalDoorOf(options, options.internalDoor, observed);
  if (internal) host.add({ name: 'trace collector', stop: () => internal.close() });
  const door = connectGateway(options.gateway ?? {}, options.addresses.gateway?.length ?? 1, world);
  for (const component of door.components) host.add(component);
  const gateway = createGateway({
    ...door.options,
    cache: { events: eventLog, ...door.cache },
    ...(keepsAudit(options) ? { audit: { database: databases.of('gateway') } } : {}),
    world: { ...world, log: world.log.with({ service: 'gateway' }) },
    transport: observeTransport(telemetry, 'gateway', transports.transport, world),
    telemetry,
    ...(internal ? { internal } : {}),
    ...(options.apps === undefined ? {} : { apps: loadApps(options.apps) }),
    contracts: publicContracts,
    host: options.public.host,
    port: options.public.port,
    unready: () => host.unready(),
  });
  host.add(gateway.component);
  urls['gateway'] = originOf(options.public);
  if (options.internalDoor) urls['internal'] = originOf(options.internalDoor);
  await host.start();
  return { host, urls, transport: transports.transport, demo: demoOrder(urls['gateway'], world.ids.next('demo')) };
}

/** Each service's database and the log's, brought up to date. Processes that start at once wait for each other. */
async function migrateAll(options: ServicesOptions, services: readonly ComposedService[]): Promise<void> {
  await Promise.all([
    migrate(urlOf(options, 'log'), [logMigrations]),
    ...services.map((service) => migrate(urlOf(options, service), serviceMigrations[service])),
    ...(keepsAudit(options) ? [migrate(urlOf(options, 'gateway'), [auditMigrations])] : []),
  ]);
}

/** Whoever embeds a gateway without a database of its own gets none. */
const keepsAudit = ({ services, databases }: ServicesOptions): boolean =>
  services.includes('gateway') && databases.gateway !== undefined;

function urlOf({ databases, process: name }: ServicesOptions, service: ServiceName | 'log'): string {
  const url = databases[service];
  if (url) return url;
  throw new Failure(exitCodes.internal, `The process ${name} was given no database for ${service}.`);
}

/** Pools of the databases of this process, opened when first asked for and closed together. */
function openDatabases(
  options: ServicesOptions,
  { watchPool }: ProcessTelemetry,
): {
  readonly of: (service: ComposedService | 'log' | 'gateway') => Database;
  readonly component: Component;
} {
  const open = new Map<string, Database>();
  return {
    of(service) {
      const known = open.get(service);
      if (known) return known;
      const plain = createDatabase({ url: urlOf(options, service), name: service, ...options.world });
      watchPool(plain);
      const database = service === 'gateway' ? plain : (options.seams?.database?.(plain, service) ?? plain);
      open.set(service, database);
      return database;
    },
    component: {
      name: 'databases',
      async check() {
        await Promise.all([...open.values()].map((database) => database.query('select 1')));
        return undefined;
      },
      async stop() {
        await Promise.all([...open.values()].map((database) => database.close()));
      },
    },
  };
}

/** What operators see at the gateway's internal door: this process's metrics, and traces of all processes. */
function internalDoorOf(
  { addresses, internal, secrets, world, process: name }: ServicesOptions,
  at: { readonly host: string; readonly port: number },
  { telemetry, metricsPage }: ProcessTelemetry,
) {
  const here = internal && originOf(internal);
  const others = new Map<string, string[]>();
  for (const [service, origins] of Object.entries(addresses)) {
    for (const origin of origins) if (origin !== here) others.set(origin, [...(others.get(origin) ?? []), service]);
  }
  const collector = createTraceCollector({
    origins: [...others.keys()],
    headers: { [internalKeyHeader]: secrets.internal },
    here: telemetry.spans.trace,
    log: world.log,
  });
  const targets = [
    { targets: [hostOf(originOf(at))], labels: { process: name } },
    ...[...others].map(([origin, services]) => ({
      targets: [hostOf(origin)],
      labels: { services: services.join(',') },
    })),
  ];
  return {
    ...at,
    targets,
    metrics: metricsPage,
    trace: collector.trace,
    recentTraces: () => telemetry.spans.recent(),
    close: collector.close,
  };
}

const hostOf = (origin: string): string => new URL(origin).host;

function originOf({ host, port }: ServicesOptions['public']): string {
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}`;
}
