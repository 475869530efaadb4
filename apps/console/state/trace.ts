import type { SpanView } from '#contracts/operators';

export interface Row {
  readonly span: SpanView;
  readonly depth: number;
  readonly service: string;
  /** Since the trace began. */
  readonly atMs: number;
  /** The trace would have been over sooner, had this been. */
  readonly isCritical: boolean;
}

const hues: Readonly<Record<string, number>> = {
  edge: 300,
  balancer: 220,
  gateway: 245,
  orders: 42,
  inventory: 150,
  payments: 325,
  products: 95,
  carts: 195,
  users: 280,
  notifications: 10,
  analytics: 120,
  tills: 65,
};
export const hueOf = (service: string): number =>
  hues[service] ?? [...service].reduce((sum, sign) => sum + sign.charCodeAt(0) * 7, 0) % 360;

/** Of the gateway, and of each hop before it: one name for all of them. */
export const isRoute = ({ name }: Pick<SpanView, 'name'>): boolean => /^(?:GET|POST|PUT|PATCH|DELETE) /.test(name);

export function serviceOf({ name, attributes }: SpanView): string {
  const { service } = attributes;
  if (typeof service === 'string') return service;
  // One that failed tells nothing of whose it was: it is whoever's work it belongs to.
  if (name.startsWith('call ')) return '';
  return isRoute({ name }) ? 'gateway' : (/^([a-z-]+)[. ]/.exec(name)?.[1] ?? '');
}

/** Spans as rows, parents before children. A span whose parent was not recorded stands at the margin. */
export function rowsOf(spans: readonly SpanView[]): Row[] {
  const startMs = Math.min(...spans.map((span) => span.startMs));
  const here = new Set(spans.map(({ spanId }) => spanId));
  const children = Map.groupBy(spans, ({ parentSpanId }) =>
    parentSpanId !== undefined && here.has(parentSpanId) ? parentSpanId : '',
  );
  const critical = criticalPath(children);
  const rows: Row[] = [];
  const visit = (parent: string, depth: number, inherited: string): void => {
    for (const span of (children.get(parent) ?? []).toSorted((a, b) => a.startMs - b.startMs)) {
      const service = serviceOf(span) || inherited;
      rows.push({ span, depth, service, atMs: span.startMs - startMs, isCritical: critical.has(span.spanId) });
      visit(span.spanId, depth + 1, service);
    }
  };
  visit('', 0, '');
  return rows;
}

/**
 * Back from the end: what ended last kept its parent waiting, and before it began, whatever ended last until then (as in
 * CRISP, Zhang et al., USENIX ATC 2022). Work that outlives its parent kept nobody waiting.
 */
function criticalPath(children: ReadonlyMap<string, readonly SpanView[]>): ReadonlySet<string> {
  const path = new Set<string>();
  const spanEnd = ({ startMs, durationMs }: SpanView) => startMs + durationMs;
  const walk = (span: SpanView, untilMs: number): void => {
    path.add(span.spanId);
    let cursorMs = untilMs;
    const inTime = (children.get(span.spanId) ?? []).filter((child) => spanEnd(child) <= untilMs + 1);
    for (const child of inTime.toSorted((a, b) => spanEnd(b) - spanEnd(a))) {
      if (spanEnd(child) > cursorMs + 1) continue;
      walk(child, spanEnd(child));
      cursorMs = child.startMs;
    }
  };
  const [first] = (children.get('') ?? []).toSorted((a, b) => a.startMs - b.startMs);
  if (first) walk(first, spanEnd(first));
  return path;
}

/** A stretch of a trace, since it began. */
export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Some work of a trace, before and after which nothing was recorded for long. */
export interface Part extends Stretch {
  readonly spans: number;
}

const endOf = ({ atMs, span }: Row): number => atMs + span.durationMs;
export const totalMsOf = (rows: readonly Row[]): number => Math.max(0.01, ...rows.map(endOf));

/** Nothing recorded for so long, and for so much of a trace, is a gap that squeezes all the rest. */
const gapMsMin = 1_000;
const gapShareMin = 0.1;

/** The parts of a trace, apart where nothing was recorded for long: one where there is no such gap. */
export function partsOf(rows: readonly Row[]): Part[] {
  const gapMs = Math.max(gapMsMin, totalMsOf(rows) * gapShareMin);
  const parts: { fromMs: number; toMs: number; spans: number }[] = [];
  for (const row of rows.toSorted((a, b) => a.atMs - b.atMs)) {
    const last = parts.at(-1);
    if (last && row.atMs - last.toMs < gapMs) {
      last.toMs = Math.max(last.toMs, endOf(row));
      last.spans++;
    } else parts.push({ fromMs: row.atMs, toMs: endOf(row), spans: 1 });
  }
  return parts;
}

/** Less can’t be told apart: clocks have microseconds. */
const stretchMsMin = 0.05;

/** Within the trace, and no less than can be told apart. */
export function within({ fromMs, toMs }: Stretch, totalMs: number): Stretch {
  const wide = Math.min(totalMs, Math.max(stretchMsMin, toMs - fromMs));
  const from = Math.min(Math.max(0, fromMs), totalMs - wide);
  return { fromMs: from, toMs: from + wide };
}

/** `12.5-80`, in milliseconds, as it stands in the address; the whole trace where nothing does. */
export function stretchOf(text: string, totalMs: number): Stretch {
  const [, from, to] = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  if (from === undefined || Number(to) <= Number(from)) return { fromMs: 0, toMs: totalMs };
  return within({ fromMs: Number(from), toMs: Number(to) }, totalMs);
}

/** What rounding in the address may add up to, of a stretch that is zoomed out again. */
const roundingMsMax = 0.002;

export function stretchText(stretch: Stretch, totalMs: number): string {
  const { fromMs, toMs } = within(stretch, totalMs);
  const short = (ms: number) => String(Math.round(ms * 1_000) / 1_000);
  const isWhole = fromMs <= roundingMsMax && toMs >= totalMs - roundingMsMax;
  return isWhole ? '' : `${short(fromMs)}-${short(toMs)}`;
}

/** Twice as near (`by` 0.5) or half as near (2), round the middle. */
export function zoomed({ fromMs, toMs }: Stretch, by: number, totalMs: number): Stretch {
  const [middle, half] = [(fromMs + toMs) / 2, ((toMs - fromMs) * by) / 2];
  return within({ fromMs: middle - half, toMs: middle + half }, totalMs);
}

/** Half of what is shown later (1) or earlier (-1). */
export function moved({ fromMs, toMs }: Stretch, by: 1 | -1, totalMs: number): Stretch {
  const step = ((toMs - fromMs) / 2) * by;
  return within({ fromMs: fromMs + step, toMs: toMs + step }, totalMs);
}

/** Where something is to be drawn, in per cent of what is shown; `side` where it is outside. */
export function placeIn({ fromMs, toMs }: Stretch, atMs: number, durationMs: number) {
  const share = (ms: number) => Math.min(100, Math.max(0, ((ms - fromMs) / (toMs - fromMs)) * 100));
  const [start, end] = [share(atMs), share(atMs + durationMs)];
  const side = atMs + durationMs < fromMs ? 'before' : atMs > toMs ? 'after' : undefined;
  return { start, width: end - start, end, side } as const;
}
