import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { treeOf } from '../os.ts';
import { databaseServer } from '../wiring.ts';
import { drawBetween, type Fault } from './fault.ts';
import { serverPid } from './postgres.ts';

export const fileLimit: Fault = {
  name: 'file-limit',
  class: 'disk',
  does: 'lets no file of the database server be written beyond a size, its log of changes least of all, as on a bad disk',
  durationMs: [1_500, 4_000],
  targets: () => [databaseServer],
  missing: () => (spawnSync('prlimit', ['--version']).status === 0 ? undefined : 'prlimit is not there (util-linux)'),
  async inject(rig, _target, random) {
    const limitBytes = drawBetween(random, 8, 256) * 1024;
    const failures = countInLog(rig.dataDir, /File too large/g);
    const limited = new Set<number>();
    const limitNew = () => {
      const pid = rig.postgres.pid();
      if (pid === undefined || limited.has(pid)) return;
      limited.add(pid);
      for (const each of treeOf(pid)) setLimit(each, String(limitBytes));
    };
    await serverPid(rig);
    limitNew();
    return {
      detail: `${limitBytes / 1024} KiB`,
      effects() {
        const seen = failures();
        // Another fault may have ended the server that was limited before it wrote anything.
        if (seen === 0) limitNew();
        return seen;
      },
      heal() {
        // Whoever was started by one that was limited is limited too.
        for (const each of [...limited].flatMap(treeOf)) setLimit(each, 'unlimited');
      },
    };
  },
};

/**
 * The soft limit only, so that it can be raised again without privileges. Set as the server's own account: another's
 * limits are out of reach even for root in a container. A process that has ended needs none.
 */
function setLimit(pid: number, bytes: string): void {
  const owner = ownerOf(pid);
  if (!owner) return;
  const { status, stderr } = spawnSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`], owner);
  if (status !== 0 && ownerOf(pid)) throw new Error(`the limit of process ${pid} can't be set: ${stderr}`);
}

function ownerOf(pid: number): { uid?: number; gid?: number } | undefined {
  try {
    const { uid, gid } = statSync(`/proc/${pid}`);
    return uid === process.getuid?.() ? {} : { uid, gid };
  } catch {
    return undefined;
  }
}

/** How often the database server has said something since. */
export function countInLog(dataDir: string, what: RegExp): () => number {
  const count = () => {
    try {
      return readFileSync(join(dataDir, 'postgres', 'log'), 'utf8').match(what)?.length ?? 0;
    } catch {
      return 0;
    }
  };
  const before = count();
  return () => Math.max(0, count() - before);
}
