/**
 * The server under test, in a process of its own: the whole shop in one process, or an HTTP echo with the same
 * validation. Takes its configuration by message and answers with its URL; ends when its parent does.
 */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { inventory } from '#contracts/inventory';
import { orders } from '#contracts/orders';
import { products } from '#contracts/products';
import { createClient, createHttpServer, implement, routesOf } from '#kit/contract';
import { type Logger, systemClock, systemWorld, type Transport } from '#kit/runtime';
import { type ServicesConfig, startServices } from '../../../cli/services.ts';
import { skus } from './shape.ts';

export type ServerConfig = { readonly kind: 'shop'; readonly services: ServicesConfig } | { readonly kind: 'echo' };
export type ToServer =
  | { readonly type: 'start'; readonly config: ServerConfig }
  | { readonly type: 'fill'; readonly unitsEach: number }
  | { readonly type: 'profile' }
  | { readonly type: 'profiled'; readonly path: string }
  | { readonly type: 'stop' };
export type FromServer =
  | { readonly type: 'ready'; readonly url: string }
  | { readonly type: 'done' }
  | { readonly type: 'memory'; readonly rssBytes: number; readonly heapUsedBytes: number }
  | { readonly type: 'complaint'; readonly message: string };

const tell = (message: FromServer) => process.send?.(message);
const complain = (message: string, fields?: object) =>
  tell({ type: 'complaint', message: `${message} ${JSON.stringify(fields, errorText)}` });
const log: Logger = { debug() {}, info() {}, warn: complain, error: complain, with: () => log };

function errorText(_name: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}

let stop = async () => {};
let fill = async (_unitsEach: number) => {};
let session: Session | undefined;

process.on('disconnect', () => process.exit(1));
process.on('message', async (message: ToServer) => {
  if (message.type === 'stop') {
    await stop();
    process.exit(0);
  }
  if (message.type === 'start') {
    tell({ type: 'ready', url: await start(message.config) });
    return;
  }
  if (message.type === 'fill') await fill(message.unitsEach);
  if (message.type === 'profile') await beginProfile();
  if (message.type === 'profiled') await endProfile(message.path);
  tell({ type: 'done' });
});

const memoryPeriodMs = 200;
setInterval(() => {
  const { rss: rssBytes, heapUsed: heapUsedBytes } = process.memoryUsage();
  tell({ type: 'memory', rssBytes, heapUsedBytes });
}, memoryPeriodMs).unref();

async function start(config: ServerConfig): Promise<string> {
  if (config.kind === 'echo') return startEcho();
  const { host, urls, transport } = await startServices({ ...config.services, world: systemWorld(log) });
  fill = (unitsEach) => fillShop(transport, unitsEach);
  stop = () => host.stop();
  return urls['gateway'] as string;
}

/** A catalogue of 1,000 products, each with so many units. */
async function fillShop(transport: Transport, unitsEach: number): Promise<void> {
  const context = {
    caller: { kind: 'service', id: 'bench' },
    correlationId: 'bench',
    step: 0,
    traceparent: undefined,
    idempotencyKey: undefined,
    deadlineAtMs: systemClock.monotonicMs() + 60_000,
    signal: new AbortController().signal,
    headers: {},
  } as const;
  const options = { transport, clock: systemClock };
  const lines = (async function* () {
    for (const sku of skus) {
      yield {
        slug: sku.toLowerCase(),
        name: sku,
        categories: ['bench'],
        status: 'active',
        variants: [{ sku, options: {}, prices: [{ currency: 'EUR', amountMinor: 250 }] }],
      };
    }
  })();
  const { body } = await createClient(products, options).import({ body: lines as never, timeoutMs: 60_000 }, context);
  if (body.rejected > 0) throw new Error(`products were rejected: ${JSON.stringify(body.rejections.slice(0, 3))}`);
  await createClient(inventory, options).receive(
    { key: 'bench-stock', body: { lines: skus.map((sku) => ({ sku, quantity: unitsEach })) }, timeoutMs: 30_000 },
    context,
  );
}

/** What HTTP and validation alone cost: the order is checked and sent back. */
async function startEcho(): Promise<string> {
  const { place } = orders.operations;
  const contract = { service: 'echo', operations: { echo: { ...place, path: '/echo' } } } as const;
  const server = implement(
    contract,
    { echo: async ({ body }) => ({ status: 201 as const, body: { ...body, state: 'confirmed' } as never }) },
    { clock: systemClock },
  );
  const app = createHttpServer({ routes: routesOf(server), admit: (request) => request });
  stop = () => app.close();
  return app.listen({ host: '127.0.0.1', port: 0 });
}

const sampleMicroseconds = 500;

async function beginProfile(): Promise<void> {
  session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: sampleMicroseconds });
  await session.post('Profiler.start');
}

async function endProfile(path: string): Promise<void> {
  if (!session) throw new Error('there is no profile to end');
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  writeFileSync(path, JSON.stringify(profile));
}
