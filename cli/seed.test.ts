import { beforeAll, beforeEach, expect, test } from 'vitest';
import type { Promotion } from '#contracts/carts';
import type { ServiceServer } from '#kit/contract';
import { cartsForTest } from '../services/carts/testing.ts';
import { seedPricing } from './seed.ts';
import { seedPromotions, seedShipping, seedTaxClasses, seedTaxes } from './seed-pricing.ts';

let shop: Awaited<ReturnType<typeof cartsForTest>>;

beforeAll(async () => {
  shop = await cartsForTest();
  return () => shop.database.close();
});
beforeEach(() => shop.database.query('truncate tax_rule, tax_class, shipping_method, promotion'));

const staff = { as: 'staff:usr_1' };

async function rules() {
  const { taxes, taxClasses, shippingMethods } = (await shop.call('rules', staff)).body;
  const codes = (await shop.call('listPromotions', staff)).body.items.map(({ code }: Promotion) => code);
  return { taxes: taxes.length, taxClasses: taxClasses.length, shippingMethods: shippingMethods.length, codes };
}

/** Opens the shop in a process that is killed when it is about to make its change number `diesAt`. */
async function open(diesAt = Number.POSITIVE_INFINITY): Promise<{ changes: number }> {
  let changes = 0;
  const server: ServiceServer = {
    ...shop.server,
    handle(request, signal) {
      if (request.operation.startsWith('put')) changes += 1;
      if (changes >= diesAt) throw new Error('killed');
      return shop.server.handle(request, signal);
    },
  };
  await seedPricing({ server, timers: shop.world.timers }).catch((error: Error) => {
    if (error.message !== 'killed') throw error;
  });
  return { changes };
}

const all = {
  taxes: seedTaxes.length,
  taxClasses: seedTaxClasses.length,
  shippingMethods: seedShipping.length,
  codes: Object.keys(seedPromotions).sort(),
};

test('a start that was killed while it opened the shop is taken up by the next, wherever it was', async () => {
  const { changes } = await open();
  expect(await rules()).toEqual(all);
  for (let diesAt = 1; diesAt <= changes; diesAt++) {
    await shop.database.query('truncate tax_rule, tax_class, shipping_method, promotion');
    await open(diesAt);
    await open(Math.ceil(diesAt / 2));
    await open();
    expect(await rules()).toEqual(all);
  }
});

test('what people have set stays, and a shop of their own gets none of ours', async () => {
  await open();
  const body = { ...seedShipping[0], name: 'By donkey' };
  await shop.call('putShippingMethod', { ...staff, body });
  expect(await open()).toEqual({ changes: 0 });
  expect((await shop.call('rules', staff)).body.shippingMethods).toContainEqual(body);

  await shop.database.query('truncate tax_rule, tax_class, shipping_method, promotion');
  await shop.call('putShippingMethod', { ...staff, body: { ...body, id: 'donkey' } });
  expect(await open()).toEqual({ changes: 0 });
  expect(await rules()).toEqual({ taxes: 0, taxClasses: 0, shippingMethods: 1, codes: [] });
});
