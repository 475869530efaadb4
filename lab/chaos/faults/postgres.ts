import pg from 'pg';
import { stateOf } from '../os.ts';
import type { Rig } from '../rig.ts';

/** What faults of the database server have in common: past all proxies, and patient, for it may just be recovering. */

/** A busy machine needs long for a recovery. */
const upWithinMs = 60_000;
const lookEveryMs = 100;
const connectWithinMs = 5_000;

/** Pid of the server's first process, once there is one that lives. */
export function serverPid({ postgres, world }: Rig): Promise<number> {
  return patiently(world, 'the database server is not running', async () => {
    const pid = postgres.pid();
    const state = pid === undefined ? undefined : stateOf(pid);
    return state === undefined || state === 'Z' ? undefined : pid;
  });
}

/** Runs the statement, again and again until the server takes it. */
export function statement(rig: Rig, url: string, sql: string, values: readonly unknown[] = []): Promise<unknown> {
  return patiently(rig.world, 'the database server takes no statement', async () => {
    try {
      return await query(url, sql, values);
    } catch {
      return undefined;
    }
  });
}

export async function query<R extends pg.QueryResultRow>(
  url: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<R[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectWithinMs });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query<R>(sql, [...values])).rows;
  } finally {
    await client.end().catch(() => {});
  }
}

async function patiently<T>({ clock, timers }: Rig['world'], lack: string, look: () => Promise<T | undefined>) {
  const untilMs = clock.monotonicMs() + upWithinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (clock.monotonicMs() > untilMs) throw new Error(`${lack} for ${upWithinMs} ms`);
    await timers.sleep(lookEveryMs);
  }
}
