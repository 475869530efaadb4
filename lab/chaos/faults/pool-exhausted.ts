import pg from 'pg';
import type { Rig } from '../rig.ts';
import { databaseServer, wayName } from '../wiring.ts';
import type { Fault } from './fault.ts';

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
    const role = `holdfast_${target}`;
    await asAdmin(rig, `alter role ${role} connection limit 0`);
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
      heal: () => asAdmin(rig, `alter role ${role} connection limit -1`),
    };
  },
};

const triesMax = 60;
const pauseMs = 500;

/** The server may just be restarting: what is limited must not stay so. */
async function asAdmin({ postgres, world }: Rig, sql: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(postgres.adminUrl, async (client) => void (await client.query(sql)));
    } catch (error) {
      if (attempt >= triesMax) throw error;
      await world.timers.sleep(pauseMs);
    }
  }
}

async function isRefused(url: string): Promise<boolean> {
  try {
    await once(url, async () => {});
    return false;
  } catch (error) {
    return (error as { code?: string }).code === tooManyConnections;
  }
}

async function once<T>(connectionString: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 5_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}
