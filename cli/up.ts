import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Component, createHost, systemWorld, type World } from '#kit/runtime';
import { findFreePort } from '#kit/store/embedded';
import { type BuiltApps, buildApps } from './apps.ts';
import { bundledEntry } from './bundle/index.ts';
import { inColumns } from './columns.ts';
import { createControlServer, socketPath } from './control/index.ts';
import { pickDataDir } from './data-dir.ts';
import { createDatabases, type Databases } from './database.ts';
import { exitCodes, Failure } from './failure.ts';
import { forgetFaults } from './faults-file.ts';
import { createKeptLog } from './kept.ts';
import { watchLauncher } from './launcher.ts';
import { logLevel } from './log.ts';
import { trustFile } from './plan-fronts.ts';
import { isFreePort, requireFreePort } from './port-owner.ts';
import { createProcesses, type Processes, type ProcessesOptions } from './processes.ts';
import { createScreen, type Screen } from './screen.ts';
import { requireSurroundings } from './surroundings.ts';
import { loadTopology, type Topology } from './topology.ts';

export interface UpOptions {
  readonly topology: string;
  readonly host: string;
  readonly port: number;
  /** Where operators find metrics and traces. Default: the next port if it is free, else any that is. */
  readonly internalPort?: number;
  /** Where the edge speaks TLS, in a topology that has one. Default: 8443 if it is free, else any that is. */
  readonly httpsPort?: number;
  /** Share of requests whose way is recorded, 0 to 1, beyond the first 5 a second of each kind. Default 0.01; 0: none. */
  readonly traceRatio?: number;
  /** Where traces and log lines are sent by OTLP over HTTP. Default: nowhere. */
  readonly otlp?: string;
  /** Absent: `.holdfast` in the checkout, or below /var/lib where the database server can't get to that. */
  readonly dataDir?: string;
  /** Whether the storefront and the other web apps are served. Default true; false leaves the API alone. */
  readonly apps?: boolean;
  /** Lets staff break things on purpose, in the console. Default false. */
  readonly faults?: boolean;
  readonly json: boolean;
  /** Says nothing to people. Default false. */
  readonly quiet?: boolean;
}

/** Starts a topology and keeps it running until a signal asks for its end. Resolves with the exit code. */
export async function up(options: UpOptions): Promise<number> {
  const startedMs = performance.now();
  const screen = createScreen(options.json, options.quiet);
  requirePlayground(options, process.env);
  requireDistinctPorts(options);
  const topology = loadTopology(options.topology);
  requireSurroundings(topology, process.env);
  const dataDir = pickDataDir(options.dataDir, (why) => screen.say(why));
  await requireFreePort(options.host, options.port);
  const level = logLevel(process.env['HOLDFAST_LOG']);
  const kept = createKeptLog({ dataDir, process: 'holdfast', level, otlpUrl: options.otlp });
  const world = systemWorld(kept.log);

  const internalDoor = { host: internalHost, port: await internalPortOf(options) };
  const https = { host: options.host, port: await httpsPortOf(options, internalDoor.port) };
  const running = assemble(
    topology,
    dataDir,
    { ...options, internalDoor, https, keptLog: kept.component },
    world,
    screen,
  );
  if (options.faults && !topology.isOneProcess) {
    const { enforceFaults } = await import('./enforce-faults.ts');
    running.host.add(enforceFaults({ dataDir, world, processes: running.processes }));
  }
  if (options.faults) screen.say('! The fault laboratory is open: staff can break this system in the console.');
  const ended = untilAsked(world, screen);
  const stop = ended.then(() => running.host.stop());
  await Promise.race([running.host.start(), stop]);
  if (running.host.state === 'ready') announce(running, screen, dataDir, performance.now() - startedMs);
  await stop;
  screen.say('Stopped.');
  return exitCodes.ok;
}

