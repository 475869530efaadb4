import { createHttpServer } from '#kit/contract';
import type { Component } from '#kit/runtime';
import { prometheusContentType } from '#kit/telemetry';
import { addressOf } from './address.ts';
import type { Address } from './doors.ts';
import type { ProcessTelemetry } from './telemetry.ts';

export interface OperatorPort {
  readonly component: Component;
  /** The address of its page for Prometheus. */
  readonly metrics: string;
}

/**
 * Whether this process lives, and its numbers: for Prometheus and for probes, which have no certificates. `isOutside`: also what
 * the console draws, the sums and the spans of a process that is no part of the mesh and can't be asked there.
 */
export function createOperatorPort(
  at: Address,
  { metricsPage, readings, telemetry }: ProcessTelemetry,
  { isOutside = false }: { readonly isOutside?: boolean } = {},
): OperatorPort {
  const app = createHttpServer({ routes: [], admit: (request) => request });
  app.get('/livez', async () => ({ status: 'alive' }));
  app.get('/metrics', async (_request, reply) => {
    reply.header('content-type', prometheusContentType);
    return metricsPage();
  });
  if (isOutside) {
    app.get('/readings', async () => readings());
    app.get<{ Params: { traceId: string } }>('/traces/:traceId', async ({ params }) => ({
      spans: telemetry.spans.trace(params.traceId),
    }));
  }
  return {
    metrics: `http://${addressOf(at)}/metrics`,
    component: {
      name: 'operator port',
      start: async () => void (await app.listen(at)),
      stop: () => app.close(),
    },
  };
}
