import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, systemClock, systemRandom, systemTimers } from '#kit/runtime';
import { findFreePort, provisionDatabase, startEmbeddedPostgres } from '#kit/store/embedded';
import type { ServicesConfig } from '../../cli/services.ts';
import { serviceNames } from '../../cli/topology.ts';
import { prepareBaseline } from './checkout/baselines.ts';
import type { ClientWork } from './checkout/client-process.ts';
import type { LoadResult } from './checkout/load.ts';
import { skus } from './checkout/shape.ts';

export interface CheckoutOptions {
  readonly clients: readonly number[];
  readonly rounds: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly onProgress: (line: string) => void;
}

export interface CheckoutRun extends LoadResult {
  /** `checkout`, `hot`, `transaction`, `cte`, `echo`. */
  readonly name: string;
  readonly clients: number;
}

export interface CheckoutReport {
  readonly ratios: Readonly<Record<string, number>>;
  /** Medians over the rounds. */
  readonly runs: readonly CheckoutRun[];
  readonly memory: { readonly idleBytes: number; readonly loadedBytesMax: number };
}

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = { clock: systemClock, timers: systemTimers, random: systemRandom, log: quiet };
const databases = [
  'users',
  'products',
  'inventory',
  'payments',
  'orders',
  'notifications',
  'analytics',
  'log',
  'baseline',
] as const;

/**
 * Complete orders through HTTP and the whole saga beside hand-written SQL for the same order, on one PostgreSQL, in one
 * run. Contestants take turns round by round, so that a noisy neighbour disturbs all alike; figures are medians.
 */
