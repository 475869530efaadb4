import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { type Logger, systemWorld } from '#kit/runtime';
import { serverAccount } from './account.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres, volatileSettings } from './index.ts';
import { stopOrphans } from './orphans.ts';
import { identify, isAlive } from './process-identity.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
const world = systemWorld(silent);
const folderPrefix = 'holdfast-test-';

/**
 * Vitest's global set-up: answers on a socket with the URL of a server that the first question starts, so that a run
 * of unit tests alone costs nothing. Each vitest run has its own.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeLeftovers();
  const own = identify(process.pid);
  const folder = mkdtempSync(join(tmpdir(), `${folderPrefix}${own?.pid}-${own?.start}-`));
  // The server's account has to pass through.
  chmodSync(folder, 0o711);
  let running: Promise<EmbeddedPostgres> | undefined;

  async function answer(socket: Socket): Promise<void> {
    socket.on('error', () => {});
    try {
      const given = process.env['HOLDFAST_TEST_POSTGRES_URL'];
      if (!given) running ??= startTestServer(join(folder, 'data'));
      socket.end(JSON.stringify({ adminUrl: given || (await running)?.adminUrl }));
    } catch (error) {
      socket.end(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }));
    }
  }

  const door = createServer(answer);
  const socketPath = join(folder, 'door');
  await new Promise<void>((resolve) => door.listen(socketPath, resolve));
  project.provide('testPostgresSocket', socketPath);

  return async () => {
    door.close();
    await running?.then((server) => server.stop()).catch(() => {});
    rmSync(folder, { recursive: true, force: true });
  };
}

function startTestServer(dataDir: string): Promise<EmbeddedPostgres> {
  const durable = process.env['HOLDFAST_TEST_POSTGRES_FSYNC'] === 'on';
  return startEmbeddedPostgres({ dataDir, world, ...(durable ? {} : { settings: volatileSettings }) });
}

/** A run that was killed leaves its server and its folder; the next run clears up after it. */
async function removeLeftovers(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const [, pid, start] = /^holdfast-test-(\d+)-(.+)-[^-]+$/.exec(name) ?? [];
    if (pid === undefined || start === undefined || isAlive({ pid: Number(pid), start })) continue;
    const folder = join(tmpdir(), name);
    const cluster = join(folder, 'data', 'postgres', 'cluster');
    try {
      if (existsSync(cluster)) await stopOrphans(cluster, serverAccount(), world.timers, silent);
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // Another user's, or another run is clearing it at the same time.
    }
  }
}
