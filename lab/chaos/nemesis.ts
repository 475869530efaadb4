import { seededRandom } from '#kit/runtime';
import type { Fault, FaultClass, Injection } from './faults/fault.ts';
import type { Rig } from './rig.ts';
import type { PlannedFault } from './schedule.ts';

/** A planned fault as it went. Times are milliseconds since the run began. */
export interface FaultRecord extends PlannedFault {
  readonly class: FaultClass;
  readonly detail: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly effects: number;
  /** Why it could not be injected or healed. */
  readonly failed?: string;
}

/** A fault has come, or gone. */
export interface FaultChange {
  readonly planned: PlannedFault;
  readonly state: 'injected' | 'healed';
  readonly detail: string;
}

export interface NemesisOptions {
  readonly rig: Rig;
  readonly seed: number;
  readonly schedule: readonly PlannedFault[];
  readonly faults: readonly Fault[];
  readonly onChange: (change: FaultChange) => void;
  /** When the run began, on the monotonic clock: what the times of the records count from. */
  readonly startedMs: number;
  /** Ends it early: what is in force is healed at once. */
  readonly signal: AbortSignal;
}

/** A fault that nobody has felt yet is kept up for so long. */
const biteWithinMs = 30_000;
const lookEveryMs = 100;

/** Injects what is planned when its time has come, and heals it. Resolves when all is healed. */
export async function runNemesis(options: NemesisOptions): Promise<FaultRecord[]> {
  const { rig, schedule, startedMs, signal } = options;
  const { clock, timers } = rig.world;
  const sinceStart = () => clock.monotonicMs() - startedMs;
  const records = await Promise.all(
    schedule.map(async (planned) => {
      await timers.sleep(planned.atMs, signal).catch(() => {});
      return signal.aborted ? [] : [await strike(options, planned, sinceStart)];
    }),
  );
  return records.flat().toSorted((a, b) => a.startMs - b.startMs);
}

async function strike(
  { rig, seed, faults, onChange, signal }: NemesisOptions,
  planned: PlannedFault,
  sinceStart: () => number,
): Promise<FaultRecord> {
  const { timers } = rig.world;
  const fault = faults.find(({ name }) => name === planned.fault) as Fault;
  const startMs = sinceStart();
  const record = { ...planned, class: fault.class, detail: '', startMs, effects: 0 };
  let injection: Injection | undefined;
  let isHealed = false;
  const heal = async () => {
    if (isHealed) return;
    isHealed = true;
    await injection?.heal();
  };
  try {
    injection = await fault.inject(rig, planned.target, seededRandom(seed, `fault ${planned.index}`));
    const { detail = '', effects } = injection;
    onChange({ planned, state: 'injected', detail });
    // Some effects can be seen only while they last, of others more are seen later: the most counts.
    let felt = await effects();
    await timers.sleep(planned.durationMs, signal);
    const untilMs = sinceStart() + biteWithinMs;
    for (;;) {
      felt = Math.max(felt, await effects());
      if (felt > 0 || sinceStart() > untilMs) break;
      await timers.sleep(lookEveryMs, signal);
    }
    await heal();
    onChange({ planned, state: 'healed', detail });
    return { ...record, detail, endMs: sinceStart(), effects: Math.max(felt, await effects()) };
  } catch (error) {
    if (injection) {
      await heal();
      onChange({ planned, state: 'healed', detail: '' });
    }
    return { ...record, endMs: sinceStart(), failed: (error as Error).message };
  }
}
