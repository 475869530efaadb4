import { isAside, type SpanRecord } from './tracing.ts';

/** One trace at a glance. */
export interface TraceSummary {
  readonly traceId: string;
  /** Of its earliest span here. */
  readonly name: string;
  readonly startMs: number;
  readonly durationMs: number;
  readonly spanCount: number;
  readonly failed: boolean;
  /** That took part, as far as spans here tell. */
  readonly services: readonly string[];
  /** Attribute `client` of its earliest span: what asked, where that is known. */
  readonly client?: string;
}

/** Everything that is given must fit. */
export interface TraceFilter {
  /** Default 50. */
  readonly limit?: number;
  readonly service?: string;
  /** Part of the name of a span. */
  readonly operation?: string;
  readonly durationMsMin?: number;
  readonly failed?: boolean;
}

/** The last spans of this process, so that a trace can be looked at with nothing else installed. */
export interface SpanStore {
  add(span: SpanRecord): void;
  /** Spans of a trace, in the order in which they began. */
  trace(traceId: string): readonly SpanRecord[];
  /** The latest traces first. */
  recent(filter?: TraceFilter): readonly TraceSummary[];
}

/** Beside `spansMax` others. */
const asideShare = 0.25;

/** `spansMax` spans are kept, and a quarter more of traces aside; the oldest are overwritten. */
export function createSpanStore(spansMax: number): SpanStore {
  const ring = createRing(spansMax);
  const aside = createRing(Math.max(1, Math.floor(spansMax * asideShare)));
  const ringOf = (traceId: string) => (isAside(traceId) ? aside : ring);
  return {
    add: (span) => ringOf(span.traceId).add(span),
    trace: (traceId) =>
      ringOf(traceId)
        .items.filter((span) => span.traceId === traceId)
        .sort(byStart),
    recent(filter = {}) {
      const { limit = 50, operation, service, durationMsMin = 0, failed } = filter;
      const named = (spans: readonly SpanRecord[]) =>
        operation === undefined || spans.some(({ name }) => name.includes(operation));
      const spans = [...ring.items, ...aside.items];
      const traces = [...Map.groupBy(spans, (span) => span.traceId).values()].filter(named);
      const fits = (trace: TraceSummary) =>
        trace.durationMs >= durationMsMin &&
        (failed === undefined || trace.failed === failed) &&
        (service === undefined || trace.services.includes(service));
      const summaries = traces.map(summarize).filter(fits);
      return summaries.sort((a, b) => b.startMs - a.startMs).slice(0, limit);
    },
  };
}

function createRing(max: number) {
  const items: SpanRecord[] = [];
  let next = 0;
  return {
    items: items as readonly SpanRecord[],
    add(span: SpanRecord): void {
      items[next] = span;
      next = (next + 1) % max;
    },
  };
}

function byStart(a: SpanRecord, b: SpanRecord): number {
  return a.startMs - b.startMs || (a.spanId === b.parentSpanId ? -1 : b.spanId === a.parentSpanId ? 1 : 0);
}

function summarize(spans: readonly SpanRecord[]): TraceSummary {
  const first = spans.reduce((a, b) => (byStart(a, b) <= 0 ? a : b));
  const { client } = first.attributes;
  const endMs = Math.max(...spans.map((span) => span.startMs + span.durationMs));
  return {
    traceId: first.traceId,
    name: first.name,
    startMs: first.startMs,
    durationMs: endMs - first.startMs,
    spanCount: spans.length,
    failed: spans.some((span) => span.error !== undefined),
    services: [...new Set(spans.flatMap(servicesOf))].sort(),
    ...(typeof client === 'string' ? { client } : {}),
  };
}

/** Whose work a span is; `call orders.place` tells of the callee as well, whose own spans may be elsewhere. */
function servicesOf({ name, attributes }: SpanRecord): string[] {
  const { service } = attributes;
  const [, callee] = /^call ([a-z-]+)\./.exec(name) ?? [];
  return [...(typeof service === 'string' ? [service] : []), ...(callee === undefined ? [] : [callee])];
}

/** A trace as an indented tree, for a terminal. Spans whose parent is elsewhere stand at the margin. */
export function renderTrace(spans: readonly SpanRecord[]): string {
  const here = new Set(spans.map((span) => span.spanId));
  const children = Map.groupBy(spans, (span) =>
    span.parentSpanId && here.has(span.parentSpanId) ? span.parentSpanId : '',
  );
  const startMs = Math.min(...spans.map((span) => span.startMs));
  const lines: string[] = [];
  // Spans are at most as many as the store keeps; a circle of parents can't be reached from the margin.
  const visit = (parent: string, depth: number) => {
    for (const span of children.get(parent) ?? []) {
      const at = `${(span.startMs - startMs).toFixed(1).padStart(8)} ms ${span.durationMs.toFixed(1).padStart(8)} ms`;
      const attributes = Object.entries(span.attributes).map(([name, value]) => ` ${name}=${value}`);
      lines.push(
        `${at}  ${'  '.repeat(depth)}${span.name}${attributes.join('')}${span.error ? `  ✗ ${span.error}` : ''}`,
      );
      visit(span.spanId, depth + 1);
    }
  };
  visit('', 0);
  return `${lines.join('\n')}\n`;
}
