import type { World } from '#kit/runtime';
import { createSession } from '../../cli/session.ts';
import type { Topology } from '../../cli/topology.ts';
import type { Evidence, Violation } from '../checkers/index.ts';
import { createOwnTime } from '../crash/own-time.ts';
import { type CheckResult, checkWhenQuiet } from './checks.ts';
import type { Fault, Shape } from './faults/fault.ts';
import { type FaultRecord, runNemesis } from './nemesis.ts';
import { type Rig, removeDataDir, startRig } from './rig.ts';
import { drawSchedule, type PlannedFault } from './schedule.ts';
import { readingOf } from './seams.ts';
import { createTeller, type Status } from './status.ts';
import { waysOf } from './wiring.ts';
import { createWorkload, type Operation, type Workload } from './workload.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly forMs: number;
  readonly topology: Topology;
  readonly faults: readonly Fault[];
  readonly world: World;
  readonly clients?: number;
  readonly bug?: string;
  /** What happens, for people. */
  readonly onProgress?: (text: string) => void;
  /** Where it stands, a few times a second. */
  readonly onStatus?: (status: Status) => void;
  /** Ends the run early: all is healed and stopped, and the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

export interface ChaosResult {
  readonly ok: boolean;
  readonly seed: number;
  readonly forMs: number;
  readonly topology: string;
  readonly schedule: readonly PlannedFault[];
  readonly faults: readonly FaultRecord[];
  /** What each check is called, and how many facts it looked at. */
  readonly checks: Readonly<Record<string, number>>;
  readonly orders: { readonly accepted: number; readonly confirmed: number; readonly refused: number };
  readonly violations: readonly Violation[];
  readonly operations: readonly Operation[];
  /** What was judged: the recorded history and what was left. */
  readonly evidence?: Evidence;
  /** From the last heal until everything was decided and at rest. */
  readonly quietAfterMs: number;
  /** Kept when something was violated; otherwise gone. */
  readonly dataDir: string;
}

/** Recovery from anything takes less; on a machine that is busy with other things too. */
const upWithinMs = 120_000;
const warmWithinMs = 60_000;
const settleWithinMs = 120_000;
const quietWithinMs = 120_000;
/** Clients work until a planted bug has struck so often: what it did to one order may be undone by what comes later. */
const plantedStrikesMin = 3;
const plantedWithinMs = 120_000;
const plantedLookEveryMs = 100;

/** What faults can be aimed at, without starting anything. */
export function shapeOf({ processes }: Topology): Shape {
  const plain = processes.flatMap(({ name, runs, instances }) =>
    Array.from({ length: instances }, (_, index) => ({
      process: instances === 1 ? name : `${name}-${index + 1}`,
      services: runs,
    })),
  );
  return {
    processes: plain.map(({ process, services }) => ({ name: process, services })),
    ways: waysOf(plain),
  };
}

export function planChaos({ seed, forMs, topology, faults }: ChaosOptions): PlannedFault[] {
  const shape = shapeOf(topology);
  return drawSchedule({
    seed,
    forMs,
    faults: faults.map((fault) => ({ ...fault, targets: fault.targets(shape) })),
  });
}

