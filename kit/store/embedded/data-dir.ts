import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { runAs, serverAccount } from './account.ts';

/**
 * The wanted data directory, or the fallback when the server's account can't get to the wanted one: root's home is
 * closed to `nobody`. Whether it can is tried, on the nearest folder that exists.
 */
export function chooseDataDir(wanted: string, fallback: string): { dataDir: string; why?: string } {
  const account = serverAccount();
  if (!account.ids) return { dataDir: resolve(wanted) };
  let nearest = resolve(wanted);
  while (!existsSync(nearest)) nearest = dirname(nearest);
  if (runAs(account, '/bin/sh', ['-c', 'cd "$1"', 'sh', nearest]).ok) return { dataDir: resolve(wanted) };
  const why = `PostgreSQL runs as "${account.name}", who may not enter ${nearest}, so the data goes to ${fallback}.`;
  return { dataDir: resolve(fallback), why };
}
