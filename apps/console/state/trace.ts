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
  const endOf = ({ startMs, durationMs }: SpanView) => startMs + durationMs;
  const walk = (span: SpanView, untilMs: number): void => {
    path.add(span.spanId);
    let cursorMs = untilMs;
    const inTime = (children.get(span.spanId) ?? []).filter((child) => endOf(child) <= untilMs + 1);
    for (const child of inTime.toSorted((a, b) => endOf(b) - endOf(a))) {
      if (endOf(child) > cursorMs + 1) continue;
      walk(child, endOf(child));
      cursorMs = child.startMs;
    }
  };
  const [first] = (children.get('') ?? []).toSorted((a, b) => a.startMs - b.startMs);
  if (first) walk(first, endOf(first));
  return path;
}
