import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { freemem, tmpdir } from 'node:os';
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
const memoryFolder = '/dev/shm';

/**
 * Vitest's global set-up: answers on a socket with the URL of a server that the first question starts, so that a run
 * of unit tests alone costs nothing. Each vitest run has its own. It lies in the folder of the run, and so does whatever
 * tests make in `os.tmpdir()`.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  for (const place of new Set([tmpdir(), memoryFolder])) await removeLeftovers(place);
  const own = identify(process.pid);
  const folder = mkdtempSync(join(placeForTests(), `${folderPrefix}${own?.pid}-${own?.start}-`));
  // The server's account has to pass through.
  chmodSync(folder, 0o711);
  process.env['TMPDIR'] = join(folder, 't');
  mkdirSync(process.env['TMPDIR']);
  chmodSync(process.env['TMPDIR'], 0o1777);
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
  return startEmbeddedPostgres({ dataDir, world, ...(isDurable() ? {} : { settings: volatileSettings }) });
}

const gibibyte = 2 ** 30;
const roomMinBytes = 6 * gibibyte;
const memoryMinBytes = 10 * gibibyte;

/**
 * Memory where there is plenty. Servers of tests make and remove files by the ten thousand, and on a disk with ext4 whoever
 * makes one looks at all that were removed in the last minutes: a database took 0.25 s of processor time instead of 0.04. Whoever
 * names a folder, or wants the disk to be waited for, gets that.
 */
function placeForTests(): string {
  if (process.env['TMPDIR'] || isDurable() || !existsSync(memoryFolder)) return tmpdir();
  const { bavail, bsize } = statfsSync(memoryFolder);
  return bavail * bsize >= roomMinBytes && freemem() >= memoryMinBytes ? memoryFolder : tmpdir();
}

const isDurable = () => process.env['HOLDFAST_TEST_POSTGRES_FSYNC'] === 'on';

/** A run that was killed leaves its server and its folder; the next run clears up after it. */
async function removeLeftovers(place: string): Promise<void> {
  if (!existsSync(place)) return;
  for (const name of readdirSync(place)) {
    const [, pid, start] = /^holdfast-test-(\d+)-(.+)-[^-]+$/.exec(name) ?? [];
    if (pid === undefined || start === undefined || isAlive({ pid: Number(pid), start })) continue;
    const folder = join(place, name);
    const cluster = join(folder, 'data', 'postgres', 'cluster');
    try {
      if (existsSync(cluster)) await stopOrphans(cluster, serverAccount(), world.timers, silent);
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // Another user's, or another run is clearing it at the same time.
    }
  }
}
