import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool, request } from 'undici';
import {
  type Database,
  type Logger,
  type Random,
  seededRandom,
  systemClock,
  systemTimers,
  systemWorld,
} from '#kit/runtime';
import { createDatabase } from '#kit/store';
import { findFreePort } from '#kit/store/embedded';
import type { Movement } from '#services/payments/sandbox';
import { seedCatalogue } from '#services/products';
import { bundledEntry } from '../../cli/bundle/index.ts';
import { createDatabases, type Databases } from '../../cli/database.ts';
import { planProcesses } from '../../cli/plan.ts';
import { loadTopology } from '../../cli/topology.ts';
import { type Accepted, type BookSources, checkBooks, readState, type Violation } from '../checkers/index.ts';
import { type Buyer, buyAll } from './buyers.ts';
import { createOwnTime, type OwnTime } from './own-time.ts';
import { callerOf, type Scenario, serviceOf, sideOf, titleOf } from './points.ts';
import { createLabProcess, type LabProcess } from './processes.ts';

export interface MatrixOptions {
  readonly scenarios: readonly Scenario[];
  readonly seed: number;
  /** Orders under way while something is killed. Default 8. */
  readonly buyers?: number;
  readonly onProgress?: (line: string) => void;
}

export interface ScenarioResult {
  readonly scenario: Scenario;
  /** Whether the moment came and someone was killed. */
  readonly killed: boolean;
  readonly orders: number;
  readonly confirmed: number;
  readonly refused: number;
  readonly tookMs: number;
  /** How long the laboratory was stopped meanwhile: no time that anybody had. */
  readonly stoodStillMs: number;
  readonly violations: readonly Violation[];
}

/** An order must be decided within this, kills and restarts included. */
const patienceMs = 60_000;
const quietWithinMs = 60_000;
const pollMs = 100;

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
const world = systemWorld(silent);
const sleep = (ms: number) => systemTimers.sleep(ms);

/** Kills processes of a real topology at chosen moments, under concurrent orders, and checks the books after each. */
export async function runMatrix(options: MatrixOptions): Promise<ScenarioResult[]> {
  const { scenarios, seed, buyers = 8, onProgress = () => {} } = options;
  const random = seededRandom(seed, 'crash');
  const lab = await startLab();
  const results: ScenarioResult[] = [];
  try {
    for (const [index, scenario] of scenarios.entries()) {
      const result = await runScenario(lab, scenario, drawBuyers(random, `${seed}-${index}`, buyers), random);
      results.push(result);
      onProgress(`${String(index + 1).padStart(3)}/${scenarios.length} ${lineOf(result)}`);
    }
  } finally {
    await lab.stop();
  }
  return results;
}

export function lineOf(result: ScenarioResult): string {
  const { scenario, killed, orders, confirmed, refused, tookMs, stoodStillMs, violations } = result;
  const verdict = violations.length > 0 ? `${violations.length} VIOLATIONS` : killed ? 'ok' : 'ok, moment never came';
  const counts = `${orders} orders: ${confirmed} confirmed, ${refused} refused`;
  const stood = stoodStillMs > 0 ? `, stopped by somebody for ${(stoodStillMs / 1000).toFixed(1)} s of it` : '';
  return `${titleOf(scenario).padEnd(58)} ${counts.padEnd(36)} ${(tookMs / 1000).toFixed(1)} s  ${verdict}${stood}`;
}

const skus = seedCatalogue.flatMap((product) => product.variants.map((variant) => variant.sku));

function drawBuyers(random: Random, prefix: string, count: number): Buyer[] {
  const draw = (n: number) => Math.floor(random.next() * n);
  return Array.from({ length: count }, (_, i) => ({
    key: `crash-${prefix}-${i}`,
    // Few SKUs, so that orders meet at the same rows; some want more than there is, some have no money.
    sku: skus[draw(3)] as string,
    quantity: draw(10) === 0 ? 100_000 : 1 + draw(3),
    method: draw(8) === 0 ? 'pm_card_chargeDeclined' : 'pm_card_visa',
  }));
}

interface Lab {
  readonly gateway: string;
  readonly dispatcher: Pool;
  readonly processes: ReadonlyMap<string, LabProcess>;
  readonly databases: Databases;
  readonly sources: BookSources;
  readonly accepted: Accepted[];
  readonly time: OwnTime;
  /** What to do when a trap has sprung that kills another one. */
  onSprung: () => void;
  onKilled: () => void;
  stop(): Promise<void>;
}

