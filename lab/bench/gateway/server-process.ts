/** One contestant of the gateway benchmark, in a process of its own. Tells its port, and its processor time when asked. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import Type from 'typebox';
import { Pool } from 'undici';
import { createLayer7, createPool } from '#edge/balancer';
import { createCdn } from '#edge/cdn';
import { createGateway } from '#edge/gateway';
import {
  createHttpServer,
  createHttpTransport,
  createLocalTransport,
  defineService,
  implement,
  routesOf,
} from '#kit/contract';
import type { Transport } from '#kit/runtime';
import { createTelemetry } from '#kit/telemetry';
import { benchWorld } from '../server.ts';

export type Kind = 'upstream' | 'direct' | 'gateway' | 'gateway-proxy' | 'bare-proxy' | 'balancer' | 'edge';

const Order = Type.Object({
  email: Type.String(),
  lines: Type.Array(Type.Object({ sku: Type.String(), quantity: Type.Integer() })),
});
const echo = defineService({
  service: 'echo',
  operations: {
    order: {
      method: 'POST',
      path: '/echo',
      summary: '',
      access: ['anonymous'],
      body: Order,
      responses: { 200: Order },
    },
  },
});
const { clock, timers } = benchWorld;
const service = implement(echo, { order: async ({ body }) => ({ status: 200 as const, body }) }, { clock });

const [kind, upstream = ''] = process.argv.slice(2) as [Kind, string?];

const openers: Readonly<Record<Kind, () => Promise<number>>> = {
  upstream: openDirect,
  direct: openDirect,
  gateway: async () => {
    const local = createLocalTransport(timers);
    local.attach(service);
    return openGateway(local);
  },
  'gateway-proxy': () => openGateway(createHttpTransport({ contracts: [echo], origin: upstream })),
  'bare-proxy': openBareProxy,
  balancer: openBalancer,
  edge: openEdge,
};

process.on('disconnect', () => process.exit());
process.on('message', () => process.send?.({ cpu: process.cpuUsage() }));
process.send?.({ port: await openers[kind]() });

/** The service behind the HTTP server that all services have. */
async function openDirect(): Promise<number> {
  const app = createHttpServer({ routes: routesOf(service), admit: (request) => request });
  await app.listen({ host: '127.0.0.1', port: 0 });
  return (app.server.address() as AddressInfo).port;
}

/** What one would write in an afternoon: bytes in, bytes out. */
async function openBareProxy(): Promise<number> {
  const pool = new Pool(upstream, { connections: 32 });
  const server = createServer(async (request, response) => {
    const { host: _host, connection: _connection, ...headers } = request.headers;
    const method = request.method as 'POST';
    const reply = await pool.request({ path: request.url ?? '/', method, headers, body: await text(request) });
    const { connection: _closed, 'transfer-encoding': _chunks, ...back } = reply.headers;
    response.writeHead(reply.statusCode, back);
    response.end(await reply.body.text());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function telemetryOf() {
  return createTelemetry({ ...benchWorld, service: 'bench', instance: 'bench' });
}

async function openBalancer(): Promise<number> {
  const members = [{ process: 'upstream', host: '127.0.0.1', port: Number(new URL(upstream).port) }];
  const pool = createPool({ world: benchWorld, name: 'bench', members: () => members });
  const balancer = createLayer7({ world: benchWorld, rules: [{ to: [{ pool }] }], telemetry: telemetryOf() });
  await balancer.component.start?.();
  return Number(new URL(balancer.address as string).port);
}

/** Nothing that it passes on here may be kept: the cost of a hop, in the clear. */
async function openEdge(): Promise<number> {
  const perAddress = { quota: 1_000_000_000 };
  const edge = createCdn({ world: benchWorld, origin: upstream, perAddress, telemetry: telemetryOf() });
  await edge.component.start?.();
  return Number(new URL(edge.address as string).port);
}

/** As shipped, but for limits that no client of a benchmark meets. */
async function openGateway(transport: Transport): Promise<number> {
  const gateway = createGateway({
    world: benchWorld,
    transport,
    contracts: [echo],
    unready: async () => ({}),
    telemetry: telemetryOf(),
    limits: { address: { quota: 1_000_000_000 } },
  });
  await gateway.component.start?.();
  return Number(new URL(gateway.address as string).port);
}
