import { availableParallelism } from 'node:os';
import { type Bug, bugSeedsMax } from './bugs/index.ts';
import { runInProcesses, type Work } from './processes.ts';
import { livenessMsWithBug } from './run.ts';

/** What became of one planted bug. */
export interface Finding {
  readonly bug: string;
  /** The seed that found it. Undefined: none of the first `bugSeedsMax` does. */
  readonly seed: number | undefined;
  /** The checks that it broke. */
  readonly violated: readonly string[];
  /** The same run without the bug breaks nothing: so it was the bug that was found. */
  readonly isCleanWithout: boolean;
}

export const isFound = ({ seed, isCleanWithout }: Finding): boolean => seed !== undefined && isCleanWithout;

/** Tries the seed that found the bug last, then all from 1 on, until one finds it. */
export function* huntBug({ name: bug, foundAt = 1 }: Bug): Work<Finding> {
  const seeds = Array.from({ length: bugSeedsMax }, (_, i) => i + 1);
  for (const seed of [foundAt, ...seeds.filter((other) => other !== foundAt)]) {
    const { violations } = yield { seed, bug };
    if (violations.length === 0) continue;
    const without = yield { seed, bug, isSpared: true };
    // Whether it is the bug for which it takes so long can't be told from a run that takes as long without it.
    if (without.violations.length === 0 && (without.quietAfterMs ?? Infinity) > livenessMsWithBug) continue;
    const violated = [...new Set(violations.map(({ check }) => check))];
    return { bug, seed, violated, isCleanWithout: without.violations.length === 0 };
  }
  return { bug, seed: undefined, violated: [], isCleanWithout: false };
}

export interface HuntOptions {
  readonly bugs: readonly Bug[];
  /** Processes. Default: one a core. */
  readonly workers?: number;
  readonly onFinding?: (finding: Finding) => void;
}

/** Hunts all of them, on all cores. Findings are in the order of `bugs`. */
export async function huntBugs({ bugs, workers, onFinding }: HuntOptions): Promise<Finding[]> {
  const queue = [...bugs];
  const findings = new Map<string, Finding>();

  function* takeBugs(): Work {
    for (let bug = queue.shift(); bug; bug = queue.shift()) {
      const finding = yield* huntBug(bug);
      findings.set(bug.name, finding);
      onFinding?.(finding);
    }
  }
  await runInProcesses(Array.from({ length: workers ?? availableParallelism() }, takeBugs));
  return bugs.flatMap(({ name }) => findings.get(name) ?? []);
}