async function runScenario(
  lab: Lab,
  scenario: Scenario,
  buyers: readonly Buyer[],
  random: Random,
): Promise<ScenarioResult> {
  const { operation, moment, victim } = scenario;
  const startMs = systemClock.monotonicMs();
  const stoodMs = lab.time.stoodStillMs();
  const side = sideOf(moment);
  const watcher = processOf(lab, side === 'caller' ? callerOf(operation) : serviceOf(operation));
  let killed = false;
  lab.onKilled = () => {
    killed = true;
  };
  lab.onSprung = () => {
    killed = true;
    void killOther(lab, victim).then(() => watcher.goOn());
  };
  watcher.setTrap({
    service: serviceOf(operation),
    operation: operation.split('.')[1] as string,
    moment,
    nth: 1 + Math.floor(random.next() * 2),
    kill: victim === side ? 'self' : 'other',
  });
  const buying = { ...lab, buyers, patienceMs, sleep, nowMs: lab.time.ranMs };
  const { accepted, gaveUp } = await buyAll(buying);
  lab.accepted.push(...accepted);
  await Promise.all([...lab.processes.values()].map((process) => process.up()));
  const violations: Violation[] = gaveUp.map((key) => ({
    guarantee: 'an order is decided in bounded time',
    detail: `key ${key} had no decision within ${patienceMs} ms`,
  }));
  violations.push(...(await checkWhenQuiet(lab)));
  const repeats = await buyAll(buying);
  violations.push(...checkRepeats(accepted, repeats.accepted));
  const last = new Map(accepted.map((answer) => [answer.key, answer.state]));
  const count = (state: string) => [...last.values()].filter((known) => known === state).length;
  return {
    scenario,
    killed,
    orders: last.size,
    confirmed: count('confirmed'),
    refused: count('refused'),
    tookMs: systemClock.monotonicMs() - startMs,
    stoodStillMs: lab.time.stoodStillMs() - stoodMs,
    violations,
  };
}

function checkRepeats(first: readonly Accepted[], again: readonly Accepted[]): Violation[] {
  const told = new Map(first.map((answer) => [answer.key, answer]));
  return again.flatMap((answer) => {
    const before = told.get(answer.key);
    const same = before?.orderId === answer.orderId && (before.state === undefined || before.state === answer.state);
    if (!before || same) return [];
    return [{ guarantee: 'a repeat with the same key gives the same answer', detail: `key ${answer.key}` }];
  });
}

function processOf(lab: Lab, name: string): LabProcess {
  const found = lab.processes.get(name);
  if (!found) throw new Error(`there is no process ${name}`);
  return found;
}

async function killOther(lab: Lab, victim: Scenario['victim']): Promise<void> {
  if (victim === 'payment-sandbox') {
    processOf(lab, 'payment-sandbox').kill();
    return;
  }
  const pid = lab.databases.pid();
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
}

/** Reads the books until all is at rest, then judges them. What never comes to rest is judged as it stands. */
async function checkWhenQuiet(lab: Lab): Promise<Violation[]> {
  const untilMs = lab.time.ranMs() + quietWithinMs;
  let violations: Violation[] = [];
  for (;;) {
    try {
      violations = checkBooks(await readState(lab.sources), lab.accepted);
      if (violations.length === 0) return [];
    } catch (error) {
      violations = [{ guarantee: 'the system comes back', detail: String(error) }];
    }
    if (lab.time.ranMs() > untilMs) return violations;
    await sleep(pollMs);
  }
}

async function startLab(): Promise<Lab> {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-crash-'));
  chmodSync(dataDir, 0o711);
  const topology = loadTopology(join(import.meta.dirname, 'topology.json'));
  // Made while the database starts. The sources run as well, only slower to start.
  const bundled = bundledEntry('crash').catch(() => join(import.meta.dirname, 'child.ts'));
  const databases = createDatabases({ topology, dataDir, world });
  await databases.start?.();
  const urls = await databases.provision();
  const at = { host: '127.0.0.1', port: await findFreePort() };
  const configs = await planProcesses({
    topology,
    world,
    dataDir,
    public: at,
    databases: () => urls,
    onChange: () => {},
  });
  const pools = ['orders', 'inventory', 'payments', 'log'].map((name): [string, Database] => [
    name,
    createDatabase({ url: urls[name] as string, name, ...world, connectionsMax: 2 }),
  ]);
  const { orders, inventory, payments, log } = Object.fromEntries(pools);
  const sandboxConfig = configs.find(({ services }) => services.includes('payment-sandbox'));
  const entry = await bundled;
  const gateway = `http://${at.host}:${at.port}`;
  const dispatcher = new Pool(gateway, { connections: 32 });
  const lab: Lab = {
    gateway,
    dispatcher,
    databases,
    accepted: [],
    time: createOwnTime(world),
    processes: new Map(
      configs.map((config) => {
        const process = createLabProcess({
          world,
          entry,
          config: { ...config, recovery: { breakerOpenMs: 500, sagaLeaseMs: 1_000 } },
          onSprung: () => lab.onSprung(),
          onKilled: () => lab.onKilled(),
        });
        return [config.process, process];
      }),
    ),
    sources: {
      orders: orders as Database,
      inventory: inventory as Database,
      payments: payments as Database,
      log: log as Database,
      provider: () =>
        readLedger(`http://127.0.0.1:${sandboxConfig?.sandbox?.port}`, sandboxConfig?.secrets.sandboxKey ?? ''),
    },
    onSprung: () => {},
    onKilled: () => {},
    async stop() {
      lab.time.stop();
      for (const process of [...lab.processes.values()].toReversed()) await process.stop();
      await dispatcher.destroy();
      await Promise.all(pools.map(([, pool]) => pool.close()));
      await databases.stop?.();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
  await Promise.all([...lab.processes.values()].map((process) => process.start()));
  return lab;
}

async function readLedger(origin: string, key: string): Promise<Movement[]> {
  const reply = await request(`${origin}/sandbox/ledger`, { headers: { authorization: `Bearer ${key}` } });
  const text = await reply.body.text();
  if (reply.statusCode !== 200) throw new Error(`the provider's ledger answers ${reply.statusCode}`);
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Movement);
}
