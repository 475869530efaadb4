import type { Settings } from '#kit/store/embedded';
import type { BenchServer } from '../server.ts';

/** Makes the server count what each statement costs. About 1 % slower, for all contestants alike. */
export const statementSettings: Settings = {
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.track': 'top',
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

export async function resetStatements({ ask }: BenchServer): Promise<void> {
  await ask('postgres', 'create extension if not exists pg_stat_statements');
  await ask('postgres', 'select pg_stat_statements_reset()');
}

/** All databases' statements, the most expensive first. */
export async function readStatements({ ask }: BenchServer): Promise<readonly Statement[]> {
  const rows = await ask<Record<string, string>>(
    'postgres',
    `select datname as database, calls, total_exec_time as total_ms, mean_exec_time as mean_ms, rows, wal_bytes,
       regexp_replace(query, '\\s+', ' ', 'g') as text
     from pg_stat_statements s join pg_database d on d.oid = s.dbid
     where datname like 'holdfast%' order by total_exec_time desc limit 60`,
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
