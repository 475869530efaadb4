import { inColumns } from '../../cli/columns.ts';
import type { RunResult } from './run.ts';

const headings = ['workload', 'rounds', 'statements', 'interleaved', 'blocked', 'retried', 'errors', ''];

/** One line a workload. */
export function tableOf(results: readonly RunResult[]): string {
  const rows = results.map(({ workload, rounds, counts, failure }) => [
    workload,
    ...[rounds, counts.statements, counts.interleaved, counts.blocked, counts.retries].map(String),
    Object.entries(counts.errors)
      .map(([state, count]) => `${state} ${count}`)
      .join(', ') || '–',
    failure ? 'VIOLATED' : 'ok',
  ]);
  return inColumns([headings, ...rows], 1).join('\n');
}

/** What a workload counted besides; empty where it did not. */
export function factsOf({ workload, facts }: RunResult): string {
  const lines = Object.entries(facts).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return lines.length === 0 ? '' : [`${workload} saw`, ...lines.map(([fact, n]) => `  ${fact} ${n}`)].join('\n');
}

const violationsShown = 5;

/** What broke, the last steps before, and how to see it again. */
export function failureOf({ workload, failure }: RunResult, steps = 25): string {
  if (!failure) return '';
  const { round, violations, trace, replay } = failure;
  const lines = violations.slice(0, violationsShown).map(({ promise, detail }) => `  ${promise}: ${detail}`);
  const more = violations.length > violationsShown ? [`  … and ${violations.length - violationsShown} more`] : [];
  const schedule = trace.slice(-steps).map((line) => `    ${line}`);
  return [
    `${workload}, round ${round}:`,
    ...lines,
    ...more,
    '  the last steps:',
    ...schedule,
    `  again: ${replay}`,
  ].join('\n');
}
