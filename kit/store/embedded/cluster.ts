import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Account, runAs } from './account.ts';
import type { Binaries } from './binaries.ts';
import { EmbeddedPostgresError } from './errors.ts';
import { diskFull, type Folders, giveFolder } from './folders.ts';

export const superuser = 'postgres';

/**
 * Initialises the cluster unless there is one. It is made beside its place and renamed, so that an interrupted initdb
 * leaves nothing that looks like a cluster.
 *
 * No prepared template is kept: initdb without its sync takes 0.65 s here, copying a template 0.35–0.55 s, and a
 * template would have to be kept in step with the binaries.
 */
export function ensureCluster(folders: Folders, account: Account, binaries: Binaries, password: string): void {
  if (existsSync(join(folders.cluster, 'PG_VERSION'))) {
    checkVersion(folders.cluster, binaries);
    return;
  }
  rmSync(folders.newCluster, { recursive: true, force: true });
  giveFolder(folders.newCluster, account);
  const passwordFile = join(folders.run, 'initial-password');
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  try {
    if (account.ids) chownSync(passwordFile, account.ids.uid, account.ids.gid);
    const outcome = runAs(account, binaries.initdb, [
      `--pgdata=${folders.newCluster}`,
      `--username=${superuser}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // Sorting by code point, built in: the same order on every machine, whatever locales it has.
      '--locale-provider=builtin',
      '--locale=C.UTF-8',
      '--data-checksums',
      // The first start writes a checkpoint with sync; until then there is nothing to lose.
      '--no-sync',
    ]);
    if (!outcome.ok) throw initFailed(folders, outcome.output);
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(folders.newCluster, folders.cluster);
}

function initFailed(folders: Folders, output: string): Error {
  rmSync(folders.newCluster, { recursive: true, force: true });
  if (/No space left on device/.test(output)) return diskFull(folders.root);
  return new EmbeddedPostgresError(
    'start-failed',
    `A database could not be created in ${folders.root}: ${output.split('\n').slice(-3).join(' ')}`,
  );
}

function checkVersion(cluster: string, binaries: Binaries): void {
  const made = readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim();
  const have = /\d+/.exec(binaries.version)?.[0];
  if (have === undefined || made === have) return;
  throw new EmbeddedPostgresError(
    'server-version',
    `The data in ${cluster} was written by PostgreSQL ${made} and the binaries here are ${have}: ` +
      'start it with the release that wrote it and move the data with a dump, or choose another data directory.',
  );
}
