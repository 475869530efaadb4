import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { World } from '#kit/runtime';
import { findFreePort } from '#kit/store/embedded';
import { type AdminAccount, readAdminAccount } from '../../cli/admin.ts';
import { bundledEntry } from '../../cli/bundle/index.ts';
import { createDatabases } from '../../cli/database.ts';
import { createDoors, type Doors } from '../../cli/doors.ts';
import { startInOrder } from '../../cli/fleet.ts';
import { planProcesses } from '../../cli/plan.ts';
import type { ServicesConfig } from '../../cli/services.ts';
import { type SupervisedProcess, superviseProcess } from '../../cli/supervisor.ts';
import type { ServiceName, Topology } from '../../cli/topology.ts';
import { type MailServer, startMailServer } from '../../services/notifications/testing.ts';
import { createCredentials, createLabAuthority, type LabAuthority } from './credentials.ts';
import { openSources, urlsOf } from './data-sources.ts';
import type { Sources } from './evidence.ts';
import type { Fault } from './faults/fault.ts';
import { createProviderControl, type ProviderControl } from './provider-control.ts';
import type { LabConfig } from './seams.ts';
import { createWays, type Ways } from './ways.ts';
import { clients, type Detours, databaseServer, entranceOf, rewire, wayName, waysOf } from './wiring.ts';

/** A topology of real processes on a data directory of its own, with everything that faults take hold of. */
export interface Rig {
  readonly world: World;
  readonly dataDir: string;
  /** Where clients knock: a proxy before whatever stands first. */
  readonly origin: string;
  readonly processes: ReadonlyMap<string, RigProcess>;
  /** Where `faketime` is told the time of a process or of the database server. */
  readonly timeFileOf: (target: string) => string;
  readonly ways: Ways;
  readonly authority: LabAuthority;
  readonly provider: ProviderControl;
  readonly admin: AdminAccount;
  readonly mails: MailServer;
  readonly sources: Sources;
  readonly postgres: {
    /** Of the server's first process; undefined while it is down. */
    pid(): number | undefined;
    /** The superuser's URL, past all proxies. */
    readonly adminUrl: string;
    urlOf(service: string): string;
  };
  /** Resolves when every process serves. Throws after `patienceMs`. */
  allUp(patienceMs: number): Promise<void>;
  stop(): Promise<void>;
}

export interface RigProcess extends SupervisedProcess {
  readonly services: readonly ServiceName[];
  readonly clockFile: string;
  readonly readingsFile: string;
}

export interface RigOptions {
  readonly topology: Topology;
  readonly seed: number;
  readonly world: World;
  /** What they need is prepared. */
  readonly faults: readonly Fault[];
  /** Planted in every process. */
  readonly bug?: string;
}

const childSource = fileURLToPath(new URL('./child.ts', import.meta.url));
const lookEveryMs = 50;
/** Quicker than production, so that a short run sees a recovery and what comes after it. */
const recovery = { breakerOpenMs: 1_000, sagaLeaseMs: 2_000 };

export async function startRig(options: RigOptions): Promise<Rig> {
  const undo: (() => unknown)[] = [];
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-chaos-'));
  try {
    return await build(options, dataDir, undo);
  } catch (error) {
    await unwind(undo);
    removeDataDir({ dataDir });
    throw error;
  }
}

/** Everything that was started is stopped, the last first, whatever fails on the way. */
async function unwind(undo: (() => unknown)[]): Promise<void> {
  for (const step of undo.splice(0).toReversed()) {
    try {
      await step();
    } catch {
      // What can't be stopped must not keep the rest running.
    }
  }
}

