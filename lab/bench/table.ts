import { styleText } from 'node:util';
import { inColumns } from '../../cli/columns.ts';
import { short, sign } from './chart.ts';
import type { Bar, Report } from './report.ts';

type Style = Parameters<typeof styleText>[0];

/** The report for people; `styleText` leaves colours out where the terminal, or NO_COLOR, doesn't want them. */
export function tableOf({ bench, runs, table, ratios, bars, machine }: Report): string {
  const [before, after] = machine.loadAverage;
  const isCpuKnown = runs.some((run) => run.cpuMsEach !== undefined);
  const lines = [
    paint('bold', bench),
    `${machine.cpus} cores, load average ${before} before and ${after} after, ${machine.seconds} s`,
    '',
  ];
  if (runs.length > 0) {
    lines.push(
      ...aligned([
        ['', 'clients', 'per second', 'p50 ms', 'p99 ms', ...(isCpuKnown ? ['cpu ms each'] : [])],
        ...runs.map((run) => [
          ...[run.name, String(run.clients), short(run.perSec), short(run.p50Ms), short(run.p99Ms)],
          ...(isCpuKnown ? [short(run.cpuMsEach ?? Number.NaN)] : []),
        ]),
      ]),
      '',
    );
  }
  if (table) lines.push(...aligned([table.head, ...table.rows.map((row) => row.map(String))]), '');
  if (Object.keys(ratios).length > 0) {
    lines.push(...aligned([['ratio', ''], ...Object.entries(ratios).map(([name, value]) => [name, short(value)])]), '');
  }
  lines.push(...aligned(bars.map(verdictOf)));
  return `${lines.join('\n')}\n`;
}

function verdictOf(bar: Bar): string[] {
  const verdict = bar.ok
    ? paint('green', 'reached')
    : bar.kind === 'goal'
      ? paint('yellow', 'not yet')
      : paint('red', 'missed');
  return [
    bar.name,
    `${short(bar.value)} ${bar.unit}`,
    `${bar.kind} ${sign(bar)} ${short(bar.limit)} ${bar.unit}`,
    verdict,
  ];
}

const paint = (style: Style, text: string): string => styleText(style, text, { stream: process.stdout });

/** Names to the left, figures to the right. */
const aligned = (rows: readonly (readonly string[])[]): string[] => inColumns(rows, 1);
