import type { Evidence, Operation } from './evidence.ts';
import { historyVersion, type Line } from './lines.ts';
import { sectionNames } from './sections.ts';

/**
 * The lines of a recorded history, without their ends of line: what `readHistory` reads. Times are moved so that the
 * first is 0. A process that did two things at a time becomes several.
 */
export function* writeHistory(evidence: Evidence, source?: string): Iterable<string> {
  const { operations, isolation } = evidence;
  yield JSON.stringify({ type: 'history', version: historyVersion, source, isolation });
  const originMs = operations.reduce((ms, { startMs }) => Math.min(ms, startMs), Number.POSITIVE_INFINITY);
  for (const { line } of momentsOf(operations)) {
    yield JSON.stringify({ ...line, atMs: line.atMs - originMs });
  }
  for (const of of sectionNames) {
    const rows = evidence[of];
    if (!rows) continue;
    yield JSON.stringify({ type: 'section', of, rows: rows.length } satisfies Line<'section'>);
    for (const row of rows) yield JSON.stringify({ type: 'row', of, row } satisfies Line<'row'>);
  }
}

interface Moment {
  readonly line: Line<'invoke' | 'ok' | 'fail' | 'info'>;
}

function momentsOf(operations: readonly Operation[]): Moment[] {
  const processes = createProcesses();
  const moments: (Moment & { readonly isEnd: boolean })[] = [];
  const byStart = operations.toSorted((a, b) => a.startMs - b.startMs || a.endMs - b.endMs);
  for (const operation of byStart) {
    const { id, session, kind, key, idempotencyKey, input: value, startMs, endMs, outcome } = operation;
    const process = processes.take(operation);
    const line = {
      type: 'invoke',
      id,
      process,
      session,
      kind,
      key,
      idempotencyKey,
      value,
      atMs: startMs,
    } as Line<'invoke'>;
    moments.push({ line, isEnd: false });
    if (endMs === Number.POSITIVE_INFINITY) continue;
    moments.push({ line: { id, atMs: endMs, ...outcome } as Line<'ok' | 'fail' | 'info'>, isEnd: true });
  }
  // At one moment beginnings come first: operations that touch overlap. What took no time begins before it ends.
  return moments.sort((a, b) => a.line.atMs - b.line.atMs || Number(a.isEnd) - Number(b.isEnd));
}

/** Gives an operation that begins while its process is still busy another process: `p1`, `p1/2`, `p1/3`, … */
function createProcesses() {
  const lanes = new Map<string, number[]>();
  return {
    take({ process, startMs, endMs }: Operation): string {
      const busyUntil = lanes.get(process) ?? [];
      lanes.set(process, busyUntil);
      const free = busyUntil.findIndex((untilMs) => untilMs < startMs);
      const lane = free < 0 ? busyUntil.length : free;
      busyUntil[lane] = endMs;
      return lane === 0 ? process : `${process}/${lane + 1}`;
    },
  };
}
