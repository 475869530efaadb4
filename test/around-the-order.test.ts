import { afterAll, beforeAll, expect, test } from 'vitest';
import { seedCatalogue } from '#services/products';
import { startWholeShop, type WholeShop } from './whole-shop.ts';

/** What follows from an order, through the whole system and its public door: mails, figures, the catalogue. */

const sku = seedCatalogue[0]?.variants[0]?.sku as string;

let shop: WholeShop;
let token: string;
beforeAll(async () => {
  shop = await startWholeShop();
  token = await shop.adminToken();
}, 60_000);
afterAll(() => shop?.stop());

test('an order that is cancelled after a part of it came back counts each unit as returned once', async () => {
  const { body: order } = await shop.placeOrder(sku, 5);
  const lines = [{ sku, quantity: 2 }];
  expect(await shop.ask('POST', `/orders/${order.id}/returns`, { token, key: 'back', body: { lines } })).toMatchObject({
    status: 200,
  });
  expect(await shop.ask('POST', `/orders/${order.id}/cancel`, { token, key: 'off', body: {} })).toMatchObject({
    body: { state: 'cancelled', refundedMinor: order.totalMinor },
  });
  const figures = async () => (await shop.ask('GET', '/analytics/sales?by=month', { token })).body.items[0];
  await expect
    .poll(figures, { timeout: 10_000 })
    .toMatchObject({ orders: 1, cancelledOrders: 1, units: 5, returnedUnits: 5, netMinor: 0 });
});
