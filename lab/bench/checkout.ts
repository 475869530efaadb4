import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { exitCodes, Failure } from '../../cli/failure.ts';
import { prepareBaseline } from './checkout/baselines.ts';
import { type Acknowledged, type Books, faultsOf, readBooks, settle } from './checkout/books.ts';
import type { ClientWork } from './checkout/client-process.ts';
import { profileDatabase, statementSettings } from './checkout/database-profile.ts';
import { type MeasuredLoad, runClients, type Server, startServer } from './checkout/processes.ts';
import { type Basket, linesOfTwentieths, skus } from './checkout/shape.ts';
import { shopDatabases, startShop } from './checkout/shop.ts';
import { type CpuUse, cpuMsEach, watchCpu } from './cpu.ts';
import type { BenchOptions } from './options.ts';
import { writeProfileSummary } from './profile.ts';
import { type Bar, barOf, medianBy, openReport, pairedRatio, type Report, type Run, rounded } from './report.ts';
import { type BenchServer, startBenchServer } from './server.ts';

/** One measurement. */
export interface CheckoutRun extends Run {
  readonly count: number;
  /** Cores in use while measuring. */
  readonly cpu?: CpuUse;
  /** Of the baselines: orders begun again after a deadlock. */
  readonly deadlocks: number;
  /** Of the shop: how long after the last answer until payments were captured and events consumed. */
  readonly settleMs?: number;
}

const clientsDefault = [1, 8, 32, 128];
const warmUpMs = 1_000;
const prefillClients = 32;

interface Contestant {
  readonly name: string;
  readonly work: Pick<ClientWork, 'contestant' | 'target' | 'basket'>;
  readonly server?: Server;
  readonly isShop: boolean;
}

/** What all measurements share. */
interface Arena {
  readonly server: BenchServer;
  readonly shop: Server;
  readonly contestants: readonly Contestant[];
  readonly measureMs: number;
  readonly lines: number | undefined;
  readonly onProgress: (line: string) => void;
  /** What the shop, and how many orders the baselines together, have acknowledged. */
  readonly acknowledged: { readonly shop: Acknowledged; baselines: number };
  runs: number;
}

/**
 * Complete orders through HTTP and the whole saga beside hand-written SQL for the same order, on one PostgreSQL, in one
 * run. Contestants take turns, a different one first in each round, and each begins when the machine is at rest; figures
 * are medians. What each of them does is told in README.md, row by row.
 */
export async function benchCheckout(options: BenchOptions, onProgress: (line: string) => void): Promise<Report> {
  const { clients = clientsDefault, rounds, profileDir } = options;
  const finish = openReport('checkout');
  const server = await startBenchServer([...shopDatabases, 'baseline'], profileDir ? statementSettings : {});
  let shop: Server | undefined;
  let echo: Server | undefined;
  try {
    shop = await startShop(server);
    echo = await startServer({ kind: 'echo' });
    const contestants = contestantsOf(shop, echo, server.urls['baseline'] as string);
    const acknowledged = { shop: { orders: 0, units: 0 }, baselines: 0 };
    const arena: Arena = { server, shop, contestants, ...options, onProgress, acknowledged, runs: 0 };
    await prefill(arena, options.prefill);
    const atRest = await watchRest(arena);
    const results = new Map<string, CheckoutRun[]>();
    for (let round = 1; round <= rounds; round++) {
      for (const count of clients) {
        for (const contestant of rotated(contestants, round - 1)) {
          const run = await measure(arena, contestant, count);
          const key = `${contestant.name}@${count}`;
          results.set(key, [...(results.get(key) ?? []), run]);
          onProgress(`round ${round}/${rounds}  ${lineOf(key, run)}`);
        }
      }
    }
    if (profileDir) await profileShop(arena, clients, profileDir);
    const books = await audit(arena);
    const ratios = ratiosOf(results, clients);
    const { complaints, memory } = shop;
    return finish({
      bars: barsOf(ratios),
      ratios,
      runs: [...results.values()].map((runs) => medianBy(runs, (run) => run.perSec)),
      details: {
        ...{
          rounds,
          measureMs: options.measureMs,
          prefill: options.prefill,
          lines: options.lines ?? linesOfTwentieths,
        },
        books,
        atRest,
        memory: { loadedBytesMax: memory.rssBytesMax },
        complaints: { count: complaints.length, first: complaints.slice(0, 3) },
        clientBound: [...results.values()].flat().filter(isClientBound).map(nameOf),
        everyRound: Object.fromEntries(results),
      },
    });
  } finally {
    await shop?.stop();
    await echo?.stop();
    await server.stop();
  }
}

