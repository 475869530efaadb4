import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Timers } from '#kit/runtime';
import { EmbeddedPostgresError } from './errors.ts';
import { identify, isAlive, type ProcessIdentity } from './process-identity.ts';

/**
 * One living process at a time for a directory, without help of the kernel (Node has no flock) and without a lock
 * file whose stale owner two newcomers could both evict.
 *
 * Each process announces itself in a file of its own, named by pid and start, and only then looks at the others, so
 * of two that start together at least one sees the other. Files of dead processes mean nothing and are removed: the
 * name belongs to one process for ever, so a removal can't hit a living one. One that holds says so in a second file;
 * newcomers wait a while for it to leave. Among newcomers the lesser name stays and the others withdraw at once.
 */
export interface DirectoryLock {
  release(): void;
}

const lookEveryMs = 20;

/**
 * Throws `data-dir-in-use` when another living process has the directory and keeps it for `patienceMs`: one that has
 * just been told to stop needs a moment to finish its work.
 */
export async function lockDirectory(directory: string, timers: Timers, patienceMs = 3_000): Promise<DirectoryLock> {
  const locks = join(directory, 'lock');
  mkdirSync(locks, { recursive: true, mode: 0o700 });
  const own = identify(process.pid);
  if (!own) throw new Error('lockDirectory: this process has no identity');
  const name = `${own.pid}-${own.start}`;
  // The same process may not hold the directory twice either: `wx` refuses a second announcement.
  try {
    writeFileSync(join(locks, `${name}.claim`), '', { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw inUse(directory, own.pid);
    throw error;
  }
  const release = () => {
    rmSync(join(locks, `${name}.held`), { force: true });
    rmSync(join(locks, `${name}.claim`), { force: true });
  };

  try {
    for (let waitedMs = 0; ; waitedMs += lookEveryMs) {
      const others = livingOthers(locks, name);
      const first = others[0];
      if (!first) break;
      const rival = others.find((other) => !other.held && other.name < name);
      if (rival) throw inUse(directory, rival.identity.pid);
      if (waitedMs >= patienceMs) throw inUse(directory, first.identity.pid);
      await timers.sleep(lookEveryMs);
    }
    writeFileSync(join(locks, `${name}.held`), '');
  } catch (error) {
    release();
    throw error;
  }
  return { release };
}

interface Claim {
  readonly name: string;
  readonly identity: ProcessIdentity;
  readonly held: boolean;
}

function livingOthers(locks: string, ownName: string): Claim[] {
  const files = new Set(readdirSync(locks));
  const claims: Claim[] = [];
  for (const file of files) {
    const [, name, pid, start] = /^((\d+)-(.+))\.claim$/.exec(file) ?? [];
    if (name === undefined || pid === undefined || start === undefined || name === ownName) continue;
    const identity = { pid: Number(pid), start };
    if (isAlive(identity)) {
      claims.push({ name, identity, held: files.has(`${name}.held`) });
    } else {
      rmSync(join(locks, `${name}.held`), { force: true });
      rmSync(join(locks, `${name}.claim`), { force: true });
    }
  }
  return claims;
}

function inUse(directory: string, pid: number): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'data-dir-in-use',
    `Another copy (pid ${pid}) is running on ${directory}: stop it with "kill ${pid}", or choose another data directory.`,
  );
}
