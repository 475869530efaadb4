import { hash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { addCounts, type Counts } from './counters.ts';
import { runInProcesses, type Work } from './processes.ts';
import type { RunResult } from './run.ts';

export interface RunSeedsOptions {
  readonly from: number;
  /** Last seed. Default: until `until` says stop. */
  readonly to?: number;
  readonly bug?: string;
  /** Processes. Default: one a core, at most one for every four seeds. */
  readonly workers?: number;
  /** Asked before each seed: true ends the run. */
  readonly isOver?: () => boolean;
  /** Ends the run at the first failing seed. */
  readonly stopAtFailure?: boolean;
  readonly onResult?: (result: RunResult) => void;
}

export interface SeedsResult {
  readonly seeds: number;
  readonly failed: readonly { readonly seed: number; readonly violated: readonly string[] }[];
  /** Of all runs, in order of seed: the same for the same seeds and code, however many processes ran them. */
  readonly digest: string;
  readonly faults: Counts;
  readonly checks: Counts;
  readonly orders: Counts;
  readonly events: number;
  readonly statements: number;
  readonly simulatedMs: number;
}

/** Runs a range of seeds on all cores. Results come in any order; what is made of them doesn't depend on it. */
export async function runSeeds(options: RunSeedsOptions): Promise<SeedsResult> {
  const { from, to = Number.POSITIVE_INFINITY, bug, isOver, stopAtFailure = false, onResult } = options;
  const wanted = Math.min(availableParallelism(), Math.max(1, Math.ceil((to - from + 1) / 4)));
  const results = new Map<number, RunResult>();
  let next = from;
  let stopped = false;

  /** Takes the next seed that nobody else has taken. */
  function* takeSeeds(): Work {
    while (!stopped && next <= to && !isOver?.()) {
      const result = yield { seed: next++, bug };
      results.set(result.seed, result);
      if (stopAtFailure && result.violations.length > 0) stopped = true;
      onResult?.(result);
    }
  }
  await runInProcesses(Array.from({ length: options.workers ?? wanted }, takeSeeds));
  return summarise([...results.values()].sort((a, b) => a.seed - b.seed));
}

export function summarise(results: readonly RunResult[]): SeedsResult {
  const sum = (of: (result: RunResult) => number) => results.reduce((total, result) => total + of(result), 0);
  const counts = (of: (result: RunResult) => Counts) =>
    results.reduce<Counts>((total, result) => addCounts(total, of(result)), {});
  return {
    seeds: results.length,
    failed: results
      .filter(({ violations }) => violations.length > 0)
      .map(({ seed, violations }) => ({ seed, violated: [...new Set(violations.map(({ check }) => check))] })),
    digest: digestOf(results),
    faults: counts(({ faults }) => faults),
    checks: counts(({ checks }) => checks),
    orders: counts(({ orders }) => orders),
    events: sum(({ eventCount }) => eventCount),
    statements: sum(({ statementCount }) => statementCount),
    simulatedMs: sum(({ simulatedMs }) => simulatedMs),
  };
}

function digestOf(results: readonly RunResult[]): string {
  return hash('sha256', results.map(({ seed, digest }) => `${seed} ${digest}`).join('\n')).slice(0, 16);
}