function contestantsOf(shop: Server, echo: Server, baseline: string): readonly Contestant[] {
  const byHand = (name: string, basket: Basket, contestant: 'transaction' | 'cte' = 'transaction') => ({
    name,
    work: { contestant, target: baseline, basket },
    isShop: false,
  });
  const byShop = (name: string, basket: Basket) => ({
    name,
    work: { contestant: 'holdfast' as const, target: shop.url, basket },
    server: shop,
    isShop: true,
  });
  return [
    byHand('transaction', 'real'),
    byShop('checkout', 'real'),
    byHand('cte', 'real', 'cte'),
    byShop('hot', 'hot'),
    byHand('transaction-hot', 'hot'),
    byShop('short', 'short'),
    byHand('transaction-short', 'short'),
    { name: 'echo', work: { contestant: 'echo', target: echo.url, basket: 'real' }, server: echo, isShop: false },
  ];
}

function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}

/** Both sides hold the same number of orders, made the way each makes them, and their statistics are up to date. */
async function prefill(arena: Arena, orders: number): Promise<void> {
  const { server, shop, onProgress, acknowledged } = arena;
  onProgress(`placing ${orders} orders at the shop, and as many by SQL beside it`);
  await prepareBaseline(server.urls['baseline'] as string, skus, orders);
  acknowledged.baselines += orders;
  const longMs = 3_600_000;
  if (orders > 0) {
    const result = await runClients(
      {
        ...{ contestant: 'holdfast', target: shop.url, basket: 'real', clients: prefillClients, seed: 'prefill' },
        ...{ lines: arena.lines, warmUpMs: 0, measureMs: longMs, turnsMax: orders },
      },
      { postgres: server.pid },
    );
    refuseErrors('prefill', result);
    acknowledge(acknowledged.shop, result);
    await settle(server);
  }
  await server.vacuum();
}

const restMs = 3_000;

/** What the shop takes when nobody asks anything of it: the baselines are measured beside that. */
async function watchRest({ server, shop, onProgress }: Arena): Promise<CpuUse | undefined> {
  const usedCpu = watchCpu({ client: process.pid, server: shop.pid, postgres: server.pid });
  await sleep(restMs);
  const cpu = usedCpu();
  if (cpu)
    onProgress(`at rest the shop keeps ${cpu.server} cores busy, PostgreSQL ${cpu.postgres}, others ${cpu.others}`);
  return cpu;
}

async function measure(arena: Arena, contestant: Contestant, clients: number): Promise<CheckoutRun> {
  const { server, measureMs, acknowledged } = arena;
  const { name, work, isShop } = contestant;
  await server.checkpoint();
  arena.runs += 1;
  const result = await runClients(
    { ...work, lines: arena.lines, clients, seed: `${name}-${arena.runs}`, warmUpMs, measureMs },
    { postgres: server.pid, ...(contestant.server ? { server: contestant.server.pid } : {}) },
  );
  refuseErrors(`${name}@${clients}`, result);
  if (isShop) acknowledge(acknowledged.shop, result);
  else if (name !== 'echo') acknowledged.baselines += result.countAll;
  const settleMs = isShop ? await settle(server) : undefined;
  const { perSec, p50Ms, p99Ms, count, deadlocks, cpu } = result;
  return {
    ...{
      name,
      clients,
      perSec: rounded(perSec, 1),
      p50Ms: rounded(p50Ms, 2),
      p99Ms: rounded(p99Ms, 2),
      count,
      deadlocks,
    },
    ...(cpu ? { cpu, cpuMsEach: cpuMsEach(cpu, perSec) } : {}),
    ...(settleMs === undefined ? {} : { settleMs }),
  };
}

function acknowledge(acknowledged: Acknowledged, { countAll, unitsAll }: MeasuredLoad): void {
  acknowledged.orders += countAll;
  acknowledged.units += unitsAll;
}

/** A contestant that answers some orders with errors is quick at the wrong thing. */
function refuseErrors(what: string, { errors, count, countAll, firstError }: MeasuredLoad): void {
  if (errors === 0 && countAll > 0) return;
  throw new Failure(
    exitCodes.internal,
    `${what}: ${errors} orders failed and ${count} were measured, so the figures mean nothing: ${firstError ?? 'nobody says why'}.`,
  );
}

