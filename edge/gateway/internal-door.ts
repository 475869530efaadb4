import { createHttpServer, routesOf, type ServiceServer } from '#kit/contract';
import { prometheusContentType, renderTrace, type SpanRecord, type TraceSummary } from '#kit/telemetry';
import type { PurgeFeed } from './purge-feed.ts';

export interface InternalOptions {
  readonly host?: string;
  readonly port?: number;
  /** A listening socket that was handed over. */
  readonly handle?: object | undefined;
  /** The metrics in Prometheus text format. */
  readonly metrics: () => Promise<string>;
  /** Where other processes show theirs, for Prometheus to find: served at /metrics/targets (`http_sd_config`). */
  readonly targets?: () => readonly MetricsTarget[];
  /** All recorded spans of a trace, in the order in which they began. */
  readonly trace?: (traceId: string) => Promise<readonly SpanRecord[]>;
  /** The latest traces that began here. */
  readonly recentTraces?: () => readonly TraceSummary[];
}

/** What this gateway tells caches further out. */
export interface DoorFeeds {
  readonly purges?: PurgeFeed['after'] | undefined;
}

export interface MetricsTarget {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** The door for operators: never reachable from outside, so it asks nobody who they are. */
export function createInternalDoor(
  options: InternalOptions,
  pages: ServiceServer,
  { purges }: DoorFeeds = {},
): ReturnType<typeof createHttpServer> {
  const { metrics, targets = () => [], trace, recentTraces } = options;
  const shown = routesOf(pages).filter(({ name }) => name === 'livez' || name === 'readyz');
  const door = createHttpServer({ routes: shown, admit: (request) => request });
  door.get('/metrics', async (_request, reply) => {
    reply.header('content-type', prometheusContentType);
    return metrics();
  });
  door.get('/metrics/targets', async () => targets());
  if (purges) door.get('/purges', async ({ query }) => purges((query as { after?: string }).after));
  if (recentTraces) door.get('/traces', async () => ({ traces: recentTraces() }));
  if (trace) {
    door.get('/traces/:traceId', async (request, reply) => {
      const { traceId } = request.params as { traceId: string };
      const spans = /^[0-9a-f]{32}$/.test(traceId) ? await trace(traceId) : [];
      if (spans.length === 0) {
        reply.code(404);
        return { traceId, detail: 'No spans: the trace was not sampled, is not over, is too old, or never was.' };
      }
      if (!request.headers.accept?.includes('text/plain')) return { traceId, spans };
      reply.header('content-type', 'text/plain; charset=utf-8');
      return renderTrace(spans);
    });
  }
  return door;
}
