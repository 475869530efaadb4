import type { SpanRecord } from '#kit/telemetry';

/** Where the time of a trace went: how long each span alone kept its root from ending, in ms, by span id. */
export type CriticalPath = ReadonlyMap<string, number>;

/** Processes of one machine agree on the time to a millisecond: so fine is the clock that they put their spans in order by. */
const skewMsMax = 1;

const endOf = ({ startMs, durationMs }: SpanRecord): number => startMs + durationMs;

/**
 * Walks back from the end of the root: what ended last before that is what it waited for, and so on within that one. What
 * goes on beside it, or after its caller had its answer (events, captured payments), is not on the path. The times sum up to
 * the duration of the root. As Jaeger and Uber's CRISP do it (Zhang et al., USENIX ATC 2022).
 */
export function criticalPath(root: SpanRecord, spans: readonly SpanRecord[]): CriticalPath {
  const children = Map.groupBy(spans, ({ parentSpanId }) => parentSpanId);
  const own = new Map<string, number>();

  function visit(span: SpanRecord, startMs: number, untilMs: number): void {
    // At once, so that a circle of parents, which only a mistake can make, ends.
    own.set(span.spanId, 0);
    let cursorMs = untilMs;
    let alone = 0;
    const awaited = (children.get(span.spanId) ?? []).filter(({ kind }) => kind !== 'consumer');
    for (const child of awaited.sort((a, b) => endOf(b) - endOf(a))) {
      const childEndMs = Math.min(endOf(child), untilMs);
      // Called by this span, so not before it.
      const childStartMs = Math.max(child.startMs, startMs);
      if (childEndMs > cursorMs || child.startMs < startMs - skewMsMax || childStartMs >= untilMs) continue;
      if (childEndMs < childStartMs || own.has(child.spanId)) continue;
      alone += cursorMs - childEndMs;
      visit(child, childStartMs, childEndMs);
      cursorMs = childStartMs;
    }
    own.set(span.spanId, alone + cursorMs - startMs);
  }

  visit(root, root.startMs, endOf(root));
  return own;
}
