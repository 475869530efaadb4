import { timingSafeEqual } from 'node:crypto';
import {
  contractProblems,
  createHttpServer,
  createHttpTransport,
  createLocalTransport,
  routesOf,
  type ServiceServer,
} from '#kit/contract';
import { createResilientTransport } from '#kit/resilience';
import type { Component, Request, Transport } from '#kit/runtime';
import { prometheusContentType } from '#kit/telemetry';
import { publicContracts } from './compose.ts';
import type { ServicesOptions } from './services.ts';
import type { ProcessTelemetry } from './telemetry.ts';

export interface Transports {
  /** For calls between services: within the process by function call, else over HTTP; deadline, budget, breaker. */
  readonly transport: Transport;
  attach(server: ServiceServer): void;
  /** Answers the other processes of the topology; undefined where there are none. */
  readonly internalServer: Component | undefined;
  close(): Promise<void>;
}

/** Shown by every process of this system to the others; whoever has it may say on whose behalf it calls. */
export const internalKeyHeader = 'holdfast-internal-key';

export function createTransports(options: ServicesOptions, telemetry: ProcessTelemetry): Transports {
  const { world, addresses, internal, secrets } = options;
  const { clock, timers, random, log } = world;
  const servers: ServiceServer[] = [];
  let turn = 0;
  const http = createHttpTransport({
    contracts: publicContracts,
    // Each call begins at the next instance, so load is spread and a dead instance is passed over.
    resolve(service) {
      const origins = addresses[service as keyof typeof addresses] ?? [];
      turn += 1;
      return origins.map((_, i) => origins[(turn + i) % origins.length] as string);
    },
  });
  const remote: Transport = {
    send: (request, signal) => http.send(withHeader(request, internalKeyHeader, secrets.internal), signal),
  };
  const local = createLocalTransport(timers, remote);
  const openMs = options.recovery?.breakerOpenMs;
  const transport = createResilientTransport({
    transport: options.seams?.transport?.(local) ?? local,
    clock,
    timers,
    random,
    ...(openMs === undefined ? {} : { breaker: { openMs } }),
    onEvent(service, event) {
      telemetry.onCallEvent(service, event);
      if (event.kind === 'breaker') log.warn('breaker changed', { service, state: event.state });
    },
  });
  return {
    transport,
    attach(server) {
      servers.push(server);
      local.attach(server);
    },
    internalServer: internal && internalServer(servers, internal, secrets.internal, telemetry),
    close: () => http.close(),
  };
}

function internalServer(
  servers: readonly ServiceServer[],
  at: { readonly host: string; readonly port: number },
  key: string,
  { telemetry, metricsPage }: ProcessTelemetry,
): Component {
  const expected = Buffer.from(key);
  const admit = (request: Request): Request => {
    checkKey(request.headers[internalKeyHeader]);
    return request;
  };
  function checkKey(text: string | readonly string[] | undefined): void {
    const given = Buffer.from(String(text ?? ''));
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw contractProblems.unauthenticated({ detail: 'this port is for the processes of this system only' });
    }
  }
  let close = async () => {};
  return {
    name: 'internal server',
    async start() {
      const app = createHttpServer({ routes: servers.flatMap(routesOf), admit });
      close = () => app.close();
      app.get('/livez', async () => ({ status: 'alive' }));
      // Numbers only, and Prometheus has no key; spans are for the gateway's internal door, which puts them together.
      app.get('/metrics', async (_request, reply) => {
        reply.header('content-type', prometheusContentType);
        return metricsPage();
      });
      app.get('/traces/:traceId', async (request) => {
        checkKey(request.headers[internalKeyHeader]);
        return { spans: telemetry.spans.trace((request.params as { traceId: string }).traceId) };
      });
      await app.listen(at);
    },
    drain: () => close(),
  };
}

function withHeader(request: Request, name: string, value: string): Request {
  return { ...request, headers: { ...request.headers, [name]: value } };
}
