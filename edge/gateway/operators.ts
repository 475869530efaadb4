import { timeAt } from '#contracts/common';
import {
  type ActiveFault,
  type EventView,
  type Faults,
  type LogLine,
  type ObjectiveView,
  operators,
  operatorsProblems,
  type ProcessStatus,
  type SettingView,
  type SpanView,
  type SystemView,
} from '#contracts/operators';
import { type Handlers, implement, type ServiceServer } from '#kit/contract';
import { type EventLog, type LogRecord, partitionOf } from '#kit/messaging';
import type { Clock } from '#kit/runtime';
import type { SpanRecord, TraceFilter, TraceSummary } from '#kit/telemetry';

/** Where the gateway finds what it shows to operators. */
export interface OperatorViews {
  system(): Promise<SystemView>;
  objectives(): readonly ObjectiveView[];
  settings(): readonly SettingView[];
  traces(filter: TraceFilter): readonly TraceSummary[];
  trace(traceId: string): Promise<readonly SpanRecord[]>;
  logs(filter: LogFilter): Promise<{ readonly items: readonly LogLine[]; readonly complete: boolean }>;
  readonly log: Pick<EventLog, 'bounds' | 'read'>;
  readonly topics: readonly string[];
  /** Left out: the laboratory is not open. */
  readonly faults?: Laboratory;
}

/** Which lines are wanted. Everything that is given must fit. */
export interface LogFilter {
  readonly limit: number;
  /** Any id, with all lines of its traces. */
  readonly about?: string;
  readonly service?: string;
  readonly level?: LogLine['level'];
  /** Milliseconds since 1970; not after. */
  readonly toMs?: number;
}

export interface Laboratory {
  current(): readonly ActiveFault[];
  set(faults: readonly ActiveFault[]): void;
  targets(): Faults['targets'];
  /** Each throws when it can't be done, with a sentence that says why. */
  readonly processes: {
    list(): Promise<readonly ProcessStatus[]>;
    kill(process: string): Promise<void>;
    /** Resolves when it has begun: the gateway that asks may be the one. */
    restart(process: string): Promise<void>;
  };
}

const tracesDefault = 50;
const logLinesDefault = 200;
/** More than are kept in memory. */
const tracesMax = 10_000;

const isHousekeeping: ReadonlySet<string> = new Set([
  ...Object.values(operators.operations).map(({ method, path }) => `${method} ${path}`),
  'call users.endedSessions',
]);

/** What the console reads to show itself, much of it every few seconds, and what the gateway asks by itself. */
const isForShow = ({ name, client }: TraceSummary): boolean =>
  isHousekeeping.has(name) || (client === 'console' && name.startsWith('GET '));

