import { createDatabase } from '#kit/store';
import type { Fault } from './fault.ts';
import { query } from './postgres.ts';

export const staleDiscovery: Fault = {
  name: 'stale-discovery',
  class: 'dependency',
  does: 'locks the registry of the mesh: nobody joins, leaves or renews, and everybody goes by what was known last',
  durationMs: [2_000, 8_000],
  // In one process there is no mesh.
  targets: ({ processes }) => (processes.length > 1 ? ['registry'] : []),
  async inject(rig) {
    const database = createDatabase({
      ...{ url: rig.postgres.urlOf('log'), name: 'stale discovery', ...rig.world, connectionsMax: 1 },
      idleTransactionTimeoutMs: 0,
    });
    const healed = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const held = database.transaction(async (tx) => {
      await tx.query('lock table mesh_instance in access exclusive mode');
      locked.resolve();
      await healed.promise;
    });
    held.catch(locked.reject);
    await locked.promise;
    let seen = 0;
    return {
      // Processes that want to look or renew, and wait.
      async effects() {
        seen = Math.max(seen, await waiting(rig.postgres.adminUrl));
        return seen;
      },
      async heal() {
        healed.resolve();
        await held.catch(() => {});
        await database.close();
      },
    };
  },
};

async function waiting(adminUrl: string): Promise<number> {
  const [row] = await query<{ count: number }>(
    adminUrl,
    `select count(*)::int as count from pg_stat_activity where wait_event_type = 'Lock' and query like '%mesh_instance%'`,
  );
  return row?.count ?? 0;
}
