import type { SettingView } from '#contracts/operators';
import type { ServiceServer } from '#kit/contract';
import { type Identity, type Instance, registryMigrations } from '#kit/mesh';
import { createPostgresLog, createSweeper, logMigrations } from '#kit/messaging';
import { type Component, createHost, type Database, type Host, type Transport, type World } from '#kit/runtime';
import { createDatabase, isMigrated, type Migrations, migrate } from '#kit/store';
import { createLanguageModel, type LanguageModelOptions } from '#services/assistant';
import { seedProducts } from '#services/products';
import { addressOf } from './address.ts';
import type { AdminAccount } from './admin.ts';
import { announce } from './announce.ts';
import {
  type ComposedService,
  type ComposeOptions,
  composedServices,
  composeServices,
  publicContracts,
  publishesEvents,
  serviceMigrations,
} from './compose.ts';
import { connectMail } from './connect-mail.ts';
import type { Address, Door } from './doors.ts';
import { edgesOf, readElsewhere } from './edges.ts';
import { exitCodes, Failure } from './failure.ts';
import type { EdgeConfig } from './front-edge.ts';
import type { GatewaySettings } from './gateway-settings.ts';
import { createInFlight } from './in-flight.ts';
import type { Mail } from './mail.ts';
import { boundHeapGrowth } from './memory.ts';
import { joinMesh, type Mesh, type MeshConfig, type MeshOptions, openIdentity } from './mesh.ts';
import { composeMortals } from './mortals.ts';
import { createShopObjectives } from './objectives.ts';
import { observeTransport } from './observe.ts';
import { observeProvider } from './observe-provider.ts';
import { createOperatorPort } from './operator-port.ts';
import { createOperatorViews } from './operator-views.ts';
import type { Pulse } from './process-messages.ts';
import { connectProvider, nameOfProvider, startSandbox } from './provider.ts';
import { demoOrder, seedPricing, seedStock } from './seed.ts';
import { createServedLately } from './served-lately.ts';
import type { Sign } from './signing.ts';
import { createProcessTelemetry, type ProcessTelemetry, sampleEvents, type TelemetryConfig } from './telemetry.ts';
import type { Provider, ServiceName } from './topology.ts';
import { createTraceCollector } from './traces.ts';
import { createTransports } from './transports.ts';

/** What one process is given to run its services. Plain data but for `world`, so that a child gets it by message. */
export interface ServicesConfig {
  /** Name of this process, unique in the topology: `orders-2`. */
  readonly process: string;
  /** The services to run here; all others are found by the mesh. */
  readonly services: readonly ServiceName[];
  /** URL of each database that a service here owns, and of the log of events. */
  readonly databases: Readonly<Partial<Record<ServiceName | 'log', string>>>;
  /** How this process meets the others; absent when there is only one process. */
  readonly mesh?: MeshConfig;
  /** Where the gateway listens, if it runs here. */
  readonly public: Address;
  /** Where clients come in, if something stands before the gateways. Absent: where the gateway listens. */
  readonly entrance?: Address;
  /** Where the gateway shows metrics and traces to operators, if it runs here. Absent: nowhere. */
  readonly internalDoor?: Address;
  /** Where the balancer listens, if it runs here. */
  readonly balancer?: Address;
  /** Clients reach the balancer through an edge of this topology. Default false. */
  readonly isBehindEdge?: boolean;
  readonly edge?: EdgeConfig;
  /** Which of these the parent opens, and hands to every process that is to answer there. */
  readonly doors?: Readonly<Partial<Record<DoorName, Address>>>;
  /** Folders of the built web apps, for the gateway to serve. Absent: the API alone. */
  readonly apps?: readonly string[];
  readonly telemetry?: TelemetryConfig;
  /** Whether the console may break things here: never where a shop is run in earnest. Default false. */
  readonly faults?: boolean;
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
  /** What merchants' endpoints may be; only the process with webhooks is told. */
  readonly webhooks?: ComposeOptions['webhooks'];
  /** What puts the assistant's answers into words, with the key in it; only its process is told. */
  readonly assistant?: LanguageModelOptions;
  /** What the system was started with, for staff to read; only the gateway is told. Default: nothing. */
  readonly settings?: readonly SettingView[];
  /** Of the public door, if it runs here. Default: as each says. */
  readonly gateway?: GatewaySettings;
  /** How long the log keeps events. Default 30 days. Longer costs disk; what has gone can't be replayed. */
  readonly eventsKeptMs?: number;
  /** For what is kept in files, such as the pretended provider's books. */
  readonly dataDir: string;
}

