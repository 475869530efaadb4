import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { exitCodes, Failure } from './failure.ts';

const patienceMs = 3_000;
const lookEveryMs = 50;

/**
 * Makes sure that `port` can be listened on, and otherwise says who has it. Waits a moment first: a copy that
 * was told to stop, or whose parent was killed, is about to leave.
 */
export async function requireFreePort(host: string, port: number, option = '--port'): Promise<void> {
  let code: string | undefined;
  for (let waitedMs = 0; waitedMs <= patienceMs; waitedMs += lookEveryMs) {
    code = await tryListen(host, port);
    if (code === undefined) return;
    if (code !== 'EADDRINUSE') break;
    await sleep(lookEveryMs);
  }
  if (code === 'EACCES') {
    throw new Failure(
      exitCodes.unavailable,
      `Port ${port} is reserved for root: choose one above 1023 with ${option}.`,
    );
  }
  if (code !== 'EADDRINUSE') {
    throw new Failure(
      exitCodes.usage,
      `This machine can't listen on ${host} (${code}): give one of its addresses with --host.`,
    );
  }
  const pid = portOwner(port);
  const owner = pid === undefined ? 'by another program: stop it' : `by process ${pid}: stop it with "kill ${pid}"`;
  throw new Failure(exitCodes.unavailable, `Port ${port} is in use ${owner}, or choose another port with ${option}.`);
}

/** Whether `port` can be listened on at this moment. */
export async function isFreePort(host: string, port: number): Promise<boolean> {
  return port <= 65_535 && (await tryListen(host, port)) === undefined;
}

function tryListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** The process that listens on a TCP port, where /proc tells (Linux, and a process that this user may look at). */
export function portOwner(port: number): number | undefined {
  try {
    const sockets = new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listeningInodes(table, port)));
    return sockets.size === 0
      ? undefined
      : readdirSync('/proc')
          .map(Number)
          .find((pid) => pid > 0 && holds(pid, sockets));
  } catch {
    return undefined;
  }
}

/** Columns: slot, local address:port in hex, remote, state (0A = listen), …, the tenth is the socket's inode. */
function listeningInodes(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync(table, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[1]?.endsWith(suffix) && columns[3] === '0A')
    .map((columns) => `socket:[${columns[9]}]`);
}

function holds(pid: number, sockets: ReadonlySet<string>): boolean {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((descriptor) => {
      try {
        return sockets.has(readlinkSync(`${folder}/${descriptor}`));
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}
