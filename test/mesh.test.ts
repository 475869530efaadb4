import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { expect, test, vi } from 'vitest';
import { findFreePort } from '#kit/store/embedded';
import { newFolder, runCommand } from '../cli/testing.ts';

/**
 * The mesh between real processes: several instances of a service find one another with no address configured, and
 * callers go round one that dies (REQUIREMENTS E7, E13, E17).
 */

/** Few processes, since each costs a start: the catalogue twice, the door, and all the rest. */
const topology = {
  // All reads come from one address here.
  gateway: { limits: { perAddress: 1_000_000_000 } },
  processes: {
    back: {
      runs: [
        ...['payment-sandbox', 'users', 'inventory', 'payments', 'orders', 'carts', 'tills'],
        ...['notifications', 'analytics', 'assistant', 'webhooks'],
      ],
    },
    products: { runs: ['products'], instances: 2 },
    gateway: { runs: ['gateway'] },
  },
};

interface Target {
  readonly targets: readonly [string];
  readonly labels: { readonly process: string };
}

async function read(url: string): Promise<{ status: number; text: string }> {
  const reply = await request(url);
  return { status: reply.statusCode, text: await reply.body.text() };
}

test('an instance that is killed under load costs no read, and is found again after its restart', {
  timeout: 240_000,
}, async () => {
  const dataDir = newFolder();
  const file = join(dataDir, 'topology.json');
  writeFileSync(file, JSON.stringify(topology));
  const run = runCommand(
    'up',
    '--topology',
    file,
    '--data-dir',
    dataDir,
    '--port',
    String(await findFreePort()),
    '--no-apps',
    '--json',
  );
  const { urls, processes } = await run.ready();
  const { gateway, internal } = urls as { gateway: string; internal: string };
  const targets = async () => JSON.parse((await read(`${internal}/metrics/targets`)).text) as Target[];
  const known = async () => (await targets()).map(({ labels }) => labels.process).sort();
  await vi.waitFor(async () => expect(await known()).toEqual(['back', 'gateway', 'products-1', 'products-2']), {
    timeout: 60_000,
  });

  let isOver = false;
  const statuses = new Map<number, number>();
  const load = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      const { status } = await read(`${gateway}/products?limit=5`);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  });
  const served = () => statuses.get(200) ?? 0;
  await vi.waitFor(() => expect(served()).toBeGreaterThan(50), { timeout: 60_000 });
  const victim = processes.find(({ name }) => name === 'products-1');
  process.kill(victim?.pid as number, 'SIGKILL');
  const before = served();
  await vi.waitFor(() => expect(served()).toBeGreaterThan(before + 50), { timeout: 60_000 });
  // Back in by itself.
  const portOf = async (name: string) => (await targets()).find(({ labels }) => labels.process === name)?.targets[0];
  await vi.waitFor(
    async () => {
      const page = (await read(`http://${await portOf('products-1')}/metrics`)).text;
      expect(page).toMatch(/holdfast_requests_total\{service="products",operation="search",status="2xx"\} \d/);
    },
    { timeout: 60_000, interval: 200 },
  );
  isOver = true;
  await Promise.all(load);
  expect([...statuses.keys()]).toEqual([200]);

  run.child.kill('SIGTERM');
  expect(await run.ended).toBe(0);
});
