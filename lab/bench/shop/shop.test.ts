import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { serviceNames } from '../../../cli/topology.ts';
import { benchWorld } from '../server.ts';
import { auditBooks } from './books.ts';
import { drill, judge } from './drills.ts';
import { startShopSystem } from './system.ts';
import type { Seen, Traffic } from './traffic.ts';

/** As the topology `shop`, in fewer processes: two of everything, behind two gateways, balancer and edge. */
function smallShop(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hf-small-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const core = serviceNames.filter((name) => name !== 'payment-sandbox' && name !== 'gateway');
  const processes = {
    sandbox: { runs: ['payment-sandbox'] },
    core: { runs: core, instances: 2 },
    gateway: { runs: ['gateway'], instances: 2 },
    balancer: { runs: ['balancer'] },
    edge: { runs: ['edge'], instances: 2 },
  };
  const file = join(folder, 'topology.json');
  writeFileSync(file, JSON.stringify({ processes }));
  return file;
}

test('everything is restarted, one after the other, and no client notices; a killed one loses no order', {
  timeout: 300_000,
}, async () => {
  const shop = await startShopSystem(smallShop());
  onTestFinished(() => shop.stop());
  const pace = { readMs: 50, checkoutMs: 100 };
  const about = { shop, world: benchWorld, calmMs: 2_000, browsers: 2, buyers: 1, pace, say: () => {} };
  const before = await shop.status();
  const rolling = await drill('rolling', about, () => shop.operate('/restart', { rolling: true }));
  expect(rolling.reasons).toEqual([]);
  expect(rolling.requests).toBeGreaterThan(20);
  const after = await shop.status();
  expect(after.instances.map(({ name }) => name)).toEqual(before.instances.map(({ name }) => name));
  const kept = after.instances.filter(({ pid }) => before.instances.some((each) => each.pid === pid));
  expect(kept.map(({ name }) => name)).toEqual(['sandbox']);

  const kills = [];
  for (const process of ['core-2', 'gateway-1', 'balancer']) {
    kills.push(await drill(process, about, () => shop.operate('/kill', { process })));
  }
  expect(kills.flatMap(({ reasons }) => reasons).filter((reason) => reason.startsWith('read'))).toEqual([]);
  await shop.operate('/revoke', { certificate: 'core-1' });
  const revoked = await drill('after a revocation', about, async () => {});
  expect(revoked.reasons).toEqual([]);
  await shop.operate('/scale', { service: 'core', instances: 1 });
  const scaled = await drill('scaled down', about, async () => {});
  expect(scaled.reasons).toEqual([]);
  const traffic = [rolling, ...kills, revoked, scaled].map((each) => each.traffic);
  const books = await auditBooks(shop.dataDir, traffic, benchWorld);
  expect(books).toMatchObject({ lost: 0, doubled: 0, violations: [] });
  expect(books.orders).toBeGreaterThan(10);
});

const seen = (startMs: number, status = 200, tookMs = 10, isClear = true): Seen => ({
  ...{ kind: 'read', startMs, tookMs, status, isClear },
});
const calm = Array.from({ length: 100 }, (_, i) => seen(i * 10));
const trafficOf = (all: readonly Seen[]) => ({ seen: all }) as unknown as Traffic;

test('a drill sees failed and unclear answers, and how long it took until reads were as quick as before', () => {
  const after = [seen(1_100, 0, 5, false), seen(1_700, 503), seen(2_300, 200, 900), seen(3_100), seen(4_100)];
  const result = judge('a blow', trafficOf([...calm, ...after]), 1_000);
  expect(result).toMatchObject({ readsFailed: 2, unclear: 1, backToNormalMs: 2_000 });
  const hiccup = [...calm, ...after, seen(5_100), seen(6_100, 200, 900), seen(7_100)];
  expect(judge('a hiccup of the machine', trafficOf(hiccup), 1_000).backToNormalMs).toBe(2_000);
  const twice = [...hiccup.slice(0, -1), seen(7_100, 200, 900)];
  expect(judge('slow for longer', trafficOf(twice), 1_000).backToNormalMs).toBe(7_000);
  expect(judge('a late failure', trafficOf([...hiccup, seen(9_100, 503)]), 1_000).backToNormalMs).toBe(9_000);
  expect(judge('nothing', trafficOf([...calm, seen(1_100), seen(1_600)]), 1_000)).toMatchObject({
    ...{ readsFailed: 0, backToNormalMs: 0, reasons: [] },
  });
});
