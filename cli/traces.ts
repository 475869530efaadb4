import type { SpanRecord } from '#kit/telemetry';

export interface TraceCollectorOptions {
  /** Reads a page of every other process; what does not answer is left out. */
  readonly elsewhere: (path: string, timeoutMs: number) => Promise<readonly unknown[]>;
  /** Spans of a trace in this process. */
  readonly here: (traceId: string) => readonly SpanRecord[];
}

export interface TraceCollector {
  trace(traceId: string): Promise<readonly SpanRecord[]>;
}

const askTimeoutMs = 1_000;

/**
 * Puts a trace together from the memories of all processes. One that doesn't answer is left out: a trace with a gap
 * tells more than none. Their clocks put the spans in order, which is good enough to look at on one machine.
 */
export function createTraceCollector({ elsewhere, here }: TraceCollectorOptions): TraceCollector {
  return {
    async trace(traceId) {
      const parts = (await elsewhere(`/traces/${traceId}`, askTimeoutMs)) as { spans?: readonly SpanRecord[] }[];
      const spans = [...here(traceId), ...parts.flatMap((part) => part.spans ?? [])];
      return spans.sort((a, b) => a.startMs - b.startMs);
    },
  };
}
