import { type LogLevel, systemClock, systemTimers } from '#kit/runtime';
import { createTail, formatPretty, processFolders } from '#kit/telemetry';
import { type ExitCode, exitCodes, Failure } from '../failure.ts';
import { findLines, fits, isInstance, type KeptLine, type LineQuery, relatedTo, requireId, toLine } from './find.ts';
import { keptRoot } from './kept-root.ts';
import { parseSince } from './since.ts';

export interface LogsOptions {
  /** Any id of the business: of an order, a payment, a cart. */
  readonly order?: string;
  /** Of a trace, or a correlation id. */
  readonly trace?: string;
  /** A service, or one of its processes. */
  readonly service?: string;
  readonly level?: string;
  readonly since?: string;
  readonly limit: number;
  readonly follow: boolean;
  readonly json: boolean;
  readonly dataDir?: string;
}

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
const sinceDefault = '1h';
const followEveryMs = 250;

/** Lines that all processes kept, running or not, from the files in the data directory. */
export async function logsCommand(options: LogsOptions): Promise<ExitCode> {
  for (const id of [options.order, options.trace]) if (id !== undefined) requireId(id);
  const root = keptRoot(options.dataDir);
  const query = queryOf(options, root);
  const isWanted = joinedTo(query.anyOf);
  // Begun before the files are read, so that nothing between is missed; what is in both is left out.
  const next = createTail(root, 'logs');
  if (options.follow) next();
  const found = findLines(root, query);
  if (found.length === 0 && options.service !== undefined) await requireKnown(options.service, root);
  const shown = found.slice(-options.limit);
  if (shown.length < found.length && !options.json) {
    process.stderr.write(`… ${found.length - shown.length} earlier lines; --limit shows more\n`);
  }
  for (const line of shown) write(line, options.json);
  if (!options.follow) {
    if (shown.length === 0 && !options.json) process.stderr.write(`No lines: ${whyNone(options)}\n`);
    return exitCodes.ok;
  }
  for (;;) {
    await systemTimers.sleep(followEveryMs);
    for (const text of next()) {
      const line = toLine(text);
      if (line && fits(line, { ...query, sinceMs: 0 }) && isWanted(line)) write(line, options.json);
    }
  }
}

function queryOf({ order, trace, service, level, since }: LogsOptions, root: string): LineQuery {
  if (level !== undefined && !levels.includes(level as LogLevel)) {
    throw new Failure(exitCodes.usage, `"${level}" is no level: give one of ${levels.join(', ')}.`);
  }
  const id = order ?? trace;
  const related = id === undefined ? undefined : relatedTo(root, id);
  const from = since ?? (id === undefined ? sinceDefault : undefined);
  return {
    ...(id === undefined || !related ? {} : { anyOf: [id, ...related.traceIds, ...related.correlationIds] }),
    ...(from === undefined ? {} : { sinceMs: parseSince(from, systemClock.now()) }),
    ...(service === undefined ? {} : { service }),
    ...(level === undefined ? {} : { level: level as LogLevel }),
  };
}

/** Whether a new line belongs to what is followed; one that does brings its trace along. */
function joinedTo(anyOf: readonly string[] | undefined): (line: KeptLine) => boolean {
  if (!anyOf) return () => true;
  const known = new Set(anyOf);
  return (line) => {
    if (!Object.values(line).some((value) => typeof value === 'string' && known.has(value))) return false;
    for (const id of [line.traceId, line.correlationId]) if (id !== undefined) known.add(id);
    return true;
  };
}

function write(line: KeptLine, asJson: boolean): void {
  if (asJson) {
    process.stdout.write(`${JSON.stringify(line)}\n`);
    return;
  }
  const { time, level, msg, sampled: _, ...fields } = line;
  const colour = process.stdout.isTTY === true && process.stdout.hasColors();
  process.stdout.write(formatPretty({ time, level, message: msg, fields, colour }));
}

/** A service that has nothing to say is one thing, a name that is wrong another. */
async function requireKnown(service: string, root: string): Promise<void> {
  const { serviceNames } = await import('../topology.ts');
  const processes = processFolders(root).map((each) => each.process);
  const names = [...new Set([...serviceNames, ...processes])];
  if (names.some((name) => isInstance(name, service))) return;
  throw new Failure(exitCodes.usage, `There is no service or process "${service}": give one of ${names.join(', ')}.`);
}

function whyNone({ order, trace, since }: LogsOptions): string {
  const about = order ?? trace;
  if (about === undefined) return `nothing was logged in the last ${since ?? sinceDefault} that fits.`;
  return `of requests that are not traced, only what went wrong is kept (holdfast up --trace-ratio), and ${about} is not in it.`;
}
