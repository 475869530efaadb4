import { setTimeout as sleep } from 'node:timers/promises';
import type { Settings } from '#kit/store/embedded';
import type { BenchServer } from '../server.ts';

/** Makes the server count what each statement costs. About 1 % slower, for all contestants alike. */
export const statementSettings: Settings = {
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.track': 'top',
  track_wal_io_timing: true,
};

export interface Statement {
  readonly database: string;
  readonly calls: number;
  readonly totalMs: number;
  readonly meanMs: number;
  readonly rows: number;
  readonly walBytes: number;
  readonly text: string;
}

export interface DatabaseProfile {
  /** All databases' statements, the most expensive first. */
  readonly statements: readonly Statement[];
  /** Syncs of the write-ahead log, by kind of process. */
  readonly walSyncs: readonly { readonly by: string; readonly count: number; readonly ms: number }[];
  readonly commits: Readonly<Record<string, number>>;
  /** What connections were seen doing, and in how many of the looks on average. */
  readonly waits: readonly { readonly database: string; readonly doing: string; readonly average: number }[];
}

const lookPeriodMs = 10;

/** Begins to count; the result stops that and tells what was counted. */
export async function profileDatabase({ ask }: BenchServer): Promise<() => Promise<DatabaseProfile>> {
  await ask('postgres', 'create extension if not exists pg_stat_statements');
  const before = await readCommits(ask);
  await ask('postgres', `select pg_stat_statements_reset(), pg_stat_reset_shared('io')`);
  const looking = new AbortController();
  const waits = countWaits(ask, looking.signal);
  return async () => {
    looking.abort();
    const seen = await waits;
    const after = await readCommits(ask);
    return {
      statements: await readStatements(ask),
      walSyncs: await readWalSyncs(ask),
      commits: Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)])),
      waits: seen,
    };
  };
}

type Ask = BenchServer['ask'];

async function countWaits(ask: Ask, signal: AbortSignal): Promise<DatabaseProfile['waits']> {
  const seen = new Map<string, { database: string; doing: string; count: number }>();
  let looks = 0;
  while (!signal.aborted) {
    const rows = await ask<{ database: string; doing: string; count: string }>(
      'postgres',
      `select datname as database, state || ', ' || coalesce(wait_event_type || ' ' || wait_event, 'on the processor') as doing,
         count(*) as count
       from pg_stat_activity where datname like 'holdfast%' and state <> 'idle' and pid <> pg_backend_pid() group by 1, 2`,
    );
    looks += 1;
    for (const { database, doing, count } of rows) {
      const key = `${database} ${doing}`;
      const known = seen.get(key) ?? { database, doing, count: 0 };
      known.count += Number(count);
      seen.set(key, known);
    }
    await sleep(lookPeriodMs, undefined, { signal }).catch(() => {});
  }
  return [...seen.values()]
    .map(({ database, doing, count }) => ({ database, doing, average: count / looks }))
    .sort((a, b) => b.average - a.average);
}

async function readCommits(ask: Ask): Promise<Record<string, number>> {
  const rows = await ask<{ name: string; count: string }>(
    'postgres',
    `select datname as name, xact_commit as count from pg_stat_database where datname like 'holdfast%'`,
  );
  return Object.fromEntries(rows.map(({ name, count }) => [name, Number(count)]));
}

async function readWalSyncs(ask: Ask): Promise<DatabaseProfile['walSyncs']> {
  const rows = await ask<{ by: string; count: string; ms: string }>(
    'postgres',
    `select backend_type as by, fsyncs as count, fsync_time as ms from pg_stat_io
     where object = 'wal' and context = 'normal' and fsyncs > 0 order by fsync_time desc`,
  );
  return rows.map(({ by, count, ms }) => ({ by, count: Number(count), ms: Number(ms) }));
}

async function readStatements(ask: Ask): Promise<readonly Statement[]> {
  const rows = await ask<Record<string, string>>(
    'postgres',
    `select datname as database, calls, total_exec_time as total_ms, mean_exec_time as mean_ms, rows, wal_bytes,
       regexp_replace(query, '\\s+', ' ', 'g') as text
     from pg_stat_statements s join pg_database d on d.oid = s.dbid
     where datname like 'holdfast%' order by total_exec_time desc`,
  );
  return rows.map((row) => ({
    database: row['database'] ?? '',
    calls: Number(row['calls']),
    totalMs: Number(row['total_ms']),
    meanMs: Number(row['mean_ms']),
    rows: Number(row['rows']),
    walBytes: Number(row['wal_bytes']),
    text: (row['text'] ?? '').trim(),
  }));
}