export async function benchCheckout(options: CheckoutOptions): Promise<CheckoutReport> {
  const { clients, rounds, onProgress } = options;
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  // The server may run as another user than this process.
  chmodSync(dataDir, 0o711);
  const postgres = await startEmbeddedPostgres({ dataDir, world });
  let shop: Server | undefined;
  let echo: Server | undefined;
  try {
    const urls = await provisionAll(postgres);
    onProgress('filling the tables');
    await prepareBaseline(urls['baseline'] as string, skus);
    shop = await startServer({ kind: 'shop', services: await shopConfig(urls, dataDir) });
    echo = await startServer({ kind: 'echo' });
    const idleBytes = shop.rssBytes();
    const results = new Map<string, CheckoutRun[]>();
    for (let round = 1; round <= rounds; round++) {
      for (const count of clients) {
        for (const [name, work] of contestants(shop.url, echo.url, urls['baseline'] as string)) {
          const result = await runClients({ ...work, ...options, clients: count, seed: round });
          const key = `${name}@${count}`;
          results.set(key, [...(results.get(key) ?? []), { name, clients: count, ...result }]);
          onProgress(
            `round ${round}/${rounds} ${key.padEnd(16)} ${result.perSec.toFixed(0).padStart(7)}/s  p99 ${result.p99Ms.toFixed(1)} ms`,
          );
        }
      }
    }
    const runs = [...results.values()].map(medianOf);
    return { ratios: ratiosOf(runs, clients), runs, memory: { idleBytes, loadedBytesMax: shop.rssBytesMax() } };
  } finally {
    await shop?.stop();
    await echo?.stop();
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

function contestants(
  shop: string,
  echo: string,
  baseline: string,
): [string, Pick<ClientWork, 'contestant' | 'target' | 'spread'>][] {
  return [
    ['transaction', { contestant: 'transaction', target: baseline, spread: 'uniform' }],
    ['checkout', { contestant: 'holdfast', target: shop, spread: 'uniform' }],
    ['cte', { contestant: 'cte', target: baseline, spread: 'uniform' }],
    ['hot', { contestant: 'holdfast', target: shop, spread: 'hot' }],
    ['echo', { contestant: 'echo', target: echo, spread: 'uniform' }],
  ];
}

function ratiosOf(runs: readonly CheckoutRun[], clients: readonly number[]): Record<string, number> {
  const perSec = (name: string, count: number) =>
    runs.find((run) => run.name === name && run.clients === count)?.perSec ?? Number.NaN;
  const ratios: Record<string, number> = {};
  for (const count of clients) {
    const against = (label: string, name: string, other: string) => {
      ratios[`${label}@${count}`] = Math.round((perSec(name, count) / perSec(other, count)) * 1000) / 1000;
    };
    against('checkout/transaction', 'checkout', 'transaction');
    against('checkout/cte', 'checkout', 'cte');
    against('checkout/echo', 'checkout', 'echo');
    against('hot/uniform', 'hot', 'checkout');
  }
  return ratios;
}

function medianOf(runs: readonly CheckoutRun[]): CheckoutRun {
  return runs.toSorted((a, b) => a.perSec - b.perSec)[runs.length >> 1] as CheckoutRun;
}

async function provisionAll(
  postgres: Awaited<ReturnType<typeof startEmbeddedPostgres>>,
): Promise<Record<string, string>> {
  const urls: Record<string, string> = {};
  for (const name of databases) {
    const database = `holdfast_${name}`;
    const { adminUrl: admin, secrets } = postgres;
    urls[name] = await provisionDatabase({ admin, database, role: database, secrets, random: systemRandom });
  }
  return urls;
}

async function shopConfig(urls: Record<string, string>, dataDir: string): Promise<ServicesConfig> {
  return {
    process: 'bench',
    services: [...serviceNames],
    databases: urls,
    addresses: {},
    public: { host: '127.0.0.1', port: await findFreePort() },
    provider: { kind: 'sandbox' },
    // The provider stands for someone else's computer: its disk is not measured here.
    sandboxJournal: 'memory',
    secrets: { internal: 'bench', keyEncryption: 'bench-bench-bench-bench', sandboxKey: 'bench', webhook: 'bench' },
    dataDir,
  };
}

interface Server {
  readonly url: string;
  rssBytes(): number;
  rssBytesMax(): number;
  stop(): Promise<void>;
}

function startServer(config: object): Promise<Server> {
  const child = spawn(
    process.execPath,
    [...profiling(config), join(import.meta.dirname, 'checkout/server-process.ts')],
    {
      stdio: ['ignore', 2, 2, 'ipc'],
    },
  );
  let rssBytes = 0;
  let rssBytesMax = 0;
  return new Promise((resolve, reject) => {
    child.on('message', (message: { url?: string; rssBytes?: number }) => {
      if (message.rssBytes) {
        rssBytes = message.rssBytes;
        rssBytesMax = Math.max(rssBytesMax, rssBytes);
      }
      if (message.url) {
        resolve({ url: message.url, rssBytes: () => rssBytes, rssBytesMax: () => rssBytesMax, stop: () => end(child) });
      }
    });
    child.once('exit', (code) => reject(new Error(`a server of the benchmark ended with code ${code}`)));
    child.send(config);
  });
}

/** `HOLDFAST_BENCH_PROFILE=dir` writes a CPU profile of the shop there. */
function profiling(config: object): string[] {
  const folder = process.env['HOLDFAST_BENCH_PROFILE'];
  return folder && 'services' in config ? ['--cpu-prof', `--cpu-prof-dir=${folder}`] : [];
}

async function end(child: ChildProcess): Promise<void> {
  child.removeAllListeners('exit');
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.send('stop');
  await ended;
}

function runClients(work: ClientWork & object): Promise<LoadResult> {
  const { contestant, target, spread, clients, seed, warmUpMs, measureMs } = work;
  const plain: ClientWork = { contestant, target, spread, clients, seed, warmUpMs, measureMs };
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'checkout/client-process.ts'), JSON.stringify(plain)],
    {
      stdio: ['ignore', 'pipe', 2],
    },
  );
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(output) as LoadResult);
      else reject(new Error(`the clients of ${contestant} ended with code ${code}`));
    });
  });
}
