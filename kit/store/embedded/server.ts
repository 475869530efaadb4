import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock, Logger, Random, Timers } from '#kit/runtime';
import { type Account, serverAccount, serverEnvironment } from './account.ts';
import { type Binaries, findBinaries } from './binaries.ts';
import { type BoundedLog, openBoundedLog } from './bounded-log.ts';
import { ensureCluster, superuser } from './cluster.ts';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { EmbeddedPostgresError } from './errors.ts';
import { diskFull, type Folders, giveFolder, prepareFolders } from './folders.ts';
import { stopOrphans } from './orphans.ts';
import { findFreePort, isPortFree, loopback, portInUse } from './port.ts';
import { closePublicDoors } from './provision.ts';
import { openSecrets, type Secrets } from './secrets.ts';
import { defaultSettings, type Settings, settingArguments } from './settings.ts';

export interface EmbeddedPostgresOptions {
  /** Everything the server keeps lies below; made when it is not there. */
  readonly dataDir: string;
  readonly world: { readonly timers: Timers; readonly clock: Clock; readonly random: Random; readonly log: Logger };
  /** Default: the port of the last start if it is free, else any free one. */
  readonly port?: number;
  /** Added to, and winning over, `defaultSettings()`. */
  readonly settings?: Settings;
  /** Added to the environment of the server, for those who test under faults. Default: nothing. */
  readonly environment?: Readonly<Record<string, string>>;
  /** How long crash recovery may take before the start counts as failed. Default 120,000 ms. */
  readonly startTimeoutMs?: number;
  /** How long to wait for another copy to leave the data directory before refusing. Default 3,000 ms. */
  readonly lockPatienceMs?: number;
  /** Called once when the server ends without having been asked to. */
  readonly onCrash?: (how: string) => void;
}

export interface EmbeddedPostgres {
  readonly port: number;
  readonly host: string;
  /** Where its unix socket is: about a tenth faster than TCP, for clients on this machine. */
  readonly socketDirectory: string;
  /** URL of the superuser, with its password: for provisioning, never for a service. */
  readonly adminUrl: string;
  readonly pid: number;
  readonly secrets: Secrets;
  /** URL of a role that was provisioned here. */
  urlFor(database: string, role: string): string;
  /** Ends all sessions, writes a checkpoint, stops. Safe to call twice. */
  stop(): Promise<void>;
}

const startAttemptsMax = 5;

