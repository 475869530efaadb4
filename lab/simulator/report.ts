import { styleText } from 'node:util';
import type { RunResult } from './run.ts';
import type { SeedsResult } from './runner.ts';
import type { TraceEvent, TraceKind } from './trace.ts';

/** A run that injected nothing has shown nothing: that is a failure too. */
export const isFailure = ({ failed, faults }: Pick<SeedsResult, 'failed' | 'faults'>): boolean =>
  failed.length > 0 || Object.keys(faults).length === 0;

/** What a person reads at the end. */
export function reportText(result: SeedsResult, wallMs: number): string {
  const lines: string[] = [];
  const seconds = wallMs / 1000;
  const perSeed = result.seeds > 0 ? Math.round(wallMs / result.seeds) : 0;
  lines.push(
    `${result.seeds} seeds in ${seconds.toFixed(1)} s (${perSeed} ms each, ` +
      `${Math.round((result.seeds / seconds) * 60)} a minute), ` +
      `${(result.simulatedMs / 1000 / seconds).toFixed(0)} simulated seconds a second`,
    `${result.events} events, ${result.statements} SQL statements, digest ${result.digest}`,
    `orders: ${Object.entries(result.orders)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')}`,
    '',
    table('faults injected', result.faults),
    '',
    table('checks made', result.checks),
  );
  if (Object.keys(result.faults).length === 0) lines.push('', 'No fault was injected: this run has shown nothing.');
  if (result.failed.length > 0) {
    lines.push('', styleText('red', `${result.failed.length} seeds failed:`));
    for (const { seed, violated } of result.failed) lines.push(`  seed ${seed}: ${violated.join('; ')}`);
  }
  return lines.join('\n');
}

function table(title: string, counts: Readonly<Record<string, number>>): string {
  const rows = Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1));
  const width = Math.max(title.length, ...rows.map(([name]) => name.length));
  return [
    title.padEnd(width),
    ...rows.map(([name, count]) => `${name.padEnd(width)}  ${String(count).padStart(8)}`),
  ].join('\n');
}

const storyKinds: ReadonlySet<TraceKind> = new Set(['client', 'message', 'lost', 'fault', 'node', 'provider']);
const storyLinesMax = 60;

/** What was violated, how it came to that in as few events as were found, and the command that shows everything. */
export function failureText({ seed, violations, trace }: RunResult, replay: string): string {
  // That everybody starts is no news.
  const told = trace.filter(({ kind, atMs }) => kind !== 'node' || atMs > 0);
  const story = told.filter(({ kind, text }) => storyKinds.has(kind) || text.startsWith('VIOLATED'));
  const left = story.length - storyLinesMax;
  const head = left > 0 ? story.slice(0, storyLinesMax / 2) : story;
  const tail = left > 0 ? story.slice(-storyLinesMax / 2) : [];
  return [
    ...violations.map(({ check, detail }) => `${styleText('red', 'violated')} ${check}: ${detail}`),
    '',
    `The shortest run of seed ${seed} that was found (milliseconds, what, where):`,
    transcript(head),
    ...(left > 0 ? [`          … ${left} more`, transcript(tail)] : []),
    '',
    `Replay: ${replay}`,
  ].join('\n');
}

/** The trace as a transcript: one line an event, read from top to bottom. */
export function transcript(events: readonly TraceEvent[]): string {
  return events
    .map(({ atMs, kind, from, node, text, detail }) => {
      const where = from === undefined ? node : `${from} → ${node}`;
      return `${atMs.toFixed(2).padStart(10)}  ${kind.padEnd(8)} ${where.padEnd(28)} ${text}${detail ? `  ${detail}` : ''}`;
    })
    .join('\n');
}
