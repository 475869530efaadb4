import pg from 'pg';
import { inventoryMigrations } from '#services/inventory';
import { usersMigrations } from '#services/users';
import type { Round } from '../rig.ts';
import { crowd, type Workload } from '../workload.ts';

/** Instances start together on an empty database, some of them of a release with fewer parts. */
export const startUp: Workload = {
  name: 'start-up',
  summary: 'store: migrations by several instances that start at the same moment',
  tables: [],
  async round(round) {
    const url = await round.database();
    const applied: string[][] = [];
    const programs = [];
    for (let i = crowd(round, 4); i > 0; i--) {
      const sequences = round.chance(0.3) ? inventoryMigrations : [...inventoryMigrations, ...usersMigrations];
      const execute = await round.execute(`instance-${i}`, url);
      programs.push(async () => {
        const results = await round.parts.migrateWith(execute, sequences);
        applied.push(results.flatMap(({ table, applied: files }) => files.map((file) => `${table}/${file}`)));
      });
    }
    await round.run(programs);
    await check(round, url, applied.flat());
  },
};

async function check(round: Round, url: string, applied: readonly string[]): Promise<void> {
  const twice = applied.filter((file, i) => applied.indexOf(file) !== i);
  if (twice.length > 0) round.violate('each script runs once', twice.join(', '));
  const client = new pg.Client(url);
  await client.connect();
  const { rows } = await client.query<{ n: number }>(
    `select (select count(*) from schema_inventory where version > 0)::int as n`,
  );
  await client.end();
  const ran = applied.filter((file) => file.startsWith('schema_inventory/')).length;
  if (rows[0]?.n !== ran) round.violate('what ran is remembered', `${ran} ran, ${rows[0]?.n} remembered`);
}
