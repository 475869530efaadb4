import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { oneProcess } from '../../cli/topology.ts';
import type { BenchOptions } from './options.ts';
import { barOf, openReport, type Report, rounded } from './report.ts';
import { benchWorld } from './server.ts';
import { auditBooks, type Books } from './shop/books.ts';
import { type Drill, drill, perSecOf } from './shop/drills.ts';
import { type Load, runLoad } from './shop/overload.ts';
import { type ShopSystem, startShopSystem } from './shop/system.ts';
import type { Pace, Seen, Traffic } from './shop/traffic.ts';

const browsersDefault = 12;
const buyers = 4;
/** A drill needs this many times the length of a measurement before and after the blow. */
const calmTimes = 3;
/** Programs that have just started are slow until they have been compiled: so much longer than a drill clients warm them up. */
const warmTimes = 2;
/** Of what clients get answered who never pause. A shop that is asked for all it can do has nothing left to start a process with. */
const loadShare = 0.5;

/**
 * What a shop of many processes does while its parts are restarted and killed, and one of a single process when it is asked
 * for three times what it can do.
 */
export async function benchShop(options: BenchOptions, onProgress: (line: string) => void): Promise<Report> {
  const finish = openReport('shop');
  const say = (line: string) => onProgress(`shop: ${line}`);
  const drilled = await drillAll(options, say);
  const overload = isWanted(options, 'overload') ? await benchOverload(options, say) : undefined;
  const { drills = [], details = {} } = drilled ?? {};
  return finish({
    bars: [...(drilled?.bars ?? []), ...(overload?.bars ?? [])],
    ratios: {},
    runs: drills.map(({ name, perSec, p50Ms, p99Ms }) => ({
      ...{ name, clients: browsersOf(options) + buyers, perSec, p50Ms, p99Ms },
    })),
    details: {
      ...{ ...details, overload: overload?.details },
      drills: drills.map(({ traffic: _, ...each }) => each),
    },
  });
}

const browsersOf = ({ clients }: BenchOptions): number => clients?.[0] ?? browsersDefault;

const isWanted = ({ only }: BenchOptions, name: string): boolean => only === undefined || name.includes(only);

/** Restarts everything, kills one of each, and at last all of one. Undefined where nothing of that is wanted. */
async function drillAll(options: BenchOptions, say: (line: string) => void) {
  if (options.only === 'overload') return undefined;
  const shop = await startShopSystem(options.topology);
  say(`${options.topology} is up in ${(shop.startedInMs / 1_000).toFixed(1)} s`);
  try {
    const traffic: Traffic[] = [];
    const drills = await strikeAll(shop, options, say, (each) => traffic.push(each));
    const books = await auditBooks(shop.dataDir, traffic, benchWorld);
    for (const violation of books.violations) say(violation);
    for (const { name, reasons } of drills) for (const reason of reasons) say(`${name}: ${reason}`);
    const memoryMb = Math.round((await shop.memoryBytes()) / 1e6);
    return { drills, bars: barsOf(drills, books), details: { startedInMs: shop.startedInMs, memoryMb } };
  } finally {
    await shop.stop();
  }
}

async function strikeAll(
  shop: ShopSystem,
  options: BenchOptions,
  say: (line: string) => void,
  onTraffic: (traffic: Traffic) => void,
): Promise<readonly Drill[]> {
  const browsers = browsersOf(options);
  const calmMs = calmTimes * options.measureMs;
  const unpaced = { shop, world: benchWorld, browsers, buyers, say, onTraffic };
  const warm = await drill('warm-up', { ...unpaced, calmMs: warmTimes * calmMs }, async () => {});
  const each = { ...unpaced, calmMs, pace: paceAfter(warm, calmMs, browsers) };
  const drills: Drill[] = [];
  const perform = async (name: string, strike: () => Promise<void>) => {
    if (isWanted(options, name)) drills.push(await drill(name, each, strike));
  };
  const kill = async (names: readonly string[]) => {
    await Promise.all(names.map((process) => shop.operate('/kill', { process })));
    await untilWell(shop);
  };
  await perform(rollingName, () => shop.operate('/restart', { names: [], rolling: true }, say));
  for (const { name, isOnly } of await oneOfEach(shop)) {
    await perform(isOnly ? `kill ${name}${onlyOne}` : `kill ${name}`, () => kill([name]));
  }
  await perform(allProductsName, async () => {
    const { instances } = await shop.status();
    await kill(instances.filter(({ services }) => services.includes('products')).map(({ name }) => name));
  });
  return drills;
}

