import { HistoryError } from './error.ts';
import type { Evidence, Operation, Outcome } from './evidence.ts';
import { historyVersion, type Line } from './lines.ts';
import type { Row, SectionName } from './sections.ts';
import { readLine, readRow } from './validate.ts';

/** A file with more operations is refused: it would not fit into memory. */
export const operationsMax = 5_000_000;

/** A recorded history, and where it came from. */
export interface Recording {
  readonly evidence: Evidence;
  readonly source: string | undefined;
  readonly lines: number;
}

interface OpenSection {
  readonly rows: unknown[];
  readonly wanted: number;
  readonly line: number;
}

/**
 * Reads a history line by line. What is not as described is refused with its line number: a check of half a history
 * would say nothing.
 *
 * @throws HistoryError
 */
export async function readHistory(lines: AsyncIterable<string> | Iterable<string>): Promise<Recording> {
  const reader = createReader();
  for await (const text of lines) reader.take(text);
  return reader.end();
}

function createReader() {
  const begun = new Map<string, Line<'invoke'>>();
  const operations: Operation[] = [];
  const busy = new Map<string, string>();
  const known = new Set<string>();
  const sections = new Map<SectionName, OpenSection>();
  let header: Line<'history'> | undefined;
  let line = 0;
  let nowMs = 0;

  const refuse = (what: string): never => {
    throw new HistoryError(line, what);
  };
  const advance = (atMs: number) => {
    if (atMs < nowMs) refuse(`atMs ${atMs} is before ${nowMs} of an earlier line: lines are in the order of time`);
    nowMs = atMs;
  };

  function invoke(event: Line<'invoke'>): void {
    advance(event.atMs);
    if (known.has(event.id)) refuse(`operation ${event.id} was invoked before: give each attempt an id of its own`);
    if (known.size >= operationsMax) refuse(`more than ${operationsMax} operations: record fewer, or split the file`);
    const other = busy.get(event.process);
    if (other !== undefined)
      refuse(`process ${event.process} has not ended operation ${other}: a process does one thing at a time`);
    known.add(event.id);
    busy.set(event.process, event.id);
    begun.set(event.id, event);
  }

  function finish(event: Line<'ok' | 'fail' | 'info'>): void {
    advance(event.atMs);
    const why = known.has(event.id) ? 'has ended before' : 'was never invoked';
    const from = begun.get(event.id) ?? refuse(`operation ${event.id} ${why}`);
    begun.delete(event.id);
    busy.delete(from.process);
    operations.push(operationOf(from, event.atMs, outcomeOf(event)));
  }

  function row({ of, row: value }: Line<'row'>): void {
    const section = sections.get(of) ?? refuse(`a row of ${of} before its "section" line`);
    if (section.rows.length >= section.wanted) refuse(`more than the ${section.wanted} rows of ${of} announced`);
    const fitting: Row<SectionName> | string = readRow(of, value);
    section.rows.push(typeof fitting === 'string' ? refuse(fitting) : fitting);
  }

  return {
    take(text: string): void {
      line += 1;
      if (text.trim() === '') return;
      const read = readLine(text);
      const event = typeof read === 'string' ? refuse(read) : read;
      if (!header && event.type !== 'history')
        refuse(`the first line is {"type":"history","version":${historyVersion}}: this is no recorded history`);
      if (event.type === 'history') header = header ? refuse('a second "history" line') : event;
      else if (event.type === 'invoke') invoke(event);
      else if (event.type === 'row') row(event);
      else if (event.type === 'section') {
        if (sections.has(event.of)) refuse(`section ${event.of} is there twice`);
        sections.set(event.of, { rows: [], wanted: event.rows, line });
      } else finish(event);
    },
    end(): Recording {
      if (!header) throw new HistoryError(0, 'The file is empty: there is no history to check.');
      for (const [of, { rows, wanted, line: at }] of sections) {
        if (rows.length < wanted)
          throw new HistoryError(
            at,
            `section ${of} announces ${wanted} rows and has ${rows.length}: the file is cut short`,
          );
      }
      // What has no end was never heard of again.
      for (const from of begun.values()) operations.push(operationOf(from, Number.POSITIVE_INFINITY, { type: 'info' }));
      const rows = Object.fromEntries([...sections].map(([of, section]) => [of, section.rows]));
      const { isolation, source } = header;
      return { evidence: { ...rows, operations, isolation }, source, lines: line };
    },
  };
}

function operationOf(from: Line<'invoke'>, endMs: number, outcome: Outcome): Operation {
  const { id, process, session = process, kind, key, idempotencyKey, value: input, atMs: startMs } = from;
  return { id, process, session, kind, key, idempotencyKey, input, startMs, endMs, outcome };
}

function outcomeOf(event: Line<'ok' | 'fail' | 'info'>): Outcome {
  const { type: _, id: __, atMs: ___, ...rest } = event;
  return { ...rest, type: event.type } as Outcome;
}
