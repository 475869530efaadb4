import type { PricingRules, Promotion, ShippingMethod, TaxRule } from '#contracts/carts';
import { headerNames, type ServiceServer } from '#kit/contract';
import type { Timers } from '#kit/runtime';
import { seedCatalogue } from '#services/products';
import { seedPromotions, seedShipping, seedTaxClasses, seedTaxes } from './seed-pricing.ts';

/** Of the receipt that opens the shop; the other operations are idempotent as they are. */
const seedKey = 'seed-stock-1';
const unitsPerSku = 1_000;
const skus = seedCatalogue.flatMap((product) => product.variants.map((variant) => variant.sku));

interface Seeded {
  readonly server: ServiceServer;
  readonly timers: Timers;
}

/** On a starved machine a first statement may take longer than its pool waits: that is no reason not to start. */
const attemptsMax = 10;
const pauseMs = 500;

/** Asks a service of this process on the shop's behalf. What is asked is idempotent, so what is unavailable is asked again. */
async function ask(
  { server, timers }: Seeded,
  operation: string,
  body?: unknown,
  params: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const { service } = server.contract;
  const headers = {
    [headerNames.caller]: 'service:seed',
    [headerNames.correlationId]: 'seed',
    [headerNames.idempotencyKey]: seedKey,
    // Where a version is asked for: it is set where there is none at all.
    'if-match': '*',
  };
  const request = { service, operation, params, query: {}, headers, ...(body === undefined ? {} : { body }) };
  let reply = await server.handle(request, new AbortController().signal);
  for (let attempt = 2; reply.status === 503 && attempt <= attemptsMax; attempt++) {
    await timers.sleep(pauseMs);
    reply = await server.handle(request, new AbortController().signal);
  }
  if (reply.status >= 300) {
    throw new Error(`${service} could not be seeded: ${operation} answered ${JSON.stringify(reply.body)}`);
  }
  return reply.body;
}

/** Receives goods for our own small catalogue, once: the key makes every later start a repeat. */
export async function seedStock(seeded: Seeded): Promise<void> {
  const lines = skus.map((sku) => ({ sku, quantity: unitsPerSku }));
  await ask(seeded, 'receive', { lines, note: 'the shop is opened' });
}

/**
 * Taxes, ways of shipping and codes, where the shop has none of its own: what people have set stays. The last way of
 * shipping comes last of all, so a start that died on the way is taken up by the next.
 */
export async function seedPricing(seeded: Seeded): Promise<void> {
  const { taxes, taxClasses, shippingMethods } = (await ask(seeded, 'rules')) as PricingRules;
  const opened = shippingMethods.some(({ id }) => id === seedShipping.at(-1)?.id);
  const isTheirs =
    taxes.some(isMissingFrom(seedTaxes, placeOf)) || shippingMethods.some(isMissingFrom(seedShipping, idOf));
  if (opened || isTheirs) return;
  const { items } = (await ask(seeded, 'listPromotions')) as { readonly items: readonly Promotion[] };
  // One after the other: changes of rules take turns anyway.
  for (const rule of seedTaxes.filter(isMissingFrom(taxes, placeOf))) await ask(seeded, 'putTaxes', rule);
  for (const row of seedTaxClasses.filter(isMissingFrom(taxClasses, ({ sku }) => sku))) {
    await ask(seeded, 'putTaxClass', row);
  }
  for (const [code, promotion] of Object.entries(seedPromotions)) {
    if (items.every((known) => known.code !== code)) await ask(seeded, 'putPromotion', promotion, { code });
  }
  for (const method of seedShipping.filter(isMissingFrom(shippingMethods, idOf))) {
    await ask(seeded, 'putShippingMethod', method);
  }
}

const placeOf = ({ country, region = '' }: TaxRule) => `${country}-${region}`;
const idOf = ({ id }: ShippingMethod) => id;

function isMissingFrom<Item>(there: readonly Item[], nameOf: (item: Item) => string): (item: Item) => boolean {
  const names = new Set(there.map(nameOf));
  return (item) => !names.has(nameOf(item));
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
