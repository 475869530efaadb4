import { findFreePort } from '#kit/store/embedded';
import { hasDatabase, serviceNames } from '../../../cli/topology.ts';
import type { BenchServer } from '../server.ts';
import { type Server, startServer } from './processes.ts';

/** Databases of a whole shop. */
export const shopDatabases: readonly string[] = [...serviceNames.filter(hasDatabase), 'log'];

/** More than any run can sell. */
const unitsEachDefault = 1_000_000;

/** Every service in one process, with a catalogue and stock, as `holdfast up` would run it on this server. */
export async function startShop(server: BenchServer, unitsEach = unitsEachDefault): Promise<Server> {
  const shop = await startServer({
    kind: 'shop',
    services: {
      process: 'bench',
      services: [...serviceNames],
      // All clients are one address here. The limit is looked at all the same.
      gateway: { limits: { perAddress: 1_000_000_000 } },
      databases: server.urls,
      public: { host: '127.0.0.1', port: await findFreePort() },
      provider: { kind: 'sandbox' },
      // The provider stands for someone else's computer: its disk is not measured here.
      sandboxJournal: 'memory',
      secrets: { keyEncryption: 'bench-bench-bench-bench', sandboxKey: 'bench', webhook: 'bench' },
      dataDir: server.dataDir,
    },
  });
  await shop.fill(unitsEach);
  return shop;
}
