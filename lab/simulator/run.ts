import type { Evidence } from '#lab/checkers';
import type { Bug } from './bugs/index.ts';
import { checks, isQuiet } from './checks.ts';
import { planOf } from './conditions.ts';
import type { Counts } from './counters.ts';
import type { DatabaseServer } from './database-server.ts';
import { collectFacts } from './facts.ts';
import { createHistory } from './history.ts';
import { createNemesis } from './nemesis.ts';
import type { Image } from './pglite/image.ts';
import type { Session } from './pglite/session.ts';
import type { DatabaseName, Plan } from './plan.ts';
import { createShop } from './shop.ts';
import { createSimulation, type Simulation, startMs, type Violation } from './simulation.ts';
import type { TraceEvent } from './trace.ts';
import { createWorkload } from './workload.ts';

export interface RunOptions {
  readonly seed: number;
  readonly images: ReadonlyMap<string, Image>;
  /** Default: the one drawn from the seed, under the conditions of the bug. */
  readonly plan?: Plan;
  readonly bug?: Bug;
  readonly keepTrace?: boolean;
  /** Told of all that the checks will look at, when all is quiet. */
  readonly onEvidence?: (evidence: Evidence) => void;
  /** Told of each database when all is over, before the next run wipes it. */
  readonly onDatabase?: (name: DatabaseName, session: Session) => void;
}

export interface RunResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** Of everything that happened and everything that is left. */
  readonly digest: string;
  readonly faults: Counts;
  /** What each check looked at. */
  readonly checks: Counts;
  readonly eventCount: number;
  readonly statementCount: number;
  readonly orders: { readonly accepted: number; readonly confirmed: number; readonly refused: number };
  /** How long after the last fault everything had ended. Undefined: it never did. */
  readonly quietAfterMs: number | undefined;
  readonly simulatedMs: number;
  readonly trace: readonly TraceEvent[];
}

/** All that is left to do after the faults have ended has to be done within this: leases, backoffs, look-ups. A mail's lease is a minute. */
const livenessMsDefault = 150_000;
/**
 * The same with a planted bug: half of them leave something that never ends, and to watch it for longer shows no more. Whoever
 * hunts one makes sure that the same run without it ends within this; nearly all do, a mail's lease included.
 */
export const livenessMsWithBug = 75_000;
const repeatsMs = 30_000;
const quietPollMs = 1_000;
/** Repeats come late: after every key sweep there is. */
const repeatAfterMs = 65_000;

/** One seed: safety phase, liveness phase, repeats, checks. */
export async function runSeed(options: RunOptions): Promise<RunResult> {
  const { seed, images, bug, keepTrace = false } = options;
  const plan = options.plan ?? planOf(seed, bug?.conditions);
  const simulation = createSimulation(seed, { keepTrace });
  const { world, trace } = simulation;
  const stopListening = listenForRejections((reason) =>
    simulation.violate('no promise fails unheard', String((reason as Error)?.stack ?? reason)),
  );
  try {
    const history = createHistory();
    const hooks = bug?.hooks?.(simulation) ?? {};
    const shop = await createShop({ simulation, plan, images, hooks, history });
    const { shoppers, network, databases, nodes, sandbox, mail } = shop;
    const nemesis = createNemesis({ simulation, network, nodes, databases, restart: shop.restart });
    const transport = network.transportOf(shoppers);
    const clientTransport = bug?.client?.(transport, simulation) ?? transport;
    const { gateway, products } = plan.storefront;
    const workload = createWorkload({
      ...{ simulation, shoppers, transport: clientTransport, history, merchants: shop.merchants },
      hasDoor: gateway > 0,
    });
    nemesis.plan(plan.nemesis);
    workload.start({ ...plan, makesProducts: products > 0 });
    await advanceWithRecoveries(simulation, plan, databases);
    nemesis.heal();
    sandbox.faults.set([]);

    const facts = () =>
      collectFacts({
        ...{ databases, sandbox, mail, attempts: history.attempts, plan },
        ...{ errands: workload.errands, news: shop.newsroom.news },
        ...{ merchants: shop.merchants, doorBook: shop.doorBook },
      });
    /** False when that takes longer. */
    const untilQuiet = async (limitMs: number): Promise<boolean> => {
      const endMs = world.nowMs + limitMs;
      while (world.nowMs < endMs) {
        await world.advance(quietPollMs);
        if (workload.open === 0 && shop.newsroom.open === 0 && isQuiet(facts())) return true;
      }
      return false;
    };
    const healedMs = world.nowMs;
    let quietAfterMs: number | undefined;
    if (await untilQuiet(plan.livenessMs ?? (bug ? livenessMsWithBug : livenessMsDefault))) {
      quietAfterMs = world.nowMs - healedMs;
      if (plan.lateRepeats) await world.advance(Math.max(0, repeatAfterMs - (world.nowMs - startMs)));
      workload.repeatAll();
      await untilQuiet(repeatsMs);
    }
    if (workload.open > 0) simulation.violate('everything ends', `${workload.open} operations are still waiting`);

    const last = { ...facts() };
    options.onEvidence?.(last);
    const looked: Record<string, number> = {};
    for (const check of checks) {
      const size = check.size(last);
      if (size > 0) looked[check.name] = size;
      for (const detail of check.find(last)) simulation.violate(check.name, detail);
    }
    for (const { database, row } of last.tables)
      trace.event({ atMs: world.nowMs, kind: 'check', node: database, text: row });
    let statementCount = 0;
    for (const [name, { session }] of databases) {
      statementCount += session.callCount;
      options.onDatabase?.(name, session);
    }
    return {
      seed,
      violations: simulation.violations,
      digest: trace.digest(),
      faults: Object.fromEntries([...simulation.faults.counts].sort()),
      checks: looked,
      eventCount: world.eventCount,
      statementCount,
      orders: {
        accepted: last.orders.length,
        confirmed: last.orders.filter(({ state }) => state !== 'refused' && state !== 'received').length,
        refused: last.orders.filter(({ state }) => state === 'refused').length,
      },
      quietAfterMs,
      simulatedMs: world.nowMs - startMs,
      trace: trace.events,
    };
  } finally {
    stopListening();
  }
}

/** The safety phase. A server that is killed recovers in real time, so virtual time stands still meanwhile. */
async function advanceWithRecoveries(
  { world }: Simulation,
  { safetyMs, nemesis }: Plan,
  databases: ReadonlyMap<string, DatabaseServer>,
): Promise<void> {
  const crashes = nemesis.filter(({ kind, atMs }) => kind === 'database-crash' && atMs <= safetyMs);
  for (const { atMs } of crashes.sort((a, b) => a.atMs - b.atMs)) {
    await world.advance(Math.max(0, atMs - (world.nowMs - startMs)));
    for (const server of databases.values()) if (server.isKilled) await server.recover();
  }
  await world.advance(safetyMs - (world.nowMs - startMs));
}

function listenForRejections(onRejection: (reason: unknown) => void): () => void {
  process.on('unhandledRejection', onRejection);
  return () => void process.off('unhandledRejection', onRejection);
}
