import { join } from 'node:path';
import type { Component, World } from '#kit/runtime';
import { findFreePort, openSecrets } from '#kit/store/embedded';
import { ensureAdminAccount } from './admin.ts';
import { resolveAssistant } from './assistant.ts';
import { resolveMail } from './mail.ts';
import { type RunningServices, type ServicesConfig, startServices } from './services.ts';
import { type SupervisedProcess, superviseProcess } from './supervisor.ts';
import type { TelemetryConfig } from './telemetry.ts';
import { hasDatabase, resolveUrl, type ServiceName, type Topology } from './topology.ts';

/** The processes of a topology, whichever way they run, as one component of the command's host. */
export interface Processes extends Component {
  readonly urls: () => Readonly<Record<string, string>>;
  readonly demo: () => string | undefined;
  /** Name, pid and services of each. */
  readonly list: () => readonly ProcessInfo[];
}

export interface ProcessInfo {
  readonly name: string;
  readonly pid: number | undefined;
  readonly services: readonly ServiceName[];
  readonly restarts: number;
}

export interface ProcessesOptions {
  readonly topology: Topology;
  readonly world: World;
  readonly public: { readonly host: string; readonly port: number };
  readonly internalDoor?: { readonly host: string; readonly port: number };
  readonly telemetry?: TelemetryConfig;
  /** Opens the fault laboratory of the console. Default false. */
  readonly faults?: boolean;
  readonly dataDir: string;
  /** Asked when the processes start, so after the database has. */
  readonly databases: () => Readonly<Record<string, string>>;
  /** The folders of the built web apps, asked when the processes start; undefined: none are served. */
  readonly apps?: () => readonly string[] | undefined;
  readonly onChange: () => void;
}

export function createProcesses(options: ProcessesOptions): Processes {
  return options.topology.isOneProcess ? createInProcess(options) : createChildren(options);
}

/** All services in the process of the command itself. */
function createInProcess(options: ProcessesOptions): Processes {
  let running: RunningServices | undefined;
  const [only] = options.topology.processes;
  return {
    name: 'services',
    async start() {
      const [config] = await planProcesses(options);
      running = await startServices({ ...(config as ServicesConfig), world: options.world });
    },
    async drain() {
      await running?.host.stop();
    },
    async check() {
      const reasons = Object.entries((await running?.host.unready()) ?? { services: 'not started' });
      return reasons.length === 0 ? undefined : reasons.map(([name, why]) => `${name}: ${why}`).join('; ');
    },
    urls: () => running?.urls ?? {},
    demo: () => running?.demo,
    list: () => [{ name: only?.name ?? 'all', pid: process.pid, services: only?.runs ?? [], restarts: 0 }],
  };
}

function createChildren(options: ProcessesOptions): Processes {
  const { world, onChange } = options;
  let children: { config: ServicesConfig; process: SupervisedProcess }[] = [];
  return {
    name: 'processes',
    async start() {
      const configs = await planProcesses(options);
      children = configs.map((config) => ({ config, process: superviseProcess({ config, world, onChange }) }));
      // All at once: each waits for what it needs, and a process spends its first moments loading code.
      await Promise.all(children.map(({ process }) => process.start()));
    },
    /** In reverse, so that the public door closes first and whoever is called ends after its callers. */
    async drain() {
      for (const { process } of children.toReversed()) await process.stop();
    },
    async check() {
      const down = children.filter(({ process }) => process.down() !== undefined);
      return down.length === 0 ? undefined : down.map(({ process }) => `${process.name}: ${process.down()}`).join('; ');
    },
    urls: () => Object.assign({}, ...children.map(({ process }) => process.urls)),
    demo: () => children.map(({ process }) => process.demo).find((demo) => demo !== undefined),
    list: () =>
      children.map(({ config, process }) => ({
        name: process.name,
        pid: process.pid,
        services: config.services,
        restarts: process.restarts,
      })),
  };
}

const dayMs = 86_400_000;
const internalHost = '127.0.0.1';

/** One configuration for each instance. A process is told where it listens itself; the others it finds by the mesh. */
export async function planProcesses(options: ProcessesOptions): Promise<ServicesConfig[]> {
  const { topology, dataDir } = options;
  const databases = options.databases();
  const instances = topology.processes.flatMap(({ name, runs, instances }) =>
    Array.from({ length: instances }, (_, index) => ({
      process: instances === 1 ? name : `${name}-${index + 1}`,
      runs,
    })),
  );
  const ports = topology.isOneProcess ? [] : await distinctPorts(2 * instances.length);
  const sandbox = topology.isOneProcess ? undefined : { host: internalHost, port: await findFreePort() };
  const kept = openSecrets(join(dataDir, 'service-secrets.json'), options.world.random);
  const secrets = {
    keyEncryption: kept.ensure('key-encryption'),
    sandboxKey: kept.ensure('payment-sandbox-key'),
    webhook: kept.ensure('payment-webhook'),
  };
  const admin = ensureAdminAccount(dataDir, options.world.random);
  const mail = topology.mail && resolveMail(topology.mail, process.env);
  const assistant = topology.assistant && resolveAssistant(topology.assistant, process.env);
  const { keepDays } = topology.events;
  const gateway = withValkey(topology.gateway);
  const apps = options.apps?.();
  return instances.map(({ process, runs }, index) => {
    const [port, operatorPort] = ports.slice(2 * index);
    const isMeshed = port !== undefined && operatorPort !== undefined;
    return {
      process,
      services: runs,
      databases: Object.fromEntries(
        [...runs.filter(hasDatabase), 'log'].map((service) => [service, databases[service]]),
      ),
      ...(isMeshed ? { mesh: { host: internalHost, port, operatorPort, ...topology.mesh } } : {}),
      public: options.public,
      ...(options.internalDoor && runs.includes('gateway') ? { internalDoor: options.internalDoor } : {}),
      ...(apps !== undefined && runs.includes('gateway') ? { apps } : {}),
      ...(options.telemetry ? { telemetry: options.telemetry } : {}),
      ...(options.faults ? { faults: true } : {}),
      provider: topology.provider,
      ...(sandbox ? { sandbox } : {}),
      secrets,
      ...(runs.includes('users') ? { admin } : {}),
      ...(mail && runs.includes('notifications') ? { mail } : {}),
      ...(assistant && runs.includes('assistant') ? { assistant } : {}),
      ...(runs.includes('gateway') ? { gateway } : {}),
      ...(keepDays === undefined ? {} : { eventsKeptMs: keepDays * dayMs }),
      dataDir,
    };
  });
}

function withValkey(settings: Topology['gateway']): Topology['gateway'] {
  return settings.valkey === undefined ? settings : { ...settings, valkey: resolveUrl(settings.valkey, process.env) };
}

async function distinctPorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await findFreePort());
  return [...ports];
}