/** Beyond this, it is the clients' one thread that is measured. */
const clientCoresMax = 0.9;
const shopNames = ['checkout', 'hot', 'short'];

function isClientBound({ name, cpu }: CheckoutRun): boolean {
  // Who speaks to the database by hand is application and client in one, as it would be in production.
  return shopNames.includes(name) && (cpu?.client ?? 0) > clientCoresMax;
}

const nameOf = ({ name, clients }: CheckoutRun) => `${name}@${clients}`;

function lineOf(key: string, { perSec, p99Ms, cpu, settleMs }: CheckoutRun): string {
  const cores = cpu
    ? `  cores: client ${cpu.client.toFixed(2)} server ${cpu.server.toFixed(2)} postgres ${cpu.postgres.toFixed(2)} others ${cpu.others.toFixed(2)}`
    : '';
  const settled = settleMs === undefined ? '' : `  settled in ${settleMs} ms`;
  return `${key.padEnd(20)} ${perSec.toFixed(0).padStart(6)}/s  p99 ${p99Ms.toFixed(1).padStart(7)} ms${cores}${settled}`;
}

/** Every acknowledged order is confirmed, paid once and told of; otherwise the figures count for nothing. */
async function audit({ server, acknowledged }: Arena): Promise<Books> {
  await settle(server);
  const books = await readBooks(server);
  const faults = faultsOf(books, acknowledged.shop);
  const [baseline] = await server.ask<{ confirmed: string }>(
    'baseline',
    `select count(*) as confirmed from customer_order o join payment p on p.order_id = o.id where o.state = 'confirmed'`,
  );
  if (Number(baseline?.confirmed) !== acknowledged.baselines) {
    faults.push(`orders by hand: ${baseline?.confirmed} instead of ${acknowledged.baselines}`);
  }
  if (faults.length === 0) return books;
  throw new Failure(exitCodes.checkFailed, `The books don't add up after the run: ${faults.join('; ')}.`);
}

function ratiosOf(
  results: ReadonlyMap<string, readonly CheckoutRun[]>,
  clients: readonly number[],
): Record<string, number> {
  const pairs: readonly (readonly [label: string, name: string, other: string])[] = [
    ['checkout/transaction', 'checkout', 'transaction'],
    ['checkout/cte', 'checkout', 'cte'],
    ['checkout/echo', 'checkout', 'echo'],
    ['hot/uniform', 'hot', 'checkout'],
    ['hot/transaction-hot', 'hot', 'transaction-hot'],
    ['short/transaction-short', 'short', 'transaction-short'],
  ];
  const ratios: Record<string, number> = {};
  for (const count of clients) {
    for (const [label, name, other] of pairs) {
      ratios[`${label}@${count}`] = pairedRatio(
        results.get(`${name}@${count}`) ?? [],
        results.get(`${other}@${count}`) ?? [],
      );
    }
  }
  return ratios;
}

/** The bars stand for 32 to 128 clients. */
const barredClients = [32, 128];

function barsOf(ratios: Readonly<Record<string, number>>): Bar[] {
  const limits = [
    { label: 'checkout/transaction', limit: 1 },
    { label: 'hot/uniform', limit: 0.8 },
    { label: 'checkout/transaction', limit: 3, kind: 'goal' },
    { label: 'checkout/cte', limit: 0.7, kind: 'goal' },
  ] as const;
  return limits.flatMap(({ label, ...rest }) =>
    barredClients.flatMap((count) => {
      const name = `${label}@${count}`;
      const value = ratios[name];
      return value === undefined ? [] : [barOf({ name, value, unit: '×', rule: 'at-least', ...rest })];
    }),
  );
}

/** Rounds of their own, because looking costs time: none of their figures is reported. */
async function profileShop(arena: Arena, clients: readonly number[], folder: string): Promise<void> {
  const { server, shop, contestants, onProgress } = arena;
  mkdirSync(folder, { recursive: true });
  const contestant = contestants.find(({ name }) => name === 'checkout') as Contestant;
  for (const count of clients) {
    const path = join(folder, `checkout-${count}.cpuprofile`);
    const profiled = await profileDatabase(server);
    const run = await shop.profile(path, () => measure(arena, contestant, count));
    const summary = join(folder, `checkout-${count}.txt`);
    writeProfileSummary({ path, summary, run, database: await profiled() });
    onProgress(`profile of checkout@${count}: ${summary}`);
  }
}
