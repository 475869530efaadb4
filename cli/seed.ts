import { headerNames, type ServiceServer } from '#kit/contract';
import { seedCatalogue } from '#services/products';

const unitsPerSku = 1_000;
const skus = seedCatalogue.flatMap((product) => product.variants.map((variant) => variant.sku));

/** Receives goods for our own small catalogue, once: the key makes every later start a repeat. */
export async function seedStock(server: ServiceServer): Promise<void> {
  const reply = await server.handle(
    {
      service: 'inventory',
      operation: 'receive',
      params: {},
      query: {},
      headers: {
        [headerNames.caller]: 'service:seed',
        [headerNames.correlationId]: 'seed',
        [headerNames.idempotencyKey]: 'seed-stock-1',
      },
      body: { lines: skus.map((sku) => ({ sku, quantity: unitsPerSku })), note: 'the shop is opened' },
    },
    new AbortController().signal,
  );
  if (reply.status !== 201) throw new Error(`stock could not be seeded: ${JSON.stringify(reply.body)}`);
}

/** A first order to paste. Run again it gives the same order, because the key is the same. */
export function demoOrder(gateway: string, key: string): string {
  const body = {
    email: 'ada@example.com',
    currency: 'EUR',
    lines: [{ sku: skus[0], quantity: 2 }],
    payment: { method: 'pm_card_visa' },
  };
  return [
    `curl -sS ${gateway}/orders \\`,
    `  -H 'content-type: application/json' -H 'idempotency-key: ${key}' \\`,
    `  -d '${JSON.stringify(body)}'`,
  ].join('\n');
}
