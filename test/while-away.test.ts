import { afterAll, beforeAll, expect, test } from 'vitest';
import { startWholeShop, type WholeShop } from './whole-shop.ts';

/** What apps/console/state/away.ts says of each service, while that is killed: for orders and money, and after healing. */

const rope = 'HF-SKER-40';
const shopper = { email: 'ada@example.org', password: 'correct horse battery' };
const address = { name: 'Ada', line1: 'Street 1', city: 'Berlin', country: 'DE' };
/** Of each service, something that it alone can answer. */
const probes: Readonly<Record<string, string>> = {
  orders: '/orders?limit=1',
  payments: '/payments/books',
  inventory: `/inventory/levels?sku=${rope}`,
  products: '/products?limit=1&status=draft',
  carts: '/promotions',
  users: '/users?limit=1',
  notifications: '/notifications?limit=1',
  analytics: '/analytics/status',
  assistant: '/assistant/knowledge',
  tills: '/tills',
  webhooks: '/webhook-deliveries?limit=1',
};
/** Seconds here; minutes where machines are slow. */
const soon = { timeout: 100_000, interval: 100 };

let shop: WholeShop;
let admin: string;
let token: string;
beforeAll(async () => {
  shop = await startWholeShop({ faults: true, recovery: { breakerOpenMs: 500 } });
  admin = await shop.adminToken();
  expect((await shop.ask('POST', '/users', { body: shopper })).status).toBe(201);
  token = await shop.signIn(shopper);
});
afterAll(() => shop?.stop());

const away = new Set<string>();
const putFaults = () =>
  shop.ask('PUT', '/faults', {
    token: admin,
    body: { items: [...away].map((service) => ({ kind: 'killed', service })) },
  });

/** `work` goes on while the service is killed; afterwards it is healed and answers again. */
async function killed<T>(service: string, work: () => Promise<T>): Promise<T> {
  const probe = async () => (await shop.ask('GET', probes[service] as string, { token: admin })).status;
  await expect.poll(probe, soon).toBe(200);
  away.add(service);
  await putFaults();
  await expect.poll(probe, soon).toBe(503);
  try {
    return await work();
  } finally {
    away.delete(service);
    await putFaults();
    await expect.poll(probe, soon).toBe(200);
  }
}

function place(key: string) {
  const payment = { method: 'pm_card_visa' };
  const body = { email: shopper.email, currency: 'EUR', lines: [{ sku: rope, quantity: 1 }], payment };
  return shop.ask('POST', '/orders', { key, body });
}

const orderOf = async (id: string) => (await shop.ask('GET', `/orders/${id}`, { token: admin })).body;
const chargedOnce = async (id: string) => {
  await expect.poll(async () => (await orderOf(id)).state, soon).toBe('confirmed');
  const paid = async () => (await shop.ask('GET', `/payments/${id}/provider`, { token: admin })).body.payment;
  const { totalMinor: capturedMinor } = await orderOf(id);
  await expect.poll(paid, soon).toMatchObject({ capturedMinor, duplicates: [] });
};

async function fillCart() {
  const { body: cart } = await shop.ask('POST', '/carts', {
    body: { currency: 'EUR', destination: { country: 'DE' } },
  });
  const edits = [{ kind: 'add', sku: rope, quantity: 1 }];
  const filled = await shop.ask('POST', `/carts/${cart.id}/edits`, { key: `fill-${cart.id}`, body: { edits } });
  return { cartId: cart.id as string, totalMinor: filled.body.totals.totalMinor as number };
}
const checkOut = ({ cartId, totalMinor }: { cartId: string; totalMinor: number }) =>
  shop.ask('PUT', `/carts/${cartId}/checkouts/1`, {
    body: {
      email: shopper.email,
      shippingAddress: address,
      payment: { method: 'pm_card_visa' },
      seen: { totalMinor },
    },
  });

test('without orders checkouts of carts are kept and placed later, other orders are refused, and accepted ones go on', async () => {
  const cart = await fillCart();
  let accepted = '';
  await killed('payments', async () => {
    const reply = await shop.placeOrder(rope, 1);
    expect(reply.status).toBe(202);
    accepted = reply.body.id;
    await killed('orders', async () => {
      expect((await place('without-orders')).status).toBe(503);
      expect(await checkOut(cart)).toMatchObject({ status: 202, body: { state: 'saved' } });
    });
  });
  await chargedOnce(accepted);
  const checkout = async () => (await shop.ask('GET', `/carts/${cart.cartId}/checkouts/1`)).body;
  await expect.poll(async () => (await checkout()).state, soon).toBe('confirmed');
  await chargedOnce((await checkout()).orderId);
  const { body } = await place('without-orders');
  await chargedOnce(body.id);
});

test('without payments orders are accepted and wait, and so do refunds and cancellations; each is done once', async () => {
  const [refunded, cancelled] = [(await place('to-refund')).body.id, (await place('to-cancel')).body.id];
  for (const id of [refunded, cancelled]) await chargedOnce(id);
  const waiting = await killed('payments', async () => {
    const reply = await place('without-payments');
    expect(reply.status).toBe(202);
    const change = (id: string, path: string, body: object) =>
      shop.ask('POST', `/orders/${id}/${path}`, { token: admin, key: `${path}-${id}`, body });
    expect((await change(refunded, 'refunds', { amountMinor: 500, reason: 'late' })).status).toBe(202);
    expect((await change(cancelled, 'cancel', { reason: 'no need' })).status).toBe(202);
    return reply.body.id as string;
  });
  await chargedOnce(waiting);
  await expect
    .poll(async () => (await orderOf(refunded)).refunds, soon)
    .toMatchObject([{ amountMinor: 500, state: 'done' }]);
  await expect.poll(async () => (await orderOf(cancelled)).state, soon).toBe('cancelled');
});

test('without inventory orders are accepted and wait for their units', async () => {
  const id = await killed('inventory', async () => {
    const reply = await place('without-inventory');
    expect(reply.status).toBe(202);
    return reply.body.id as string;
  });
  await chargedOnce(id);
});

test('without products no order is accepted', async () => {
  const cart = await fillCart();
  await killed('products', async () => {
    expect((await place('without-products')).status).toBe(503);
    expect((await checkOut(cart)).status).toBe(503);
  });
  await chargedOnce((await place('without-products')).body.id);
});

test('without carts nothing can be put into one or checked out, and what is in them is kept', async () => {
  const cart = await fillCart();
  await killed('carts', async () => expect((await checkOut(cart)).status).toBe(503));
  const { body } = await shop.ask('GET', `/carts/${cart.cartId}`);
  expect(body.lines).toMatchObject([{ sku: rope, quantity: 1 }]);
});

test('without users nobody can sign in, guests buy, and who is signed in stays so', async () => {
  await killed('users', async () => {
    expect((await shop.ask('POST', '/sessions', { body: shopper })).status).toBe(503);
    expect((await place('without-users')).status).toBe(201);
    expect((await shop.ask('GET', '/orders?limit=1', { token })).status).toBe(200);
  });
});

test.each(['notifications', 'analytics', 'assistant', 'tills', 'webhooks'])(
  'without %s orders are placed and paid, and it catches up',
  async (service) => {
    const id = await killed(service, async () => {
      const { status, body } = await place(`without-${service}`);
      expect(status).toBe(201);
      await chargedOnce(body.id);
      return body.id as string;
    });
    if (service === 'notifications') {
      const mails = async () => (await shop.ask('GET', `/notifications?orderId=${id}`, { token: admin })).body.items;
      await expect.poll(async () => (await mails()).length, soon).toBe(1);
    }
  },
);
