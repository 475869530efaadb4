import { databaseServer, wayName } from '../wiring.ts';
import type { Fault } from './fault.ts';
import { query, statement } from './postgres.ts';

const tooManyConnections = '53300';
const services = ['orders', 'inventory', 'payments'] as const;

export const poolExhausted: Fault = {
  name: 'pool-exhausted',
  class: 'dependency',
  does: 'breaks the database connections of a service and lets the server have none for it: "too many connections"',
  durationMs: [1_500, 5_000],
  targets: ({ processes }) =>
    services.filter((service) => processes.some((process) => process.services.includes(service))),
  async inject(rig, target) {
    const limit = (count: number) =>
      statement(rig, rig.postgres.adminUrl, `alter role holdfast_${target} connection limit ${count}`);
    await limit(0);
    for (const { name, services: run } of rig.processes.values()) {
      if (!run.some((service) => service === target)) continue;
      rig.ways.injectTcp(wayName(name, databaseServer), { kind: 'reset' }).heal();
    }
    let refused = 0;
    return {
      // What the service meets is seen by doing the same.
      async effects() {
        if (refused === 0 && (await isRefused(rig.postgres.urlOf(target)))) refused = 1;
        return refused;
      },
      heal: async () => void (await limit(-1)),
    };
  },
};

async function isRefused(url: string): Promise<boolean> {
  try {
    await query(url, 'select 1');
    return false;
  } catch (error) {
    return (error as { code?: string }).code === tooManyConnections;
  }
}
