import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from '#kit/runtime';
import { identify } from '#kit/store/embedded';
import { createDatabases } from '../../cli/database.ts';
import { exitCodes, Failure } from '../../cli/failure.ts';
import { loadTopology } from '../../cli/topology.ts';
import type { Violation } from '../checkers/index.ts';
import { checkWhenQuiet } from './checks.ts';
import { openSources, postmasterOf, sourceNames, urlsOf } from './data-sources.ts';

export interface VerifyOptions {
  readonly dataDir: string;
  /** A running system is given so long to come to rest. Default 30,000 ms. */
  readonly patienceMs?: number;
}

export interface VerifyResult {
  readonly ok: boolean;
  readonly dataDir: string;
  /** Whether it was running: then it was read beside it, else its database server was started for the reading. */
  readonly running: boolean;
  readonly orders: Readonly<Record<string, number>>;
  readonly checks: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
}

/**
 * Judges the books of a data directory: the databases of the services against each other and against the ledger of
 * the pretended provider. Nothing is changed. Throws a `Failure` when there is nothing to judge.
 */
export async function verifyBooks(options: VerifyOptions, world: World): Promise<VerifyResult> {
  const { dataDir, patienceMs = 30_000 } = options;
  if (!existsSync(join(dataDir, 'postgres', 'cluster'))) {
    throw new Failure(
      exitCodes.usage,
      `There are no books in ${dataDir}: name the data directory of a Holdfast that was started at least once.`,
    );
  }
  const pid = postmasterOf(dataDir);
  if (pid !== undefined && identify(pid)) return judge(dataDir, true, patienceMs, world);
  const databases = createDatabases({ topology: loadTopology('one-process'), dataDir, world });
  await databases.start?.();
  try {
    return await judge(dataDir, false, 0, world);
  } finally {
    await databases.stop?.();
  }
}

async function judge(dataDir: string, running: boolean, patienceMs: number, world: World): Promise<VerifyResult> {
  const urlOf = urlsOf(dataDir, world);
  if (!urlOf) throw new Failure(exitCodes.internal, `${dataDir} does not tell the port of its database server.`);
  const urls = Object.fromEntries(
    sourceNames.map((name) => [name, urlOf(`holdfast_${name}`, `holdfast_${name}`)] as const),
  );
  const { sources, close } = openSources(urls, dataDir, world);
  try {
    const { checks, violations, evidence } = await checkWhenQuiet(sources, [], world, patienceMs);
    const orders: Record<string, number> = {};
    for (const { state } of evidence?.orders ?? []) orders[state] = (orders[state] ?? 0) + 1;
    return { ok: violations.length === 0, dataDir, running, orders, checks, violations };
  } finally {
    await close();
  }
}
