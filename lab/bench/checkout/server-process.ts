/**
 * The server under test, in a process of its own: the whole shop in one process, or an HTTP echo with the same
 * validation. Takes its configuration by message and answers with its URL; ends when its parent does.
 */

import { inventory } from '#contracts/inventory';
import { orders } from '#contracts/orders';
import { products } from '#contracts/products';
import { createClient, createHttpServer, implement, routesOf } from '#kit/contract';
import { type Logger, systemClock, systemWorld, type Transport } from '#kit/runtime';
import type { ServicesConfig } from '../../../cli/services.ts';
import { startServices } from '../../../cli/services.ts';

import { skus } from './shape.ts';

type Config = { readonly kind: 'shop'; readonly services: ServicesConfig } | { readonly kind: 'echo' };

const quiet: Logger = {
  debug() {},
  info() {},
  warn: (message, fields) => process.stderr.write(`${message} ${JSON.stringify(fields, errorText)}\n`),
  error: (message, fields) => process.stderr.write(`${message} ${JSON.stringify(fields, errorText)}\n`),
  with: () => quiet,
};

function errorText(_name: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}

let stop = async () => {};
process.on('message', async (config: Config | 'stop') => {
  if (config === 'stop') {
    await stop();
    process.exit(0);
  }
  if (config.kind === 'shop') {
    const { host, urls, transport } = await startServices({ ...config.services, world: systemWorld(quiet) });
    await fill(transport);
    stop = () => host.stop();
    process.send?.({ url: urls['gateway'], memory: process.memoryUsage().rss });
  } else process.send?.({ url: await startEcho() });
});
process.on('disconnect', () => process.exit(1));
setInterval(() => process.send?.({ rssBytes: process.memoryUsage().rss }), 500).unref();

/** A catalogue of 1,000 products with stock that no run can exhaust. */
async function fill(transport: Transport): Promise<void> {
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
    { key: 'bench-stock', body: { lines: skus.map((sku) => ({ sku, quantity: 1_000_000 })) }, timeoutMs: 30_000 },
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
