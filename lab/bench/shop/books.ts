import type { World } from '#kit/runtime';
import { createDatabase } from '#kit/store';
import { urlsOf } from '../../chaos/data-sources.ts';
import { verifyBooks } from '../../chaos/verify.ts';
import type { Traffic } from './traffic.ts';

export interface Books {
  readonly orders: number;
  /** Orders that a client was told of and that are not there. */
  readonly lost: number;
  /** Keys under which there are two orders, or two were told. */
  readonly doubled: number;
  /** What `holdfast verify` finds wrong: money, units, sagas, events. */
  readonly violations: readonly string[];
}

const patienceMs = 60_000;

/** Compares what clients were told with what is in the database, and every service's books with the others'. */
export async function auditBooks(dataDir: string, traffic: readonly Traffic[], world: World): Promise<Books> {
  const url = urlsOf(dataDir, world)?.('holdfast_orders', 'holdfast_orders');
  if (url === undefined) throw new Error(`${dataDir} has no database server`);
  const database = createDatabase({ url, name: 'orders', ...world, connectionsMax: 1 });
  const { rows } = await database.query<{ id: string; key: string }>(
    `select id, business_key as key from customer_order`,
  );
  await database.close();
  const ids = new Set(rows.map(({ id }) => id));
  const byKey = Map.groupBy(rows, ({ key }) => key);
  const told = traffic.flatMap((each) => [...each.told]);
  const lost = told.filter(([, each]) => ![...each].every((id) => ids.has(id)));
  const doubled = told.filter(([key, each]) => each.size > 1 || (byKey.get(key)?.length ?? 0) > 1);
  const { violations } = await verifyBooks({ dataDir, patienceMs }, world);
  return {
    orders: rows.length,
    lost: lost.length,
    doubled: doubled.length,
    violations: violations.map(({ guarantee, detail }) => `${guarantee}: ${detail}`),
  };
}