async function build(
  { seed, world, bug, faults, ...options }: RigOptions,
  dataDir: string,
  undo: (() => unknown)[],
): Promise<Rig> {
  chmodSync(dataDir, 0o711);
  const mails = await startMailServer();
  undo.push(() => mails.close());
  const mail = { url: `smtp://127.0.0.1:${mails.port}`, from: 'Shop <orders@shop.example>' };
  const topology: Topology = { ...options.topology, mail };
  const lab = join(dataDir, 'lab');
  mkdirSync(lab, { recursive: true });
  const timeFileOf = (target: string) => join(lab, `${target}.time`);
  const environmentOf = (target: string) =>
    Object.assign({}, ...faults.map((fault) => fault.environment?.(timeFileOf(target)) ?? {}));
  prepare(faults, dataDir, 'empty', undo);
  if (faults.some((fault) => fault.prepare)) await prepareMade(faults, { topology, dataDir, world }, undo);
  // Made while the database starts. The sources run as well, only slower to start.
  const bundled = bundledEntry('chaos').catch(() => childSource);
  const environment = environmentOf(databaseServer);
  const databases = createDatabases({ topology, dataDir, world, environment });
  await databases.start?.();
  undo.push(() => databases.stop?.());
  const urls = await databases.provision();
  const door = { host: '127.0.0.1', port: await findFreePort() };
  const plans = await planProcesses({
    ...{ topology, world, dataDir, public: door, databases: () => urls, onChange() {} },
    // Where an edge asks what to forget.
    ...(topology.isOneProcess ? {} : { internalDoor: { host: '127.0.0.1', port: await findFreePort() } }),
  });
  // In one process the provider would be called by function: it gets a door of its own here too, to be told of faults.
  const sandbox = plans[0]?.sandbox ?? { host: '127.0.0.1', port: await findFreePort() };
  const configs = plans.map((plan) => ({ ...plan, sandbox, recovery }));

  const ways = createWays(waysOf(configs), seed, world, createCredentials(configs, dataDir, world));
  undo.push(() => ways.close());
  const names = new Set(ways.all.map(({ name }) => name));
  const port = await ways.open(wayName(clients, entranceOf(configs)), door);
  const authority = createLabAuthority(dataDir, world);
  const doors = createDoors();
  undo.push(() => doors.close());
  const processes = new Map<string, RigProcess>();
  const entry = await bundled;
  for (const plan of configs) {
    const { config: rewired, detours } = await rewire(plan, configs, names, ways.open);
    const config = withLab(rewired, detours, lab, bug);
    const surroundings = { entry, lab, world, doors, authority, environment: environmentOf(config.process) };
    processes.set(config.process, supervise(config, surroundings, undo));
  }
  undo.push(async () => {
    // Whoever knocks from now on is refused, as nobody would answer.
    doors.close();
    const alike = Map.groupBy(processes.values(), ({ services }) => services.join());
    for (const group of [...alike.values()].toReversed()) await Promise.all(group.map((process) => process.stop()));
  });
  await startInOrder([...processes.values()]);

  const { sources, close } = openSources(urls, dataDir, world);
  undo.push(close);
  const admin = readAdminAccount(dataDir, world.random);
  const direct = urlsOf(dataDir, world);
  if (!admin || !direct) throw new Error(`${dataDir} lacks what a start leaves there`);
  const provider = createProviderControl({ ...sandbox, key: plans[0]?.secrets.sandboxKey ?? '' }, world);
  return {
    world,
    dataDir,
    origin: `http://127.0.0.1:${port}`,
    timeFileOf,
    processes,
    ways,
    authority,
    provider,
    admin,
    mails,
    sources,
    postgres: {
      pid: databases.pid,
      adminUrl: direct('postgres', 'postgres'),
      urlOf: (service) => urls[service] ?? '',
    },
    async allUp(patienceMs) {
      const untilMs = world.clock.monotonicMs() + patienceMs;
      for (;;) {
        const down = [...processes.values()].filter((process) => process.down() !== undefined);
        if (down.length === 0) return;
        if (world.clock.monotonicMs() > untilMs) {
          throw new Error(down.map((process) => `${process.name}: ${process.down()}`).join('; '));
        }
        await world.timers.sleep(lookEveryMs);
      }
    },
    stop: () => unwind(undo),
  };
}

function prepare(faults: readonly Fault[], dataDir: string, stage: 'empty' | 'made', undo: (() => unknown)[]): void {
  for (const fault of faults) {
    const back = fault.prepare?.(dataDir, stage);
    if (back) undo.push(back);
  }
}

/** Makes the database first, for what can be prepared only with it and while it stands still. */
async function prepareMade(
  faults: readonly Fault[],
  options: Parameters<typeof createDatabases>[0],
  undo: (() => unknown)[],
): Promise<void> {
  const databases = createDatabases(options);
  await databases.start?.();
  await databases.stop?.();
  prepare(faults, options.dataDir, 'made', undo);
}

function withLab(config: ServicesConfig, detours: Detours, lab: string, bug: string | undefined): LabConfig {
  const file = (what: string) => join(lab, `${config.process}.${what}`);
  return {
    ...config,
    lab: { detours, clockFile: file('clock'), readingsFile: file('readings'), ...(bug === undefined ? {} : { bug }) },
  };
}

interface Surroundings {
  /** The program of the processes. */
  readonly entry: string;
  readonly lab: string;
  readonly world: World;
  readonly doors: Doors;
  readonly authority: LabAuthority;
  readonly environment: Readonly<Record<string, string>>;
}

function supervise(
  config: LabConfig,
  { lab, authority, ...surroundings }: Surroundings,
  undo: (() => unknown)[],
): RigProcess {
  const output = openSync(join(lab, `${config.process}.log`), 'a');
  undo.push(() => closeSync(output));
  const process = superviseProcess({ ...surroundings, config, output, issue: authority.issue });
  const { clockFile, readingsFile } = config.lab;
  // Its pid and restarts change, so they are asked for each time.
  return Object.create(process, {
    services: { value: config.services },
    clockFile: { value: clockFile },
    readingsFile: { value: readingsFile },
  }) as RigProcess;
}

/** After a run that had nothing to show. */
export function removeDataDir(rig: Pick<Rig, 'dataDir'>): void {
  rmSync(rig.dataDir, { recursive: true, force: true });
}
