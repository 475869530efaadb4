import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Database, World } from '#kit/runtime';
import { createDatabase } from '#kit/store';
import { openSecrets } from '#kit/store/embedded';
import type { Sources } from './evidence.ts';
import { readLedgerFile } from './ledger-file.ts';

/** Where the embedded server of a data directory answers, as whom one likes. Undefined when it was never started. */
export function urlsOf(dataDir: string, world: World): ((database: string, role: string) => string) | undefined {
  let port: number;
  try {
    ({ port } = JSON.parse(readFileSync(join(dataDir, 'postgres', 'server.json'), 'utf8')) as { port: number });
  } catch {
    return undefined;
  }
  const secrets = openSecrets(join(dataDir, 'secrets.json'), world.random);
  return (database, role) => {
    const password = secrets.get(`role:${role}`);
    if (password === undefined) throw new Error(`${dataDir} has no password of the role ${role}`);
    return `postgres://${role}:${password}@127.0.0.1:${port}/${database}`;
  };
}

/** Pid that the server wrote down when it started; it may be gone. */
export function postmasterOf(dataDir: string): number | undefined {
  try {
    const [first] = readFileSync(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8').split('\n');
    return Number(first);
  } catch {
    return undefined;
  }
}

/** The databases that the checkers read. */
export const sourceNames = ['orders', 'inventory', 'payments', 'log', 'analytics', 'notifications'] as const;

/** Opens what the checkers read: the databases of services, and the provider's books on disk. */
export function openSources(
  urls: Readonly<Partial<Record<string, string>>>,
  dataDir: string,
  world: World,
): { readonly sources: Sources; close(): Promise<void> } {
  const pools = sourceNames.map((name): [string, Database] => {
    const url = urls[name];
    if (url === undefined) throw new Error(`there is no database of ${name}`);
    return [name, createDatabase({ url, name, ...world, connectionsMax: 2 })];
  });
  const of = Object.fromEntries(pools) as Record<(typeof sourceNames)[number], Database>;
  return {
    sources: { ...of, provider: () => readLedgerFile(join(dataDir, 'payment-sandbox', 'journal')) },
    async close() {
      await Promise.all(pools.map(([, pool]) => pool.close()));
    },
  };
}
