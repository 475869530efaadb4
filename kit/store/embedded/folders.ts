import { chmodSync, chownSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Account, canWrite } from './account.ts';
import { EmbeddedPostgresError, systemCode } from './errors.ts';

/**
 *     <dataDir>/
 *       lock/            who runs on this directory
 *       secrets.json     generated passwords, 0600
 *       postgres/
 *         cluster/       the database cluster (PGDATA), owned by the server's account
 *         run/           its unix socket
 *         server.json    the port it was given
 *         log            what the server says, bounded
 */
export interface Folders {
  readonly root: string;
  readonly secrets: string;
  readonly cluster: string;
  readonly newCluster: string;
  readonly run: string;
  readonly state: string;
  readonly log: string;
}

/** Makes the folders, and makes sure by trying that the server's account can write where it has to. */
export function prepareFolders(dataDir: string, account: Account): Folders {
  const made = makeFolders(dataDir, account);
  const probe = canWrite(account, made.run);
  if (probe.ok) return made;
  if (/space/i.test(probe.output)) throw diskFull(dataDir);
  throw new EmbeddedPostgresError(
    'data-dir-unreachable',
    `The database server runs as "${account.name}" and can't get to ${dataDir} (${probe.output}): ` +
      'choose a data directory below folders that everyone may enter, for example /var/lib/holdfast, or start as another user.',
  );
}

function makeFolders(dataDir: string, account: Account): Folders {
  try {
    makeFolder(dataDir);
    const root = realpathSync(dataDir);
    const postgres = join(root, 'postgres');
    makeFolder(postgres);
    const run = join(postgres, 'run');
    giveFolder(run, account);
    return {
      root,
      secrets: join(root, 'secrets.json'),
      cluster: join(postgres, 'cluster'),
      newCluster: join(postgres, 'cluster.new'),
      run,
      state: join(postgres, 'server.json'),
      log: join(postgres, 'log'),
    };
  } catch (cause) {
    const code = systemCode(cause);
    if (code === 'ENOSPC' || code === 'EDQUOT') throw diskFull(dataDir, cause);
    if (code === 'EEXIST' || code === 'ENOTDIR') {
      const sentence = `The data directory ${dataDir} can't be made (${code}): a file is in its place or on its way; move that file, or choose another one.`;
      throw new EmbeddedPostgresError('data-dir-unwritable', sentence, { cause });
    }
    throw new EmbeddedPostgresError(
      'data-dir-unwritable',
      `The data directory ${dataDir} can't be written (${code}): make it writable for this user, or choose another one.`,
      { cause },
    );
  }
}

/** Others may pass through (the server's account has to) but not look; so also what is made on the way. */
function makeFolder(folder: string): void {
  const first = mkdirSync(resolve(folder), { recursive: true });
  if (first === undefined) return;
  for (let made = resolve(folder); made.length >= first.length; made = dirname(made)) chmodSync(made, 0o711);
}

/** A folder that belongs to the server's account, closed to everyone else. */
export function giveFolder(folder: string, account: Account): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (account.ids) chownSync(folder, account.ids.uid, account.ids.gid);
}

/** Told by a start that ends, and by a server that is started again until there is room: neither is told to do the other's part. */
export function diskFull(path: string, cause?: unknown): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'disk-full',
    `The disk that holds ${path} is full: free some space (a new database needs about 100 MB).`,
    { cause },
  );
}