export type DoorName = 'public' | 'internal' | 'balancer' | 'http' | 'https';

export interface Secrets {
  /** Seals the keys that sign access tokens. */
  readonly keyEncryption: string;
  readonly sandboxKey: string;
  /** Signs the provider's webhooks. */
  readonly webhook: string;
}

export interface ServicesOptions extends ServicesConfig {
  readonly world: World;
  /** Has this process's public key signed by the authority of the system; needed with `mesh`. */
  readonly sign?: Sign;
  /** What the parent has opened. */
  readonly opened?: Readonly<Partial<Record<DoorName, Door>>>;
  /** Where the log of this process is kept, if it is. */
  readonly keptLog?: Component;
  /** For the fault lab: puts itself between the services and what they talk to. */
  readonly seams?: Seams;
}

export interface Seams {
  /** Calls that leave a service. */
  readonly transport?: (transport: Transport) => Transport;
  /** Calls that arrive at a service. */
  readonly server?: (server: ServiceServer) => ServiceServer;
  readonly database?: (database: Database, service: ComposedService | 'log') => Database;
  /** Waited for by calls that leave this process. */
  readonly leave?: (signal: AbortSignal) => Promise<void>;
  /** Where others are told to reach this process. Default: where it listens. */
  readonly reachedAt?: Address;
  /** Where an instance of the mesh is really reached. */
  readonly addressOf?: (instance: Instance) => Address;
  /** Where the balancer really reaches the door of a gateway. */
  readonly doorOf?: (door: Pick<Instance, 'process' | 'host' | 'port'>) => Address;
}

/** What a process tells when its services are up. */
export interface RunningServices {
  readonly host: Host;
  /** Drains and stops. `leaveMs`: see `Mesh`. */
  readonly stop: (leaveMs?: number) => Promise<void>;
  readonly pulse: () => Promise<Pulse>;
  /** Reaches every service of the topology, for whoever embeds this process: benchmarks, tests, tools. */
  readonly transport: Transport;
  /** Printed at the end of a start, and under `--json`: `{ gateway: 'http://…' }`. */
  readonly urls: Readonly<Record<string, string>>;
  /** A command for the reader to paste: what to do first. */
  readonly demo?: string;
}

/** Longer than any outage of a reader that anybody would wait for, short enough for a disk. */
const eventsKeptMsDefault = 30 * 86_400_000;

/** Longer than the longest deadline of an operation and the grace of its answer (15,000 ms): what is under way may end. */
const drainTimeoutMs = 20_000;

