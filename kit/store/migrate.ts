import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import pg from 'pg';
import Postgrator from 'postgrator';
import type { Database } from '#kit/runtime';
import { DatabaseUnavailable, sqlState } from './errors.ts';

/** One sequence of numbered scripts (`001.do.create-orders.sql`) and the table that remembers which have run. */
export interface Migrations {
  readonly directory: string;
  /** For example `schema_orders`. Each capability of the kit keeps its own sequence beside the service's. */
  readonly table: string;
}

/** Runs SQL as it is, several statements at a time: a plain connection, or PGlite in the simulator. */
export type ExecuteSql = (sql: string) => Promise<{ rows: readonly Record<string, unknown>[] }>;

export interface MigrationResult {
  readonly table: string;
  /** Files that ran this time. */
  readonly applied: readonly string[];
}

/**
 * Brings a database up to date: all sequences in one transaction under one lock, so that instances which start at the
 * same moment wait for each other, and a script that fails leaves nothing behind. A script that was changed after it
 * ran is refused by its checksum: add a new one instead. Scripts must be able to run in a transaction (so no `create
 * index concurrently`), and must not end it.
 */
export async function migrateWith(execute: ExecuteSql, sequences: readonly Migrations[]): Promise<MigrationResult[]> {
  await execute('begin');
  try {
    // Any number will do as long as every Holdfast process takes the same.
    await execute('select pg_advisory_xact_lock(47710230611421)');
    const transaction = await transactionId(execute);
    const results: MigrationResult[] = [];
    for (const sequence of sequences) {
      const applied = await runSequence(execute, sequence);
      if ((await transactionId(execute)) !== transaction) {
        throw new Error(`${applied.join(', ')}: a script ended the transaction; remove its COMMIT or ROLLBACK`);
      }
      results.push({ table: sequence.table, applied });
    }
    await execute('commit');
    return results;
  } catch (error) {
    await execute('rollback').catch(() => {});
    throw new Error(`migration failed, nothing was changed: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

async function runSequence(execute: ExecuteSql, { directory, table }: Migrations): Promise<string[]> {
  const scripts = await readScripts(directory);
  const postgrator = new Postgrator({
    driver: 'pg',
    // The directory is meant as it is written, whatever a glob would make of its brackets.
    migrationPattern: `${directory.replaceAll(/[\\?*()[\]{}!+@|]/g, '\\$&')}/*.sql`,
    schemaTable: table,
    // So that a checkout with other line ends has the same checksums.
    newline: 'LF',
    execQuery: async (sql: string) => {
      const { rows } = await execute(sql);
      return { rows: rows as Record<string, unknown>[] };
    },
  });
  // The library's errors name neither the file nor the remedy.
  let underWay = '';
  postgrator.on('validation-started', ({ filename }) => {
    underWay = `${basename(filename)} was changed after it ran here; restore it and put the change into a new script`;
  });
  postgrator.on('migration-started', ({ filename }) => {
    underWay = basename(filename);
  });
  try {
    const applied = await postgrator.migrate();
    underWay = '';
    await refuseSkipped(execute, table, scripts);
    return applied.map(({ filename }) => filename);
  } catch (error) {
    throw new Error(`${underWay && `${underWay}: `}${(error as Error).message}`, { cause: error });
  }
}

const scriptName = /^(\d+)\.(do|undo)(\.[\w-]+)*\.sql$/;

/** Numbers and names of the scripts. A file that the library would pass over without a word is refused. */
async function readScripts(directory: string): Promise<Map<number, string>> {
  const scripts = new Map<number, string>();
  for (const file of await readdir(directory)) {
    if (!file.endsWith('.sql')) continue;
    const [, version, action] = scriptName.exec(file) ?? [];
    if (version === undefined) throw new Error(`${directory}/${file}: name it like 001.do.what-it-does.sql`);
    if (action === 'do') scripts.set(Number(version), file);
  }
  if (scripts.size === 0) throw new Error(`${directory}: there are no scripts like 001.do.what-it-does.sql`);
  return scripts;
}

/** A script that came in late with a lower number (two branches merged) would never run: the library looks higher up. */
async function refuseSkipped(execute: ExecuteSql, table: string, scripts: ReadonlyMap<number, string>): Promise<void> {
  const { rows } = await execute(`select version from ${quoted(table)}`);
  const ran = new Set(rows.map(({ version }) => Number(version)));
  const highest = Math.max(...ran);
  for (const [version, file] of scripts) {
    if (!ran.has(version) && version < highest) {
      throw new Error(`${file} has not run, but ${highest} has: give it a number above ${highest}`);
    }
  }
}

const quoted = (table: string): string =>
  table
    .split('.')
    .map((part) => `"${part}"`)
    .join('.');

async function transactionId(execute: ExecuteSql): Promise<unknown> {
  const { rows } = await execute('select pg_current_xact_id()::text as id');
  return rows[0]?.['id'];
}

/**
 * Whether all scripts have run, as they are written now: one statement and no lock, which is all that most starts need. False is
 * no answer: `migrate` finds out what is to be done, or what is wrong.
 */
export async function isMigrated(
  database: Pick<Database, 'query'>,
  sequences: readonly Migrations[],
): Promise<boolean> {
  const wanted = (await Promise.all(sequences.map(checksums))).flat();
  const select = sequences.map(
    ({ table }) => `select '${table}' || ' ' || version || ' ' || md5 as ran from ${quoted(table)} where version > 0`,
  );
  try {
    const { rows } = await database.query<{ ran: string }>(select.join(' union all '));
    const ran = new Set(rows.map((row) => row.ran));
    return ran.size === wanted.length && wanted.every((script) => ran.has(script));
  } catch (error) {
    if (sqlState(error) === undefinedTable) return false;
    throw error;
  }
}

const undefinedTable = '42P01';

/** As Postgrator writes them down: MD5 of the text with ends of lines as in Unix. */
async function checksums({ directory, table }: Migrations): Promise<string[]> {
  const scripts = await readScripts(directory);
  return Promise.all(
    [...scripts].map(async ([version, file]) => {
      const text = await readFile(join(directory, file), 'utf8');
      return `${table} ${version} ${createHash('md5')
        .update(text.replaceAll(/\r\n|\r/g, '\n'))
        .digest('hex')}`;
    }),
  );
}

const connectTimeoutMsDefault = 10_000;

/** `migrateWith` on a connection of its own to the database at `url`. */
export async function migrate(
  url: string,
  sequences: readonly Migrations[],
  connectTimeoutMs: number = connectTimeoutMsDefault,
): Promise<MigrationResult[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs });
  // The statement under way rejects as well; without a listener a lost connection would end the process.
  client.on('error', () => {});
  await client.connect().catch((error: Error) => {
    // All that the driver says when a server takes the connection and stays silent.
    throw error.message === 'timeout expired' ? new DatabaseUnavailable(new URL(url).pathname.slice(1), error) : error;
  });
  try {
    return await migrateWith(async (sql) => {
      const result = await client.query(sql);
      // Several statements in one text answer with an array of results.
      const last = Array.isArray(result) ? result.at(-1) : result;
      return { rows: last?.rows ?? [] };
    }, sequences);
  } finally {
    await client.end();
  }
}