/** Where a shop is run in earnest nobody breaks it on purpose. */
function requirePlayground({ faults }: UpOptions, environment: NodeJS.ProcessEnv): void {
  if (!faults || environment['NODE_ENV'] !== 'production') return;
  throw new Failure(exitCodes.usage, '--faults is not for production: leave it out, or NODE_ENV=production.');
}

function requireDistinctPorts({ port, internalPort, httpsPort }: UpOptions): void {
  const given = Object.entries({ '--port': port, '--internal-port': internalPort, '--https-port': httpsPort });
  for (const [i, [option, number]] of given.entries()) {
    const twin = given.slice(0, i).find(([, other]) => number !== undefined && other === number);
    if (!twin) continue;
    throw new Failure(exitCodes.usage, `${twin[0]} and ${option} are both ${number}: give each a port of its own.`);
  }
}

/** The internal door asks nobody who they are, so it is never on an address that others reach. */
const internalHost = '127.0.0.1';

async function internalPortOf({ port, internalPort, httpsPort }: UpOptions): Promise<number> {
  if (internalPort !== undefined) {
    await requireFreePort(internalHost, internalPort, '--internal-port');
    return internalPort;
  }
  const next = port + 1;
  return next !== httpsPort && (await isFreePort(internalHost, next)) ? next : findFreePort();
}

const httpsPortUsual = 8443;

async function httpsPortOf({ host, port, httpsPort }: UpOptions, internalPort: number): Promise<number> {
  if (httpsPort !== undefined) {
    await requireFreePort(host, httpsPort, '--https-port');
    return httpsPort;
  }
  const isTaken = port === httpsPortUsual || internalPort === httpsPortUsual;
  return !isTaken && (await isFreePort(host, httpsPortUsual)) ? httpsPortUsual : findFreePort();
}

interface Running {
  readonly host: ReturnType<typeof createHost>;
  readonly databases: Databases;
  readonly processes: Processes;
}

/** The database first, then the processes; they stop the other way round. */
function assemble(
  topology: Topology,
  dataDir: string,
  options: UpOptions & Pick<ProcessesOptions, 'internalDoor' | 'https'> & { readonly keptLog: Component },
  world: World,
  screen: Screen,
): Running {
  const startedMs = world.clock.monotonicMs();
  const host = createHost({ log: world.log, timers: world.timers, drainTimeoutMs: 30_000 });
  const databases = createDatabases({ topology, dataDir, world });
  let urls: Readonly<Record<string, string>> = {};
  const apps = createApps(options.apps ?? true, screen);
  const entry = topology.isOneProcess ? undefined : bundleProcesses(world);
  const processes = createProcesses({
    ...(entry ? { entry: () => entry } : {}),
    onStarted: (started, of) => screen.progress(`${started} of ${of} processes serve`),
    topology,
    world,
    dataDir,
    public: { host: options.host, port: options.port },
    ...(options.internalDoor ? { internalDoor: options.internalDoor } : {}),
    ...(options.https ? { https: options.https } : {}),
    telemetry: {
      ...(options.traceRatio === undefined ? {} : { traceRatio: options.traceRatio }),
      ...(options.otlp === undefined ? {} : { otlpUrl: options.otlp }),
    },
    ...(options.faults ? { faults: true } : {}),
    databases: () => urls,
    apps: apps.folders,
    onChange: () => writeState(dataDir, { databases, processes }),
  });
  host.add(options.keptLog);
  host.add(timed('Database server', databases, screen));
  const provisioning: Component = {
    name: 'provisioning',
    async start() {
      // The database server has made sure that the directory is ours alone.
      forgetFaults(dataDir);
      urls = await databases.provision();
    },
  };
  host.add(timed('Databases and roles', provisioning, screen));
  const control = createControlServer({
    path: socketPath(dataDir),
    operations: processes,
    status: async () => ({
      ...{ ok: true, topology: topology.name, pid: process.pid, dataDir, urls: processes.urls() },
      upMs: Math.round(world.clock.monotonicMs() - startedMs),
      database: databaseOf(databases),
      instances: await processes.instances(),
    }),
  });
  host.add(control);
  host.add(apps.component);
  host.add(timed(`Services, ${topology.name}`, processes, screen));
  return { host, databases, processes };
}