/** `views` undefined: whoever asks is told that there is nothing to show. */
export function createOperators(views: OperatorViews | undefined, clock: Clock): ServiceServer {
  function known(): OperatorViews {
    if (views) return views;
    throw operatorsProblems['nothing-to-show']();
  }
  function laboratory(): NonNullable<OperatorViews['faults']> {
    const { faults } = known();
    if (faults) return faults;
    throw operatorsProblems['no-faults']();
  }

  function faultsNow(): Faults {
    const { faults } = known();
    if (!faults) return { open: false, items: [], targets: [] };
    return { open: true, items: [...faults.current()], targets: faults.targets() };
  }
  async function operate<T>(work: (processes: Laboratory['processes']) => Promise<T>): Promise<T> {
    const { processes } = laboratory();
    try {
      return await work(processes);
    } catch (error) {
      throw operatorsProblems['not-operable']({ detail: (error as Error).message, cause: error });
    }
  }

  const handlers: Handlers<typeof operators> = {
    system: async () => ({ status: 200, body: await known().system() }),
    objectives: async () => ({ status: 200, body: { items: [...known().objectives()] } }),
    settings: async () => ({ status: 200, body: { items: [...known().settings()] } }),
    async traces({ query }) {
      const { own: isOwnWanted = false, limit = tracesDefault, ...filter } = query;
      const found = known().traces({ ...filter, limit: tracesMax });
      const shown = found.filter((trace) => isOwnWanted || trace.failed || !isForShow(trace));
      const items = shown.slice(0, limit).map(({ client: _client, services, ...trace }) => ({
        ...trace,
        services: [...services],
      }));
      return { status: 200, body: { items } };
    },
    async trace({ params: { traceId } }) {
      const spans = await known().trace(traceId);
      if (spans.length === 0) throw operatorsProblems['unknown-trace']();
      return { status: 200, body: { traceId, spans: spans.map(spanView) } };
    },
    async logs({ query: { limit = logLinesDefault, to, ...rest } }) {
      const toMs = to === undefined ? undefined : timeAt('query:to', to);
      const { items, complete } = await known().logs({ ...rest, limit, ...(toMs === undefined ? {} : { toMs }) });
      return { status: 200, body: { items: [...items], complete } };
    },
    faults: async () => ({ status: 200, body: faultsNow() }),
    async setFaults({ body }) {
      laboratory().set(body.items);
      return { status: 200, body: faultsNow() };
    },
    processes: async () => ({ status: 200, body: { items: [...(await operate(({ list }) => list()))] } }),
    async killProcess({ params: { process } }) {
      await operate(({ kill }) => kill(process));
      return { status: 202, body: {} };
    },
    async restartProcess({ params: { process } }) {
      await operate(({ restart }) => restart(process));
      return { status: 202, body: {} };
    },
    async topics() {
      const { log, topics } = known();
      return { status: 200, body: { items: [...(await log.bounds(topics))] } };
    },
    async events({ params: { topic }, query: { key, from } }) {
      const { log, topics } = known();
      if (!topics.includes(topic)) throw operatorsProblems['unknown-topic']({ detail: topic });
      const fromMs = from === undefined ? Number.NEGATIVE_INFINITY : timeAt('query:from', from);
      const { found, complete } = await findEvents(log, topic, key, fromMs);
      return { status: 200, body: { items: found.map(eventView), complete } };
    },
  };
  return implement(operators, handlers, { clock });
}

/** Events that are looked through for one answer. */
const scannedMax = 5_000;
const pageMax = 500;
/** Times within a partition are out of order by no more than transactions take. */
const slackMs = 60_000;

/**
 * The log has no index of keys, since only people ask for one. A key has one partition, and times in it grow nearly with
 * the offsets: so the place to begin is found by halves, and a bounded number of events is looked through from there.
 */
export async function findEvents(
  log: Pick<EventLog, 'bounds' | 'read'>,
  topic: string,
  key: string,
  fromMs: number,
): Promise<{ readonly found: readonly LogRecord[]; readonly complete: boolean }> {
  const partition = partitionOf(key);
  const bounds = (await log.bounds([topic])).find((each) => each.partition === partition);
  const found: LogRecord[] = [];
  if (!bounds) return { found, complete: true };
  const { firstOffset, nextOffset } = bounds;
  const read = (fromOffset: number, limit: number) => log.read([{ topic, partition, fromOffset }], limit, limit);
  let low = firstOffset;
  let high = nextOffset;
  while (low < high && fromMs > 0) {
    const middle = Math.floor((low + high) / 2);
    const [record] = await read(middle, 1);
    if (record && Date.parse(record.event.time) < fromMs - slackMs) low = middle + 1;
    else high = middle;
  }
  let offset = low;
  while (offset < nextOffset && offset - low < scannedMax) {
    const page = await read(offset, pageMax);
    const last = page.at(-1);
    if (!last) break;
    found.push(...page.filter(({ event }) => event.subject === key));
    offset = last.offset + 1;
  }
  return { found, complete: offset >= nextOffset };
}

function eventView({ topic, partition, offset, event }: LogRecord): EventView {
  const { id, type, source, subject, time, hlc, step, traceparent, correlationid, data } = event;
  return {
    ...{ topic, partition, offset, id, type, source, key: subject, time, data },
    ...(hlc === undefined ? {} : { hlc }),
    ...(step === undefined ? {} : { step }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(correlationid === undefined ? {} : { correlationId: correlationid }),
  };
}

function spanView({ parentSpanId, error, attributes, events, ...rest }: SpanRecord): SpanView {
  return {
    ...rest,
    attributes: { ...attributes },
    events: events.map((event) => ({ ...event, attributes: { ...event.attributes } })),
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    ...(error === undefined ? {} : { error }),
  };
}
