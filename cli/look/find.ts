import type { LogLevel } from '#kit/runtime';
import { parseLine, processFolders, readLines, type SpanRecord } from '#kit/telemetry';
import { exitCodes, Failure } from '../failure.ts';

/** A log line as it was kept. */
export interface KeptLine {
  readonly time: string;
  readonly level: LogLevel;
  readonly msg: string;
  readonly process?: string;
  readonly service?: string;
  readonly correlationId?: string;
  readonly traceId?: string;
  readonly step?: number;
  readonly [field: string]: unknown;
}

/** A span as it was kept, with the process that recorded it. */
export interface KeptSpan extends SpanRecord {
  readonly process: string;
}

/** Which lines are wanted: everything that is given must fit. */
export interface LineQuery {
  /** Lines with any of these as a whole value. Empty: all. */
  readonly anyOf?: readonly string[];
  readonly sinceMs?: number;
  readonly service?: string;
  readonly level?: LogLevel;
}

const severity: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** The id stands in the file as a JSON text, so a longer id that begins the same is not found. */
const asValue = (id: string): string => JSON.stringify(id);

/** Kept lines of all processes below `root` that fit, in the order of their times, and within a moment by their steps. */
export function findLines(root: string, query: LineQuery): KeptLine[] {
  const { anyOf = [], sinceMs = 0 } = query;
  const found: KeptLine[] = [];
  for (const { folder } of processFolders(root)) {
    for (const text of readLines(folder, 'logs', { sinceMs, anyOf: anyOf.map(asValue) })) {
      const line = toLine(text);
      if (line && fits(line, query)) found.push(line);
    }
  }
  return found.sort(byTime);
}

export function toLine(text: string): KeptLine | undefined {
  const line = parseLine(text);
  return line && typeof line['time'] === 'string' && typeof line['level'] === 'string' ? (line as KeptLine) : undefined;
}

export function fits(line: KeptLine, { sinceMs = 0, service, level = 'debug' }: Omit<LineQuery, 'anyOf'>): boolean {
  if ((severity[line.level] ?? 0) < severity[level]) return false;
  if (service !== undefined && line.service !== service && !isInstance(line.process, service)) return false;
  return Date.parse(line.time) >= sinceMs;
}

/** `orders-2` is one of `orders`; a name in full is meant exactly. */
export const isInstance = (process: string | undefined, service: string): boolean =>
  process === service ||
  (process?.startsWith(`${service}-`) === true && /^\d+$/.test(process.slice(service.length + 1)));

function byTime(a: KeptLine, b: KeptLine): number {
  if (a.time !== b.time) return a.time < b.time ? -1 : 1;
  return a.correlationId === b.correlationId ? (a.step ?? 0) - (b.step ?? 0) : 0;
}

/** What joins the work on something: traces and correlation ids of everything that named it. */
export interface Related {
  readonly traceIds: ReadonlySet<string>;
  readonly correlationIds: ReadonlySet<string>;
}

/** An id that is in everything (of a tenant, of a seed) leads nowhere. */
const relatedMax = 500;
const isTraceId = (id: string): boolean => /^[0-9a-f]{32}$/.test(id);

/** An empty id is in every line, or in none. */
export function requireId(id: string): void {
  if (id.trim() !== '') return;
  throw new Failure(exitCodes.usage, 'The id is empty: name an order, a payment, a cart, a trace or a correlation id.');
}

/** What belongs to an order, a payment, a correlation id or a trace: all that is known about it is that it was named. */
export function relatedTo(root: string, id: string): Related {
  const traceIds = new Set<string>(isTraceId(id) ? [id] : []);
  const correlationIds = new Set<string>();
  const note = (into: Set<string>, value: unknown) => {
    if (typeof value === 'string' && into.size < relatedMax) into.add(value);
  };
  const anyOf = [asValue(id)];
  for (const { folder } of processFolders(root)) {
    for (const text of readLines(folder, 'spans', { anyOf })) {
      const span = parseLine(text) as SpanRecord | undefined;
      note(traceIds, span?.traceId);
      note(correlationIds, span?.attributes?.['correlation_id']);
    }
    for (const text of readLines(folder, 'logs', { anyOf })) {
      const line = toLine(text);
      note(traceIds, line?.traceId);
      note(correlationIds, line?.correlationId);
    }
  }
  return { traceIds, correlationIds };
}

/** Kept spans of these traces, in the order in which they began. */
export function findSpans(root: string, traceIds: ReadonlySet<string>): KeptSpan[] {
  if (traceIds.size === 0) return [];
  const anyOf = [...traceIds].map(asValue);
  const found: KeptSpan[] = [];
  for (const { process, folder } of processFolders(root)) {
    for (const text of readLines(folder, 'spans', { anyOf })) {
      const span = parseLine(text) as SpanRecord | undefined;
      if (span && traceIds.has(span.traceId)) found.push({ ...span, process });
    }
  }
  return found.sort((a, b) => a.startMs - b.startMs);
}