const databaseOf = (databases: Databases): { readonly pid?: number } => {
  const pid = databases.pid();
  return pid === undefined ? {} : { pid };
};

/** Made while the database starts. The sources run as well, only slower to start. */
function bundleProcesses({ log }: World): Promise<string | undefined> {
  return bundledEntry('process').catch((error: Error) => {
    log.warn('processes load from their sources', { why: error.message });
    return undefined;
  });
}

/** Built while the database starts. A shop whose pages can't be built still takes orders, so that is only said. */
function createApps(wanted: boolean, screen: Screen) {
  let folders: readonly string[] | undefined;
  const unbuilt = (error: Error): BuiltApps => ({ folders: [], failures: [error.message] });
  const building = wanted ? buildApps().catch(unbuilt) : undefined;
  const component: Component = {
    name: 'web apps',
    async start() {
      if (!building) return;
      const built = await screen.step('Web apps', () => building);
      folders = built.folders;
      for (const failure of built.failures) screen.say(`! Not served, because it could not be built: ${failure}`);
    },
  };
  return { component, folders: () => folders };
}

function timed(title: string, component: Component, screen: Screen): Component {
  return { ...component, start: () => screen.step(title, async () => component.start?.()) };
}

/** For people and tools that want to know who runs: kept current as processes come and go. */
function writeState(dataDir: string, { databases, processes }: Pick<Running, 'databases' | 'processes'>): void {
  const state = {
    pid: process.pid,
    urls: processes.urls(),
    database: { pid: databases.pid() },
    processes: processes.list(),
  };
  try {
    writeFileSync(join(dataDir, 'running.json'), `${JSON.stringify(state, null, 2)}\n`);
  } catch {
    // Information only: a full disk shows itself where it matters.
  }
}

function announce(running: Running, screen: Screen, dataDir: string, tookMs: number): void {
  const { processes, databases } = running;
  writeState(dataDir, running);
  const urls = processes.urls();
  screen.result({
    ok: true,
    urls,
    pid: process.pid,
    dataDir,
    database: { pid: databases.pid() },
    processes: processes.list(),
    startedInMs: Math.round(tookMs),
  });
  screen.say(`\nHoldfast is up in ${(tookMs / 1000).toFixed(1)} s. Data: ${dataDir}`);
  for (const line of inColumns(Object.entries(urls), 2)) screen.say(`  ${line}`);
  if (urls['edge'] !== undefined) {
    const trust = trustFile(dataDir);
    if (existsSync(trust)) {
      screen.say(
        `\nThe certificate of ${urls['edge']} is from an authority of this machine alone: trust ${trust}\nin your browser (it is for no other names), or: curl --cacert ${trust} ${urls['edge']}/products`,
      );
    }
  }
  const demo = processes.demo();
  if (demo) screen.say(`\nTry it:\n\n  ${demo.replaceAll('\n', '\n  ')}\n`);
  screen.say('Ctrl-C stops everything.');
}

/** A signal that comes twice within this is one: npm passes Ctrl-C on to a process that the terminal told already. */
const sameSignalMs = 1_000;

/** Resolves at the first signal, or when the launcher has gone. A later signal ends the process at once. */
function untilAsked(world: World, screen: Screen): Promise<void> {
  return new Promise((resolve) => {
    let firstMs: number | undefined;
    const ask = (who: string) => {
      const nowMs = world.clock.monotonicMs();
      if (firstMs === undefined) {
        firstMs = nowMs;
        stopWatching();
        screen.say(`\nStopping (${who}): finishing what is under way; once more to leave at once.`);
        resolve();
      } else if (nowMs - firstMs > sameSignalMs) {
        process.exit(exitCodes.internal);
      }
    };
    const stopWatching = watchLauncher(world.timers, (who) => {
      if (firstMs === undefined) ask(`${who} has gone`);
    });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ask(signal));
  });
}
