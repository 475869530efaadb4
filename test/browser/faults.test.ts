import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemWorld } from '#kit/runtime';
import { findFreePort } from '#kit/store/embedded';
import { type AdminAccount, readAdminAccount } from '../../cli/admin.ts';
import { newFolder, runCommand } from '../../cli/testing.ts';
import { chromiumPath, launch, visit, withoutChromium } from './browser.ts';

/** What is broken has a process of its own; each costs a start, so the rest has one together. */
const topology = {
  processes: {
    back: {
      runs: ['users', 'products', 'orders', 'carts', 'tills', 'notifications', 'analytics', 'assistant', 'webhooks'],
    },
    inventory: { runs: ['inventory'] },
    payments: { runs: ['payments'] },
    'payment-sandbox': { runs: ['payment-sandbox'] },
    gateway: { runs: ['gateway'] },
  },
};
const quiet = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const sku = 'HF-SKER-40';
/** The Faults page promises 1,500 ms; a packet that is a little early is no failure. */
const slowMsMin = 1_200;

let browser: Browser;
beforeAll(async () => {
  if (chromiumPath !== undefined) browser = await launch();
});
afterAll(() => browser?.close());

/** The laboratory where it is real: processes that end, connections with mutual TLS that are late or cut, a browser. */
test.skipIf(chromiumPath === undefined)(
  `among processes, an order without payments is said to be safe and is confirmed, charged once, after healing${withoutChromium}`,
  { timeout: 600_000 },
  async () => {
    const dataDir = newFolder();
    const file = join(dataDir, 'topology.json');
    writeFileSync(file, JSON.stringify(topology));
    const where = ['--topology', file, '--data-dir', dataDir, '--port', String(await findFreePort())];
    const { urls } = await runCommand('up', ...where, '--faults', '--json').ready();
    const [console, shop] = [await enter(urls.gateway), await enter(urls.gateway)];
    await signIn(console.page, readAdminAccount(dataDir, systemWorld(quiet).random) as AdminAccount);

    await buy(shop.page, 'before@example.com');
    await shop.page.getByText('Your order is confirmed').waitFor();

    // What must be seen: payments killed, somebody buys, is told the truth, and it ends well.
    await turnOn(console.page, 'payments: Killed', 'payments killed');
    await buy(shop.page, 'meanwhile@example.com');
    await shop.page.getByText('Your goods are set aside').waitFor();
    await shop.picture('faults-order-under-way');
    const orderId = new URL(shop.page.url()).pathname.split('/').at(-1) as string;
    await console.page.goto(`/console/orders/${orderId}`);
    await console.page.getByText('is under way').waitFor();
    await console.picture('faults-killed');
    await console.page.getByRole('button', { name: 'Heal all' }).click();
    await shop.page.getByText('Your order is confirmed').waitFor();
    await console.page.getByText('both books agree').waitFor();

    await console.page.goto('/console/faults');
    await turnOn(console.page, 'inventory: Slow', 'inventory slow');
    await expect.poll(() => availability(shop.page), soon).toEqual({ status: 200, isSlow: true });
    await heal(console.page);
    await expect.poll(() => availability(shop.page), soon).toEqual({ status: 200, isSlow: false });

    await turnOn(console.page, 'payments: Cut off', 'payments cut-off');
    // Until the network is gone an order may still be confirmed, which is 201.
    await expect.poll(async () => (await place(shop.page)).status(), soon).toBe(202);
    const { id } = await (await place(shop.page)).json();
    await heal(console.page);
    const state = async () => (await (await shop.page.request.get(`/orders/${id}`)).json()).state;
    await expect.poll(state, soon).toBe('confirmed');
    await console.page.goto(`/console/orders/${id}`);
    await console.page.getByText('both books agree').waitFor();
    await console.page.goto('/console/faults');
    await console.page.getByText('every unit is accounted for').waitFor();
    await console.picture('faults-healed');
  },
);

/** Seconds here; minutes where machines are slow, since processes start and breakers close again. */
const soon = { timeout: 120_000, interval: 250 };

async function enter(origin: string) {
  const entered = await visit(browser, 'desktop', { origin });
  entered.page.setDefaultTimeout(soon.timeout);
  return entered;
}

async function signIn(page: Page, { email, password }: AdminAccount): Promise<void> {
  await page.goto('/console/faults');
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

async function turnOn(page: Page, name: string, banner: string): Promise<void> {
  await page.getByRole('checkbox', { name, exact: true }).click();
  await page.getByText(banner).waitFor();
}

async function heal(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Heal all' }).first().click();
  await page.getByRole('checkbox', { checked: true }).first().waitFor({ state: 'detached' });
}

async function buy(page: Page, email: string): Promise<void> {
  await page.goto('/p/skerry-dynamic-rope');
  await page.getByRole('button', { name: 'Add to cart' }).click();
  await page.getByRole('dialog').getByText('Shipping and taxes at checkout.').waitFor();
  await page.goto('/checkout');
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Name', { exact: true }).fill('Ada Lovelace');
  await page.getByLabel('Street and number').fill('12 Quay Street');
  await page.getByLabel('City').fill('Galway');
  await page.getByRole('button', { name: /Order and pay €/ }).click();
}

async function availability(page: Page) {
  const fromMs = performance.now();
  const reply = await page.request.get(`/inventory/availability?sku=${sku}`);
  return { status: reply.status(), isSlow: performance.now() - fromMs >= slowMsMin };
}

let keys = 0;
function place(page: Page) {
  keys += 1;
  const payment = { method: 'pm_card_visa' };
  const data = { email: 'cut-off@example.com', currency: 'EUR', lines: [{ sku, quantity: 1 }], payment };
  return page.request.post('/orders', { headers: { prefer: 'wait=1', 'idempotency-key': `faults-${keys}` }, data });
}
