import pg from 'pg';
import Postgrator from 'postgrator';

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
 * ran is refused by its checksum: add a new one instead.
 */
export async function migrateWith(execute: ExecuteSql, sequences: readonly Migrations[]): Promise<MigrationResult[]> {
  await execute('begin');
  try {
    // Any number will do as long as every Holdfast process takes the same.
    await execute('select pg_advisory_xact_lock(47710230611421)');
    const results: MigrationResult[] = [];
    for (const { directory, table } of sequences) {
      const postgrator = new Postgrator({
        driver: 'pg',
        migrationPattern: `${directory}/*.sql`,
        schemaTable: table,
        execQuery: async (sql: string) => {
          const { rows } = await execute(sql);
          return { rows: rows as Record<string, unknown>[] };
        },
      });
      const applied = await postgrator.migrate();
      results.push({ table, applied: applied.map((migration) => migration.filename) });
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

/** `migrateWith` on a connection of its own to the database at `url`. */
export async function migrate(url: string, sequences: readonly Migrations[]): Promise<MigrationResult[]> {
  const client = new pg.Client({ connectionString: url });
  // A connection that breaks fails the statement under way; without a listener it would end the process.
  client.on('error', () => {});
  await client.connect();
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
