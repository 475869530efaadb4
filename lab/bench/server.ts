import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type Logger, systemRandom, systemWorld, type World } from '#kit/runtime';
import { provisionDatabase, type Settings, startEmbeddedPostgres } from '#kit/store/embedded';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
export const benchWorld: World = systemWorld(quiet);

export interface BenchServer {
  readonly dataDir: string;
  /** Process of the server: its own and those of its connections are its children. */
  readonly pid: number;
  /** URL of each database, as its own role. */
  readonly urls: Readonly<Record<string, string>>;
  /** Asks as the superuser, in one of the databases. */
  ask<Row extends object>(database: string, sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** So that all contestants begin with the same write-ahead log and statistics: nothing is due, plans know the sizes. */
  vacuum(): Promise<void>;
  checkpoint(): Promise<void>;
  stop(): Promise<void>;
}

const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The embedded server with the settings it ships with, on a folder that is removed at the end. */
export async function startBenchServer(databases: readonly string[], settings: Settings = {}): Promise<BenchServer> {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  // The server may run as another user than this process.
  chmodSync(dataDir, 0o711);
  const server = await startEmbeddedPostgres({ dataDir, world: benchWorld, settings });
  const urls: Record<string, string> = {};
  for (const name of databases) {
    const database = `holdfast_${name}`;
    const { adminUrl: admin, secrets } = server;
    urls[name] = await provisionDatabase({ admin, database, role: database, secrets, random: systemRandom });
  }

  /** Kept open: signing in takes longer than most questions. */
  const connections = new Map<string, pg.Pool>();

  function connectionTo(database: string): pg.Pool {
    const known = connections.get(database);
    if (known) return known;
    const url = new URL(server.adminUrl);
    if (database !== 'postgres') url.pathname = `/holdfast_${database}`;
    const pool = new pg.Pool({ connectionString: url.href, max: 1, idleTimeoutMillis: 0 });
    // The server may end a connection that is being closed before it is closed.
    pool.on('error', () => {});
    connections.set(database, pool);
    return pool;
  }

  async function ask<Row extends object>(
    database: string,
    sql: string,
    values: readonly unknown[] = [],
  ): Promise<Row[]> {
    return (await connectionTo(database).query(sql, [...values])).rows as Row[];
  }

  async function stop(): Promise<void> {
    for (const signal of endSignals) process.removeListener(signal, interrupted);
    await Promise.all([...connections.values()].map((pool) => pool.end()));
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }

  /** The server outlives this process unless it is stopped: it is a process group of its own. */
  function interrupted(signal: NodeJS.Signals): void {
    void stop().finally(() => process.exit(128 + constants.signals[signal]));
  }
  for (const signal of endSignals) process.once(signal, interrupted);

  return {
    dataDir,
    pid: server.pid,
    urls,
    ask,
    async vacuum() {
      for (const name of databases) await ask(name, 'vacuum analyze');
    },
    async checkpoint() {
      await ask('postgres', 'checkpoint');
    },
    stop,
  };
}
