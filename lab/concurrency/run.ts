import { hash } from 'node:crypto';
import type { Bug } from './bugs/index.ts';
import { addCounts, type Counts, newCounts } from './counts.ts';
import { realParts } from './parts.ts';
import type { Rig, Violation } from './rig.ts';
import type { Workload } from './workload.ts';

export interface RunOptions {
  readonly rig: Rig;
  readonly workload: Workload;
  readonly seed: number;
  /** Rounds from `firstRound` on. */
  readonly rounds: number;
  /** Default 1. */
  readonly firstRound?: number;
  readonly bug?: Bug | undefined;
}

export interface RunResult {
  readonly workload: string;
  readonly rounds: number;
  readonly counts: Counts;
  /** What a workload counted besides. */
  readonly facts: Readonly<Record<string, number>>;
  /** Of the first round that broke a promise; the rounds after it are not run. */
  readonly failure: Failure | undefined;
  /** Of the schedules of all rounds: the same for the same seed where nothing outside decided (see README). */
  readonly digest: string;
}

export interface Failure {
  readonly round: number;
  readonly violations: readonly Violation[];
  /** The command that shows it again. */
  readonly replay: string;
  /** What ran when, newest last. */
  readonly trace: readonly string[];
}

/** Rounds of one workload, until one breaks a promise. */
export async function runWorkload(options: RunOptions): Promise<RunResult> {
  const { rig, workload, rounds, bug, firstRound = 1 } = options;
  const counts = newCounts();
  const rewrittenBefore = rig.rewritten;
  const facts: Record<string, number> = {};
  const digests: string[] = [];
  let failure: Failure | undefined;
  let round = firstRound;
  for (; round < firstRound + rounds && !failure; round++) {
    const outcome = await runRound(options, round);
    addCounts(counts, outcome.counts);
    for (const [fact, count] of Object.entries(outcome.facts)) facts[fact] = (facts[fact] ?? 0) + count;
    digests.push(outcome.trace.join('\n'));
    const { violations, trace } = outcome;
    // A planted bug may break something else first: on to the round in which it breaks what it stands for.
    const isFound = violations.some(({ promise }) => bug?.breaks.test(promise) ?? true);
    if (isFound) failure = { round, violations, trace, replay: replayOf(options, round) };
  }
  const done = round - firstRound;
  if (bug?.rewrite && rig.rewritten === rewrittenBefore) {
    throw new Error(`${bug.name}: no statement matched; production has changed, so the planted bug has to`);
  }
  if (!failure && counts.interleaved === 0) {
    const detail = `${counts.statements} statements in ${done} rounds, none while another transaction was open`;
    const violations = [{ promise: 'sessions overlap', detail }];
    failure = { round: firstRound, violations, trace: [], replay: replayOf(options, firstRound) };
  }
  return {
    workload: workload.name,
    rounds: done,
    counts,
    facts,
    failure,
    digest: hash('sha256', digests.join('\n\n')),
  };
}

async function runRound({ rig, workload, seed, bug }: RunOptions, number: number) {
  await rig.empty(workload.tables);
  const round = rig.beginRound({
    seed: `${seed}/${workload.name}/${number}`,
    number,
    parts: { ...realParts, ...bug?.parts },
    rewrite: bug?.rewrite,
  });
  try {
    await workload.round(round);
  } catch (error) {
    throw new Error(`${workload.name}, round ${number} of seed ${seed}: ${(error as Error).message}`, { cause: error });
  }
  const deadlocks = round.counts.errors['40P01'] ?? 0;
  if (deadlocks > 0 && workload.isFreeOfDeadlocks !== false) {
    round.violate('no deadlocks: rows are locked in one order', `${deadlocks} transactions were ended with 40P01`);
  }
  return { facts: round.facts, counts: round.counts, violations: round.violations, trace: [...rig.scheduler.trace] };
}

function replayOf({ workload, seed, bug }: RunOptions, round: number): string {
  const planted = bug ? ` --bug ${bug.name}` : '';
  return `node lab/concurrency/main.ts --seed ${seed} --only ${workload.name} --round ${round}${planted}`;
}