/**
 * Starts the PostgreSQL server of the npm package on a data directory: makes the cluster at first, recovers after a
 * crash, stops a server that outlived a killed starter, and refuses when another copy runs on the same data.
 * Throws `EmbeddedPostgresError`.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { dataDir, world } = options;
  const account = serverAccount();
  const binaries = findBinaries({ account });
  const folders = prepareFolders(dataDir, account);
  const lock = await lockDirectory(folders.root, world.timers, options.lockPatienceMs);
  try {
    const secrets = openSecrets(folders.secrets, world.random);
    const password = secrets.ensure(`role:${superuser}`);
    await stopOrphans(folders.cluster, account, world.timers, world.log);
    ensureCluster(folders, account, binaries, password);
    return await startOnSomePort({ ...options, account, binaries, folders, lock, secrets });
  } catch (error) {
    lock.release();
    throw error;
  }
}

interface Prepared extends EmbeddedPostgresOptions {
  readonly account: Account;
  readonly binaries: Binaries;
  readonly folders: Folders;
  readonly lock: DirectoryLock;
  readonly secrets: Secrets;
}

async function startOnSomePort(prepared: Prepared): Promise<EmbeddedPostgres> {
  const { folders } = prepared;
  if (prepared.port !== undefined && !(await isPortFree(prepared.port))) throw portInUse(prepared.port);
  const last = readState(folders.state);
  if (last.socketDirectory !== undefined && last.socketDirectory !== folders.run) {
    rmSync(last.socketDirectory, { recursive: true, force: true });
  }
  for (let attempt = 1; ; attempt++) {
    const remembered =
      attempt === 1 && last.port !== undefined && (await isPortFree(last.port)) ? last.port : undefined;
    const port = prepared.port ?? remembered ?? (await findFreePort());
    try {
      return await startOn(port, prepared);
    } catch (error) {
      // Between our look and the server's own bind somebody else took the port.
      const lostRace = error instanceof EmbeddedPostgresError && error.code === 'port-in-use';
      if (!lostRace || prepared.port !== undefined || attempt >= startAttemptsMax) throw error;
    }
  }
}

async function startOn(port: number, prepared: Prepared): Promise<EmbeddedPostgres> {
  const { account, binaries, folders, lock, secrets, world } = prepared;
  const socketDirectory = chooseSocketDirectory(folders, account, port);
  const log = openBoundedLog(folders.log);
  const settings: Settings = {
    ...defaultSettings(),
    ...prepared.settings,
    port,
    unix_socket_directories: socketDirectory,
  };
  const child = spawn(binaries.postgres, ['-D', folders.cluster, ...settingArguments(settings)], {
    ...account.ids,
    cwd: '/',
    env: { ...serverEnvironment, ...prepared.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own: Ctrl-C in a terminal must reach the services first, who still need the database.
    detached: true,
  });
  child.stdout.setEncoding('utf8').on('data', log.write);
  const exited = exitOf(child);
  try {
    await untilReady(child, exited, log, prepared, port);
    writeFileSync(folders.state, `${JSON.stringify({ port, socketDirectory })}\n`);
  } catch (error) {
    child.kill('SIGQUIT');
    await exited;
    log.close();
    throw error;
  }

  const urlOf = (role: string, database: string): string =>
    `postgres://${role}:${knownSecret(secrets, role)}@${loopback}:${port}/${database}`;
  const adminUrl = urlOf(superuser, 'postgres');
  let stopping: Promise<void> | undefined;

  async function stop(): Promise<void> {
    await endServer(child, exited, world.timers);
    if (socketDirectory !== folders.run) rmSync(socketDirectory, { recursive: true, force: true });
    log.close();
    lock.release();
  }

  exited.then((how) => {
    if (!stopping) prepared.onCrash?.(`${how}; ${log.tail().at(-1) ?? 'nothing was logged'}`);
  });
  try {
    await closePublicDoors(adminUrl);
  } catch (error) {
    stopping = stop();
    await stopping;
    throw error;
  }
  return {
    port,
    host: loopback,
    socketDirectory,
    adminUrl,
    pid: child.pid as number,
    secrets,
    urlFor: (database, role) => urlOf(role, database),
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

function knownSecret(secrets: Secrets, role: string): string {
  const secret = secrets.get(`role:${role}`);
  if (secret === undefined) throw new Error(`urlFor: role ${role} was not provisioned on this server`);
  return secret;
}

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ? `ended by ${signal}` : `ended with code ${code}`));
  });
}

/** The server says when it is ready, which after a crash is when recovery has ended. */
async function untilReady(
  child: ChildProcess,
  exited: Promise<string>,
  log: BoundedLog,
  prepared: Prepared,
  port: number,
): Promise<void> {
  const { folders, startTimeoutMs = 120_000 } = prepared;
  const patience = new AbortController();
  const ready = new Promise<undefined>((resolve) => {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log.write(text);
      if (text.includes('ready to accept connections')) resolve(undefined);
    });
  });
  const late = prepared.world.timers.sleep(startTimeoutMs, patience.signal).then(
    () => `not ready after ${startTimeoutMs} ms`,
    () => undefined,
  );
  const failure = await Promise.race([ready, exited, late]);
  patience.abort();
  if (failure !== undefined) throw startFailure(failure, log, folders, port);
}

function startFailure(how: string, log: BoundedLog, folders: Folders, port: number): EmbeddedPostgresError {
  const said = log.tail().join('\n');
  if (/No space left on device/.test(said)) return diskFull(folders.root);
  if (/could not bind .*Address already in use/s.test(said)) return portInUse(port);
  const fatal = said.match(/(?:FATAL|PANIC|ERROR): .*/g)?.at(-1) ?? log.tail().at(-1) ?? '';
  return new EmbeddedPostgresError(
    'start-failed',
    `The database server did not start (${how}): ${fatal} — see ${folders.log}.`,
  );
}

/** Fast shutdown; when that hangs, at once, which the next start recovers from. */
async function endServer(child: ChildProcess, exited: Promise<string>, timers: Timers): Promise<void> {
  for (const [signal, patienceMs] of [
    ['SIGINT', 20_000],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ] as const) {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    const patience = new AbortController();
    await Promise.race([exited, timers.sleep(patienceMs, patience.signal).catch(() => {})]);
    patience.abort();
  }
}

/** A socket's path may have 107 bytes; deep data directories get a short one in the system's temporary folder. */
function chooseSocketDirectory(folders: Folders, account: Account, port: number): string {
  const socketPathBytesMax = 107;
  const path = join(folders.run, `.s.PGSQL.${port}.lock`);
  // The setting is a list, so a comma or quote in a path would need quoting that differs between versions.
  if (Buffer.byteLength(path) <= socketPathBytesMax && !/[,"]/.test(path)) return folders.run;
  const short = mkdtempSync(join(tmpdir(), 'hf-'));
  giveFolder(short, account);
  return short;
}

function readState(path: string): { port?: number; socketDirectory?: string } {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return {};
  }
}