/** Starts a topology, works and breaks things, heals, waits for quiet, and judges. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { world, onProgress: say = () => {} } = options;
  const time = createOwnTime(world);
  try {
    const result = await runTimed({
      ...options,
      world: { ...world, clock: { ...world.clock, monotonicMs: time.ranMs } },
    });
    const stoodSec = Math.round(time.stoodStillMs() / 1000);
    if (stoodSec > 0) say(`the laboratory itself was stopped by somebody for ${stoodSec} s, which do not count`);
    return result;
  } finally {
    time.stop();
  }
}

async function runTimed(options: ChaosOptions): Promise<ChaosResult> {
  const { onProgress = () => {} } = options;
  onProgress(`starting ${options.topology.name}`);
  const rig = await startRig(options);
  let result: ChaosResult | undefined;
  try {
    result = await runOn(rig, options, onProgress);
    return result;
  } finally {
    await rig.stop();
    if (result?.ok || options.signal?.aborted) removeDataDir(rig);
  }
}

async function runOn(rig: Rig, options: ChaosOptions, say: (text: string) => void): Promise<ChaosResult> {
  const { seed, forMs, world, faults, clients, signal = new AbortController().signal } = options;
  signal.throwIfAborted();
  const tokens = createSession({ origin: rig.origin, ...rig.admin, clock: world.clock });
  const startedMs = world.clock.monotonicMs();
  const { origin } = rig;
  const workload = createWorkload({ origin, seed, world, tokens, startedMs, ...(clients ? { clients } : {}) });
  const schedule = planChaos(options);
  const teller = createTeller({
    world,
    forMs,
    planned: schedule.length,
    work: () => ({ calls: workload.operations.length, accepted: workload.accepted.size }),
    say,
    show: options.onStatus ?? (() => {}),
  });
  const nemesis = Promise.race([workload.underWay, world.timers.sleep(warmWithinMs)]).then(() => {
    teller.enter('breaking');
    return runNemesis({ rig, seed, schedule, faults, startedMs, onChange: teller.tell, signal });
  });
  // What takes longer to be felt makes the run longer, so clients work until all faults are healed.
  const planted = options.bug === undefined ? [] : [untilPlantedStruck(rig, signal)];
  const over = Promise.allSettled([nemesis, world.timers.sleep(forMs, signal), ...planted]).then(() => {});
  await workload.run(over);
  const records = await nemesis;
  signal.throwIfAborted();
  teller.enter('waiting for quiet');
  const healedMs = world.clock.monotonicMs();
  const judged = await Promise.race([judge(rig, workload), whenAborted(signal)]);
  const quietAfterMs = world.clock.monotonicMs() - healedMs;
  await workload.close();
  await tokens.close().catch(() => {});
  teller.end();
  const violations = [...judged.violations, ...checkFaults(records, schedule)];
  return {
    ok: violations.length === 0,
    seed,
    forMs,
    topology: options.topology.name,
    schedule,
    faults: records,
    checks: judged.checks,
    orders: countOrders(workload),
    violations,
    operations: workload.operations,
    ...(judged.evidence ? { evidence: judged.evidence } : {}),
    quietAfterMs,
    dataDir: rig.dataDir,
  };
}

/** A planted bug that has done nothing can't be found, however good the checkers are. */
async function untilPlantedStruck({ world, processes }: Rig, signal: AbortSignal): Promise<void> {
  const untilMs = world.clock.monotonicMs() + plantedWithinMs;
  const strikes = () =>
    [...processes.values()].reduce((sum, { readingsFile }) => sum + (readingOf(readingsFile)?.struck ?? 0), 0);
  while (strikes() < plantedStrikesMin && world.clock.monotonicMs() < untilMs) {
    await world.timers.sleep(plantedLookEveryMs, signal);
  }
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

async function judge(rig: Rig, workload: Workload): Promise<CheckResult> {
  const violations: Violation[] = [];
  await rig.allUp(upWithinMs).catch((error: Error) => {
    violations.push({ guarantee: 'the system comes back', detail: error.message });
  });
  const undecided = await workload.settle(settleWithinMs);
  for (const key of undecided) {
    const detail = `key ${key} had no decision ${settleWithinMs} ms after the last fault`;
    violations.push({ guarantee: 'an order is decided in bounded time', detail });
  }
  await workload.replay();
  const judged = await checkWhenQuiet(rig.sources, workload.operations, rig.world, quietWithinMs);
  return { ...judged, violations: [...violations, ...judged.violations] };
}

/**
 * A run that broke nothing proves nothing: of each class that was planned, somebody must have felt something. One kind
 * of several may miss, for another fault can hide it; the report says so.
 */
function checkFaults(records: readonly FaultRecord[], schedule: readonly PlannedFault[]): Violation[] {
  const guarantee = 'faults were injected and felt';
  if (schedule.length === 0) return [{ guarantee, detail: 'nothing was planned: give more time or more faults' }];
  const violations: Violation[] = [];
  for (const of of new Set(records.map((record) => record.class))) {
    const ofClass = records.filter((record) => record.class === of);
    if (ofClass.some(({ effects }) => effects > 0)) continue;
    const tried = ofClass.map(({ fault, failed }) => (failed === undefined ? fault : `${fault} (${failed})`));
    violations.push({ guarantee, detail: `nothing of the class ${of} had an effect: ${tried.join(', ')}` });
  }
  return violations;
}

function countOrders({ accepted }: Workload): ChaosResult['orders'] {
  const count = (state: string) => [...accepted.values()].filter((known) => known === state).length;
  return { accepted: accepted.size, confirmed: count('confirmed'), refused: count('refused') };
}
