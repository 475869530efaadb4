import { join } from 'node:path';
import { findFreePort, openSecrets } from '#kit/store/embedded';
import { ensureAdminAccount } from './admin.ts';
import { resolveAssistant } from './assistant.ts';
import { resolveMail } from './mail.ts';
import { planFronts } from './plan-fronts.ts';
import type { ProcessesOptions } from './processes.ts';
import type { ServicesConfig } from './services.ts';
import { settingsOf } from './settings.ts';
import { resolveUrl } from './surroundings.ts';
import { hasDatabase, type ProcessTopology, type Topology } from './topology.ts';

/** Which processes a topology has, and what each is told. */
export interface Planner {
  /** A configuration for each instance that the topology names. */
  all(): Promise<ServicesConfig[]>;
  /** One more, or one in the place of another: with addresses of its own. */
  one(process: string, runs: ProcessTopology['runs']): Promise<ServicesConfig>;
}

const dayMs = 86_400_000;
const internalHost = '127.0.0.1';
/** For the mesh, for operators, and for a gateway behind a balancer. */
const portsEach = 3;

/** The name of an instance, counted from 1. A process that there is only one of is called as it is. */
export const instanceName = (name: string, number: number, instances: number): string =>
  instances === 1 && number === 1 ? name : `${name}-${number}`;

/** One configuration for each instance. A process is told where it listens itself; the others it finds by the mesh. */
export async function planProcesses(options: ProcessesOptions): Promise<ServicesConfig[]> {
  return (await createPlanner(options)).all();
}

export async function createPlanner(options: ProcessesOptions): Promise<Planner> {
  const { topology, dataDir } = options;
  const databases = options.databases();
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
  const apps = options.apps?.();
  const fronts = await planFronts(options);
  const gateway = { ...withValkey(topology.gateway), ...fronts.gateway };

  function plan(process: string, runs: ProcessTopology['runs'], ports: readonly number[]): ServicesConfig {
    const [port, operatorPort, doorPort] = ports;
    const isMeshed = port !== undefined && operatorPort !== undefined;
    const door = fronts.entrance && doorPort !== undefined ? { host: internalHost, port: doorPort } : options.public;
    if (runs.includes('edge')) return edgeOf(process, operatorPort);
    return {
      process,
      services: runs,
      databases: Object.fromEntries(
        [...runs.filter(hasDatabase), 'log'].map((service) => [service, databases[service]]),
      ),
      ...(isMeshed ? { mesh: { host: internalHost, port, operatorPort, ...topology.mesh } } : {}),
      public: door,
      ...(fronts.entrance ? { entrance: fronts.entrance } : {}),
      ...(fronts.balancer && runs.includes('balancer')
        ? { balancer: fronts.balancer, isBehindEdge: fronts.edge !== undefined }
        : {}),
      ...(options.internalDoor && runs.includes('gateway') ? { internalDoor: options.internalDoor } : {}),
      doors: fronts.doorsOf(runs),
      ...(apps !== undefined && runs.includes('gateway') ? { apps } : {}),
      ...(options.telemetry ? { telemetry: options.telemetry } : {}),
      ...(options.faults ? { faults: true } : {}),
      provider: topology.provider,
      ...(sandbox ? { sandbox } : {}),
      secrets,
      ...(runs.includes('users') ? { admin } : {}),
      ...(mail && runs.includes('notifications') ? { mail } : {}),
      ...(assistant && runs.includes('assistant') ? { assistant } : {}),
      ...(topology.webhooks.privateAddresses && runs.includes('webhooks') ? { webhooks: { allowPrivate: true } } : {}),
      ...(runs.includes('gateway') ? { gateway, settings: settingsOf(options) } : {}),
      ...(keepDays === undefined ? {} : { eventsKeptMs: keepDays * dayMs }),
      dataDir,
    };
  }

  /** Told nothing that would be worth stealing. */
  function edgeOf(process: string, operatorPort = 0): ServicesConfig {
    const operators = { host: internalHost, port: operatorPort };
    return {
      ...{ process, services: ['edge'], databases: {}, public: options.public, dataDir },
      ...{ provider: topology.provider, secrets: { keyEncryption: '', sandboxKey: '', webhook: '' } },
      ...(fronts.edge ? { edge: { ...fronts.edge, operators } } : {}),
      ...(options.telemetry ? { telemetry: options.telemetry } : {}),
      doors: fronts.doorsOf(['edge']),
    };
  }

  return {
    async all() {
      const instances = topology.processes.flatMap(({ name, runs, instances: count }) =>
        Array.from({ length: count }, (_, i) => ({ process: instanceName(name, i + 1, count), runs })),
      );
      const ports = topology.isOneProcess ? [] : await distinctPorts(portsEach * instances.length);
      return instances.map(({ process, runs }, i) =>
        plan(process, runs, ports.slice(portsEach * i, portsEach * (i + 1))),
      );
    },
    one: async (process, runs) => plan(process, runs, await distinctPorts(portsEach)),
  };
}

function withValkey(settings: Topology['gateway']): Topology['gateway'] {
  return settings.valkey === undefined ? settings : { ...settings, valkey: resolveUrl(settings.valkey, process.env) };
}

async function distinctPorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await findFreePort());
  return [...ports];
}
