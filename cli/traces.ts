import { Agent, request } from 'undici';
import type { Logger } from '#kit/runtime';
import type { SpanRecord } from '#kit/telemetry';

export interface TraceCollectorOptions {
  /** Origins of the other processes of the topology, one of each. */
  readonly origins: readonly string[];
  /** Headers that let us in there. */
  readonly headers: Readonly<Record<string, string>>;
  /** Spans of a trace in this process. */
  readonly here: (traceId: string) => readonly SpanRecord[];
  readonly log: Logger;
}

export interface TraceCollector {
  trace(traceId: string): Promise<readonly SpanRecord[]>;
  close(): Promise<void>;
}

const askTimeoutMs = 1_000;

/**
 * Puts a trace together from the memories of all processes. One that doesn't answer is left out: a trace with a gap
 * tells more than none. Their clocks put the spans in order, which is good enough to look at on one machine.
 */
export function createTraceCollector({ origins, headers, here, log }: TraceCollectorOptions): TraceCollector {
  const agent = new Agent({ connections: 1, connect: { timeout: askTimeoutMs } });

  async function ask(origin: string, traceId: string): Promise<readonly SpanRecord[]> {
    try {
      const timeouts = { headersTimeout: askTimeoutMs, bodyTimeout: askTimeoutMs };
      const reply = await request(`${origin}/traces/${traceId}`, { headers, dispatcher: agent, ...timeouts });
      const { spans } = (await reply.body.json()) as { spans?: readonly SpanRecord[] };
      return spans ?? [];
    } catch (error) {
      log.warn('a process did not tell its part of a trace', { origin, error });
      return [];
    }
  }

  return {
    async trace(traceId) {
      const elsewhere = await Promise.all(origins.map((origin) => ask(origin, traceId)));
      return [...here(traceId), ...elsewhere.flat()].sort((a, b) => a.startMs - b.startMs);
    },
    close: () => agent.close(),
  };
}
