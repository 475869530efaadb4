import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Component, World } from '#kit/runtime';
import {
  type EmbeddedPostgres,
  lockDirectory,
  openSecrets,
  provisionDatabases,
  type Secrets,
  startEmbeddedPostgres,
} from '#kit/store/embedded';
import { resolveUrl } from './surroundings.ts';
import { hasDatabase, serviceNames, type Topology } from './topology.ts';

/** The databases of a topology: the embedded server, or one that runs elsewhere. */
export interface Databases extends Component {
  /** A URL for each service that has a database; makes databases and roles that are missing. */
  provision(): Promise<Record<string, string>>;
  /** Pid of the embedded server. */
  pid(): number | undefined;
}

export interface DatabasesOptions {
  readonly topology: Topology;
  readonly dataDir: string;
  readonly world: World;
  /** Added to the environment of the embedded server, for the fault lab. Default: nothing. */
  readonly environment?: Readonly<Record<string, string>>;
}

const restartDelayMsFirst = 100;
const restartDelayMsMax = 5_000;

export function createDatabases(options: DatabasesOptions): Databases {
  return options.topology.database.adminUrl ? createExternal(options) : createEmbedded(options);
}

/** Keeps the embedded server running: when it ends unasked it is started again, on the same port. */
function createEmbedded({ topology, dataDir, world, environment = {} }: DatabasesOptions): Databases {
  const { port, settings = {} } = topology.database;
  let server: EmbeddedPostgres | undefined;
  let down: string | undefined = 'not started';
  const stopping = new AbortController();
  let restarting: Promise<void> = Promise.resolve();

  async function launch(onPort: number | undefined): Promise<void> {
    server = await startEmbeddedPostgres({
      dataDir,
      world,
      settings,
      environment,
      ...(onPort === undefined ? {} : { port: onPort }),
      onCrash(how) {
        down = `the database server ${how}`;
        world.log.error('database server ended, starting it again', { how });
        restarting = relaunch();
      },
    });
    down = undefined;
  }

  async function relaunch(): Promise<void> {
    const lastPort = server?.port;
    const endedMs = world.clock.monotonicMs();
    await server?.stop();
    for (
      let delayMs = restartDelayMsFirst;
      !stopping.signal.aborted;
      delayMs = Math.min(delayMs * 2, restartDelayMsMax)
    ) {
      try {
        await launch(lastPort);
        // A warning as well, so that whoever was told of the end hears of this.
        world.log.warn('database server serves again', { awayMs: Math.round(world.clock.monotonicMs() - endedMs) });
        return;
      } catch (error) {
        down = error instanceof Error ? error.message : String(error);
        world.log.error('database server could not be started again', { error: down, againInMs: delayMs });
        await world.timers.sleep(delayMs, stopping.signal).catch(() => {});
      }
    }
  }

  return {
    name: 'database',
    start: () => launch(port),
    async stop() {
      stopping.abort();
      await restarting;
      await server?.stop();
    },
    check: async () => down,
    pid: () => server?.pid,
    provision() {
      if (!server) throw new Error('provision: the database has not been started');
      return provisionAll(topology, server.adminUrl, server.secrets, world);
    },
  };
}

/** A server that someone else keeps; this data directory still belongs to one running copy only. */
function createExternal({ topology, dataDir, world }: DatabasesOptions): Databases {
  const adminUrl = resolveUrl(topology.database.adminUrl as string, process.env);
  let release = () => {};
  return {
    name: 'database',
    async start() {
      mkdirSync(dataDir, { recursive: true, mode: 0o711 });
      release = (await lockDirectory(dataDir, world.timers)).release;
    },
    stop: async () => release(),
    pid: () => undefined,
    provision: () => provisionAll(topology, adminUrl, openSecrets(join(dataDir, 'secrets.json'), world.random), world),
  };
}

async function provisionAll(
  topology: Topology,
  admin: string,
  secrets: Secrets,
  world: World,
): Promise<Record<string, string>> {
  const running = new Set(topology.processes.flatMap(({ runs }) => runs));
  const services = serviceNames.filter((name) => running.has(name) && hasDatabase(name));
  const urls: Record<string, string> = {};
  for (const service of services) {
    const given = topology.database.services?.[service];
    if (given) urls[service] = resolveUrl(given, process.env);
  }
  // The log of events is nobody's and everybody's, like a broker.
  const ours = [...services.filter((service) => urls[service] === undefined), 'log'];
  const wanted = ours.map(wantedOf);
  const made = await provisionDatabases({ admin, wanted, secrets, random: world.random });
  for (const [i, service] of ours.entries()) urls[service] = made[i] as string;
  return urls;
}

/** Database and role have one name, in the manner of SQL: `holdfast_payment_sandbox`. */
function wantedOf(service: string) {
  const name = `holdfast_${service.replaceAll('-', '_')}`;
  return { database: name, role: name };
}