/** Starts the services of one process and resolves when they are ready. `host.stop()` drains and stops them. */
export async function startServices(given: ServicesOptions): Promise<RunningServices> {
  if (given.edge) return (await import('./front-edge.ts')).startEdge(given, given.edge);
  const laboratory = given.faults ? await (await import('./fault-surround.ts')).surroundByFaults(given) : undefined;
  const options = laboratory?.options ?? given;
  const faults = laboratory?.faults;
  const { world, services, opened = {} } = options;
  const here = composedServices.filter((service) => services.includes(service));
  boundHeapGrowth();

  const host = createHost({ log: world.log, timers: world.timers, drainTimeoutMs });
  const urls: Record<string, string> = {};
  const observed = createProcessTelemetry(world, options.process, options.telemetry ?? {}, options.dataDir);
  const { telemetry } = observed;
  const databases = openDatabases(options, observed);
  const preparing = Promise.all([identityOf(options), migrateAll(options, here, databases.of)]);
  const [identity] = await preparing.catch(async (error) => {
    await databases.component.stop?.();
    throw error;
  });
  const inFlight = createInFlight();
  // What a request meets first has counted what is behind it too.
  const first = (['balancer', 'gateway'] as const).find((name) => services.includes(name));
  const lately = createServedLately({ world, metrics: telemetry.metrics, ...(first ? { service: first } : {}) });
  const transports = createTransports(options, observed, () => mesh);
  const mesh = meshOf(options, identity, () => ({
    contracts: publicContracts,
    database: databases.of('log'),
    servers: () => transports.servers,
    onArrival: transports.transport.tryAgain,
    telemetry: observed,
    inFlight,
  }));
  const running = {
    host,
    urls,
    transport: transports.transport,
    pulse: async () => ({ unready: await host.unready(), inFlight: inFlight.count, served: lately.read() }),
    async stop(leaveMs?: number) {
      if (mesh && leaveMs !== undefined) mesh.leaveMs = leaveMs;
      await host.stop();
    },
  };
  // Stops last: what the others do at their end is told too.
  if (options.keptLog) host.add(options.keptLog);
  host.add(observed.component);
  host.add(lately.component);
  host.add(databases.component);
  const { internalDoor } = options;
  const operators =
    options.mesh && createOperatorPort({ host: options.mesh.host, port: options.mesh.operatorPort }, observed);
  if (operators) host.add(operators.component);
  const metrics = operators?.metrics ?? (internalDoor && `${originOf(internalDoor)}/metrics`);
  if (metrics) host.add(announce(options.dataDir, { ...options, metrics, address: addressOf(options.public) }));
  if (mesh) host.add(mesh.connections);

  for (const component of laboratory?.components ?? []) host.add(component);
  const sandbox = services.includes('payment-sandbox') ? await startSandbox(options) : undefined;
  if (sandbox) host.add(sandbox.component);
  if (sandbox) faults?.attach(sandbox.sandbox);
  if (sandbox?.url) urls['payment-sandbox'] = sandbox.url;
  const reached = services.includes('payments') ? (sandbox?.provider ?? (await connectProvider(options))) : undefined;
  const provider = reached && observeProvider(telemetry, nameOfProvider(options), reached, world);

  const eventLog = createPostgresLog({ database: databases.of('log'), world });
  const composed: ComposeOptions = {
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
    ...(options.assistant ? { languageModel: createLanguageModel(options.assistant) } : {}),
    ...(options.webhooks ? { webhooks: options.webhooks } : {}),
    ...(options.recovery?.sagaLeaseMs === undefined ? {} : { sagaLeaseMs: options.recovery.sagaLeaseMs }),
  };
  // Among several processes it is the processes that are killed, by whoever has started them.
  const parts = faults && !options.mesh ? composeMortals(composed, faults) : composeServices(composed);
  for (const { server, components } of parts.values()) {
    const guarded = faults?.seams.server?.(server) ?? server;
    transports.attach(options.seams?.server?.(guarded) ?? guarded);
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
  if (inventory)
    host.add({ name: 'seed stock', start: () => seedStock({ server: inventory.server, timers: world.timers }) });
  const carts = parts.get('carts');
  if (carts)
    host.add({ name: 'seed prices', start: () => seedPricing({ server: carts.server, timers: world.timers }) });
  if (mesh) host.add(mesh.server);

  if (mesh && options.balancer) {
    const { createFrontBalancer } = await import('./front-balancer.ts');
    const { balancer: at } = options;
    const { layer7, components } = createFrontBalancer(options, mesh.directory, at, opened.balancer, telemetry);
    for (const component of components) host.add(component);
    inFlight.watch(() => layer7.active);
  }
  if (!services.includes('gateway')) {
    if (mesh) host.add(mesh.registration);
    await host.start();
    return running;
  }
  const internal = options.internalDoor && internalDoorOf(options, options.internalDoor, observed, mesh);
  // Loaded where it runs and nowhere else: so all other processes start sooner.
  const [{ createGateway }, { connectGateway }, { loadApps }] = await Promise.all([
    import('#edge/gateway'),
    import('./gateway.ts'),
    import('#edge/apps'),
  ]);
  const door = connectGateway(options.gateway ?? {}, () => countOf(mesh, 'gateway'), world);
  for (const component of door.components) host.add(component);
  const apps = options.apps && loadApps(options.apps);
  const objectives = createShopObjectives({ ...options, telemetry });
  host.add(objectives.component);
  const gateway = createGateway({
    ...door.options,
    cache: { events: eventLog, ...door.cache },
    ...(keepsAudit(options)
      ? { audit: { database: databases.of('gateway') }, apiKeys: { database: databases.of('gateway') } }
      : {}),
    world: { ...world, log: world.log.with({ service: 'gateway' }) },
    transport: inFlight.transport(observeTransport(telemetry, 'gateway', transports.transport, world)),
    telemetry,
    ...(internal ? { internal: { ...internal, handle: opened.internal } } : {}),
    operators: createOperatorViews({
      ...options,
      observed,
      mesh,
      log: eventLog,
      objectives: objectives.status,
      unready: () => host.unready(),
      faults,
    }),
    ...(apps ? { apps } : {}),
    contracts: publicContracts,
    host: options.public.host,
    port: options.public.port,
    ...(opened.public ? { handle: opened.public } : {}),
    unready: () => host.unready(),
  });
  host.add(gateway.component);
  if (mesh) host.add(mesh.registration);
  urls['gateway'] = originOf(options.entrance ?? options.public);
  for (const [name, path] of Object.entries(apps?.paths ?? {})) urls[name] = `${urls['gateway']}${path}`;
  if (options.internalDoor) urls['internal'] = originOf(options.internalDoor);
  await host.start();
  return { ...running, demo: demoOrder(urls['gateway'], world.ids.next('demo')) };
}

/** Each service's database and the log's, brought up to date. Processes that start at once wait for each other. */
async function migrateAll(
  options: ServicesOptions,
  services: readonly ComposedService[],
  databaseOf: (service: ComposedService | 'log' | 'gateway') => Database,
): Promise<void> {
  // Mostly there is nothing to do, and the connection that has found that out serves on.
  const bring = async (service: ComposedService | 'log' | 'gateway', sequences: readonly Migrations[]) => {
    if (!(await isMigrated(databaseOf(service), sequences))) await migrate(urlOf(options, service), sequences);
  };
  await Promise.all([
    bring('log', [logMigrations, ...(options.mesh ? [registryMigrations] : [])]),
    ...services.map((service) => bring(service, serviceMigrations[service])),
    ...(keepsAudit(options) ? [auditMigrationsOf().then((sequences) => bring('gateway', sequences))] : []),
  ]);
}

async function auditMigrationsOf(): Promise<readonly Migrations[]> {
  const { apiKeyMigrations, auditMigrations } = await import('#edge/gateway');
  return [auditMigrations, apiKeyMigrations];
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

function identityOf(options: ServicesOptions): Promise<Identity | undefined> {
  const { mesh, sign, process: name } = options;
  if (!mesh) return Promise.resolve(undefined);
  if (!sign) throw new Failure(exitCodes.internal, `The process ${name} was given nobody to sign its certificate.`);
  return openIdentity(options, sign);
}

type MeshParts = Pick<MeshOptions, 'contracts' | 'database' | 'servers' | 'onArrival' | 'telemetry' | 'inFlight'>;

/** Undefined where there is one process: then no call leaves it. */
function meshOf(options: ServicesOptions, identity: Identity | undefined, parts: () => MeshParts): Mesh | undefined {
  const { mesh } = options;
  return mesh && identity && joinMesh({ ...options, mesh, identity, ...parts() });
}

/** How many instances of a service there are now, this process included. */
function countOf(mesh: Mesh | undefined, service: ServiceName): number {
  return Math.max(1, mesh?.directory.instances.filter(({ services }) => services.includes(service)).length ?? 1);
}

/** What operators see at the gateway's internal door: this process's metrics, and traces of all processes. */
function internalDoorOf(
  { process: name, dataDir }: ServicesOptions,
  at: { readonly host: string; readonly port: number },
  { telemetry, metricsPage }: ProcessTelemetry,
  mesh: Mesh | undefined,
) {
  const collector = createTraceCollector({
    elsewhere: readElsewhere(dataDir, mesh),
    here: telemetry.spans.trace,
  });
  const others = () => mesh?.directory.instances.filter(({ process }) => process !== name) ?? [];
  return {
    ...at,
    targets: () => [
      { targets: [`${at.host}:${at.port}`], labels: { process: name } },
      ...others().map(({ host, operatorPort: port, process, services }) => ({
        targets: [`${host}:${port}`],
        labels: { process, services: services.join(',') },
      })),
      ...edgesOf(dataDir).map(({ process, services, metrics }) => ({
        targets: [new URL(metrics).host],
        labels: { process, services: services.join(',') },
      })),
    ],
    metrics: metricsPage,
    trace: collector.trace,
    recentTraces: () => telemetry.spans.recent(),
  };
}

function originOf({ host, port }: Address): string {
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}`;
}