/** How far apart clients ask when all that they get answered is to be `loadShare` of what it lately was. */
function paceAfter({ traffic: { seen } }: Drill, latelyMs: number, browsers: number): Pace {
  const endMs = seen.at(-1)?.startMs ?? 0;
  const lately = seen.filter(({ startMs }) => startMs > endMs - latelyMs);
  const apartMs = (kind: Seen['kind'], clients: number) => {
    const perSec = perSecOf(lately.filter((each) => each.kind === kind));
    if (perSec === 0) throw new Error(`the shop answered no ${kind} while it was warmed up`);
    return (clients * 1_000) / (perSec * loadShare);
  };
  return { readMs: apartMs('read', browsers), checkoutMs: apartMs('checkout', buyers) };
}

const rollingName = 'rolling restart';
const allProductsName = 'kill every products';
/** Nobody can take over: what is asked of those who call it is a clear answer. */
const onlyOne = ', the only one';

function barsOf(drills: readonly Drill[], books: Books) {
  const rolling = drills.find(({ name }) => name === rollingName);
  const lasts = drills.filter(({ name }) => name === allProductsName || name.endsWith(onlyOne));
  const kills = drills.filter((each) => each !== rolling && !lasts.includes(each));
  const worst = (value: (each: Drill) => number) => Math.max(...kills.map(value));
  const none = { limit: 1, unit: '', rule: 'below' } as const;
  const bars = [
    barOf({ ...none, name: 'orders lost', value: books.lost }),
    barOf({ ...none, name: 'orders doubled', value: books.doubled }),
    barOf({ ...none, name: 'books that do not balance', value: books.violations.length }),
  ];
  if (rolling) {
    const value = rolling.readsFailed + rolling.checkoutsFailed;
    bars.push(barOf({ ...none, name: 'failed requests in a rolling restart', value }));
  }
  if (kills.length > 0) {
    const failed = rounded(100 * worst(({ readsFailedShare }) => readsFailedShare), 3);
    const backMs = worst(({ backToNormalMs }) => backToNormalMs);
    bars.push(
      barOf({ name: 'failed reads when one is killed, at worst', value: failed, unit: '%', rule: 'below', limit: 0.1 }),
      barOf({ name: 'back to normal after a kill, at worst', value: backMs, unit: 'ms', rule: 'below', limit: 5_000 }),
    );
  }
  if (lasts.length > 0) {
    const value = lasts.reduce((sum, { unclear }) => sum + unclear, 0);
    bars.push(barOf({ ...none, name: 'unclear answers while a service has no instance', value }));
  }
  return bars;
}

/** Of each kind of process the last one; the provider is somebody else's. */
async function oneOfEach(shop: ShopSystem): Promise<{ readonly name: string; readonly isOnly: boolean }[]> {
  const { instances } = await shop.status();
  const kinds = Map.groupBy(instances, ({ services }) => services.join());
  return [...kinds.values()]
    .filter((all) => !all.some(({ services }) => services.includes('payment-sandbox')))
    .map((all) => ({ name: all.at(-1)?.name ?? '', isOnly: all.length === 1 }));
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

/** So many at a time, each the next when the one before was answered: of too few, or of too many, less is got. */
const peakClients = [8, 16, 32, 64] as const;

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
    const shape = { origin, forMs, checkoutShare: 0.2, clients: Math.max(...peakClients) };
    await runLoad({ ...shape, seed: benchWorld.ids.next('warm') });
    const loads: Load[] = [];
    for (const clients of peakClients) {
      const load = await runLoad({ ...shape, clients, seed: benchWorld.ids.next('peak') });
      say(`${clients} clients: ${load.goodPerSec}/s of ${load.askedPerSec}/s`);
      loads.push(load);
    }
    const peak = loads.reduce((best, load) => (load.goodPerSec > best.goodPerSec ? load : best));
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
