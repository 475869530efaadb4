import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { oneProcess } from '../../cli/topology.ts';
import type { BenchOptions } from './options.ts';
import { type Bar, barOf, openReport, type Report, rounded } from './report.ts';
import { benchWorld } from './server.ts';
import { auditBooks } from './shop/books.ts';
import { type Drill, drill } from './shop/drills.ts';
import { runLoad } from './shop/overload.ts';
import { type ShopSystem, startShopSystem } from './shop/system.ts';

const browsersDefault = 12;
const buyers = 4;
/** A drill needs this many times the length of a measurement before and after the blow. */
const calmTimes = 3;

/**
 * What a shop of many processes does while its parts are restarted and killed, and one of a single process when it is asked
 * for three times what it can do.
 */
export async function benchShop(options: BenchOptions, onProgress: (line: string) => void): Promise<Report> {
  const finish = openReport('shop');
  const say = (line: string) => onProgress(`shop: ${line}`);
  const shop = await startShopSystem(options.topology);
  say(`${options.topology} is up in ${(shop.startedInMs / 1_000).toFixed(1)} s`);
  let bars: Bar[];
  let drills: Drill[];
  let memoryMb: number;
  try {
    ({ bars, drills } = await drillAll(shop, options, say));
    memoryMb = Math.round((await shop.memoryBytes()) / 1e6);
  } finally {
    await shop.stop();
  }
  const overload = await benchOverload(options, say);
  return finish({
    bars: [...bars, ...overload.bars],
    ratios: {},
    runs: drills.map(({ name, requests, p50Ms, p99Ms }) => ({
      ...{ name, clients: browsersDefault + buyers, perSec: requests, p50Ms, p99Ms },
    })),
    details: {
      ...{ startedInMs: shop.startedInMs, memoryMb, overload: overload.details },
      drills: drills.map(({ traffic: _, ...each }) => each),
    },
  });
}

/** Restarts everything, kills one of each, and at last all of one. */
async function drillAll(shop: ShopSystem, { measureMs, clients }: BenchOptions, say: (line: string) => void) {
  const about = { shop, world: benchWorld, browsers: clients?.[0] ?? browsersDefault, buyers, say };
  const each = { ...about, calmMs: calmTimes * measureMs };
  const up = () => untilWell(shop);
  await drill('warm-up', each, async () => {});
  const rolling = await drill('rolling restart', each, () =>
    shop.operate('/restart', { names: [], rolling: true }, (line) => say(line)),
  );
  const kills: Drill[] = [];
  for (const name of await oneOfEach(shop)) {
    kills.push(
      await drill(`kill ${name}`, each, async () => {
        await shop.operate('/kill', { process: name });
        await up();
      }),
    );
  }
  const last = await drill('kill every products', each, async () => {
    const { instances } = await shop.status();
    const all = instances.filter(({ services }) => services.includes('products'));
    await Promise.all(all.map(({ name }) => shop.operate('/kill', { process: name })));
    await up();
  });
  const drills = [rolling, ...kills, last];
  const books = await auditBooks(
    shop.dataDir,
    drills.map(({ traffic }) => traffic),
    benchWorld,
  );
  for (const violation of books.violations) say(violation);
  for (const { name, reasons } of drills) for (const reason of reasons) say(`${name}: ${reason}`);
  const worst = (value: (each: Drill) => number) => Math.max(...kills.map(value));
  const none = { limit: 1, unit: '', rule: 'below' } as const;
  const bars = [
    barOf({
      ...none,
      name: 'failed requests in a rolling restart',
      value: rolling.readsFailed + rolling.checkoutsFailed,
    }),
    barOf({ ...none, name: 'orders lost', value: books.lost }),
    barOf({ ...none, name: 'orders doubled', value: books.doubled }),
    barOf({ ...none, name: 'books that do not balance', value: books.violations.length }),
    barOf({
      ...{ name: 'failed reads when one is killed, at worst', unit: '%', rule: 'below', limit: 0.1 },
      value: rounded(100 * worst(({ readsFailedShare }) => readsFailedShare), 3),
    }),
    barOf({
      ...{ name: 'back to normal after a kill, at worst', unit: 'ms', rule: 'below', limit: 5_000 },
      value: worst(({ backToNormalMs = 0 }) => backToNormalMs),
    }),
    barOf({ ...none, name: 'unclear answers without any products', value: last.unclear }),
  ];
  return { bars, drills };
}

/** Of each kind of process the last one; the provider is somebody else's. */
async function oneOfEach(shop: ShopSystem): Promise<string[]> {
  const { instances } = await shop.status();
  const kinds = Map.groupBy(instances, ({ services }) => services.join());
  return [...kinds.values()]
    .map((all) => all.at(-1))
    .filter((each) => each !== undefined && !each.services.includes('payment-sandbox'))
    .map((each) => each?.name ?? '');
}

const wellWithinMs = 120_000;

async function untilWell(shop: ShopSystem): Promise<void> {
  const untilMs = performance.now() + wellWithinMs;
  while (performance.now() < untilMs) {
    const { instances } = await shop.status();
    if (instances.every(({ state, unready }) => state === 'ready' && unready !== undefined)) return;
    await benchWorld.timers.sleep(200);
  }
  throw new Error(`not all processes were back within ${wellWithinMs} ms`);
}

/** One process, since what it lacks is processor time: no other process can help it out. */
async function benchOverload({ measureMs }: BenchOptions, say: (line: string) => void) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-overload-'));
  const file = join(folder, 'topology.json');
  // All clients are one address here, which is nobody's flood.
  writeFileSync(file, JSON.stringify({ ...oneProcess, gateway: { limits: { perAddress: 1_000_000_000 } } }));
  const shop = await startShopSystem(file);
  try {
    const { origin } = shop;
    const forMs = calmTimes * measureMs;
    const shape = { origin, forMs, checkoutShare: 0.2, clients: 64 };
    await runLoad({ ...shape, seed: benchWorld.ids.next('warm') });
    const peak = await runLoad({ ...shape, seed: benchWorld.ids.next('peak') });
    const perSec = 3 * peak.goodPerSec;
    const over = await runLoad({ ...shape, perSec, seed: benchWorld.ids.next('over') });
    const memoryMb = Math.round((await shop.memoryBytes()) / 1e6);
    say(`peak ${peak.goodPerSec}/s; asked for ${perSec}/s: ${over.goodPerSec}/s, ${memoryMb} MB`);
    const bars = [
      barOf({
        ...{ name: 'goodput at 3 × capacity', unit: '× peak', rule: 'at-least', limit: 0.8 },
        value: rounded(over.goodPerSec / Math.max(1, peak.goodPerSec), 2),
      }),
      barOf({
        ...{ name: 'checkouts served, beside reads', unit: '×', rule: 'at-least', limit: 1 },
        value: rounded(over.checkoutShare / Math.max(0.001, over.readShare), 2),
      }),
      barOf({ name: 'memory in overload', value: memoryMb, limit: 600, unit: 'MB', rule: 'below' }),
    ];
    return { bars, details: { peak, over, memoryMb } };
  } finally {
    await shop.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
