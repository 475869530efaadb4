import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger, Timers } from '#kit/runtime';
import { type Account, runAs } from './account.ts';
import { EmbeddedPostgresError } from './errors.ts';
import { commandLine, identify, isAlive, type ProcessIdentity } from './process-identity.ts';

/**
 * After kill -9 of its starter a server lives on. It is stopped, not adopted: a stop costs a few hundred milliseconds
 * once, and an adopted server would have no log, no exit event and settings of another day.
 *
 * The caller holds the lock on the data directory, so nobody who is alive needs what is found here. Only processes
 * that are proven to work in this cluster are touched: never a pid because a file says so.
 */
export async function stopOrphans(cluster: string, account: Account, timers: Timers, log: Logger): Promise<void> {
  const pidFile = join(cluster, 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  // The signals of PostgreSQL: fast shutdown (sessions end, checkpoint), then at once (recovery at the next start).
  for (const [signal, patienceMs] of [
    ['SIGINT', 10_000],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ] as const) {
    const orphans = await serverProcesses(cluster, account);
    if (orphans.length === 0) break;
    log.info('stopping a server that outlived its starter', { pids: orphans.map(({ pid }) => pid), signal });
    signalAll(orphans, signal, postmasterPid(pidFile));
    await untilGone(orphans, patienceMs, timers);
  }
  const left = await serverProcesses(cluster, account);
  if (left.length > 0) {
    throw new EmbeddedPostgresError(
      'stop-failed',
      `A database server (pid ${left[0]?.pid}) still runs on ${cluster} and can't be stopped: end it and start again.`,
    );
  }
  // No process is attached, so the file only stands in the way: PostgreSQL would believe it when the pid has been
  // given to another process of the same account.
  rmSync(pidFile, { force: true });
}

/** Fast shutdown is for the postmaster, who tells its children; the harder signals are for each of them. */
function signalAll(orphans: readonly ProcessIdentity[], signal: NodeJS.Signals, postmaster: number | undefined): void {
  const hasPostmaster = orphans.some(({ pid }) => pid === postmaster);
  for (const orphan of orphans) {
    if (signal === 'SIGINT' && hasPostmaster && orphan.pid !== postmaster) continue;
    try {
      if (isAlive(orphan)) process.kill(orphan.pid, signal);
    } catch {
      // It went by itself.
    }
  }
}

async function untilGone(orphans: readonly ProcessIdentity[], patienceMs: number, timers: Timers): Promise<void> {
  const lookEveryMs = 20;
  for (let waitedMs = 0; waitedMs < patienceMs && orphans.some(isAlive); waitedMs += lookEveryMs) {
    await timers.sleep(lookEveryMs);
  }
}

function postmasterPid(pidFile: string): number | undefined {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Every process of the server that works in `cluster`. Where /proc tells working directories, by those: it finds
 * back ends whose postmaster has died, which is when two servers on one cluster would do harm.
 */
async function serverProcesses(cluster: string, account: Account): Promise<ProcessIdentity[]> {
  const pids =
    process.platform === 'linux' ? pidsWorkingIn(cluster, account) : [postmasterPid(join(cluster, 'postmaster.pid'))];
  return pids
    .filter((pid) => pid !== undefined && pid !== process.pid && isServer(pid))
    .map((pid) => identify(pid as number))
    .filter((identity) => identity !== undefined);
}

function isServer(pid: number): boolean {
  return /(^|\/)postgres(:| |$)/.test(commandLine(pid));
}

/** Asked as the server's account: reading another user's /proc/<pid>/cwd needs a capability that containers lack. */
function pidsWorkingIn(cluster: string, account: Account): number[] {
  const { output } = runAs(account, '/bin/sh', ['-c', 'ls -l /proc/[0-9]*/cwd 2>/dev/null']);
  return output
    .split('\n')
    .filter((line) => line.endsWith(` -> ${cluster}`))
    .map((line) => Number(/\/proc\/(\d+)\/cwd -> /.exec(line)?.[1]));
}
