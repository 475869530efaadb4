import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { buildApps } from '../../cli/apps.ts';
import { startWholeShop, type WholeShop } from '../whole-shop.ts';
import { chromiumPath, launch, type Viewport, type Visit, visit, withoutChromium } from './browser.ts';
import { createCutOff } from './cut-off.ts';

const admin = { email: 'keeper@shop.example', password: 'the keys to the shop' };

/** What people see while a service is gone, and that it comes back without a reload. */
describe.skipIf(chromiumPath === undefined)(`while a service is gone${withoutChromium}`, { timeout: 300_000 }, () => {
  let shop: WholeShop;
  let browser: Browser;
  let visits: Visit[] = [];

  const { away, cutOff } = createCutOff();

  beforeAll(async () => {
    const { folders } = await buildApps();
    shop = await startWholeShop({
      ...{ apps: folders, admin, seams: { transport: cutOff }, recovery: { breakerOpenMs: 500 } },
    });
    browser = await launch();
  }, 300_000);
  afterAll(async () => {
    await browser?.close();
    await shop?.stop();
  });
  afterEach(async ({ task }) => {
    away.clear();
    for (const [index, { context, pictureOfFailure }] of visits.entries()) {
      if (task.result?.state === 'fail') await pictureOfFailure(`failed-gone-${index}`);
      await context.close();
    }
    visits = [];
  });

  async function enter(viewport: Viewport): Promise<Visit> {
    const entered = await visit(browser, viewport, { origin: shop.origin });
    visits.push(entered);
    return entered;
  }

  async function enterConsole(path: string): Promise<Visit> {
    const entered = await enter('desktop');
    await signIn(entered.page, admin, path);
    return entered;
  }

  async function signIn(page: Page, { email, password }: typeof admin, path: string): Promise<void> {
    await page.goto(path);
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
  }

  const box = async (page: Page, text: string) => {
    const found = await page.getByText(text).first().boundingBox();
    if (!found) throw new Error(`“${text}” is not to be seen`);
    return found;
  };

  test.each(['desktop', 'phone'] as const)(
    '%s: a cart whose prices can not be checked says so below its lines, until they can',
    async (viewport) => {
      const here = await enter(viewport);
      const { page } = here;
      await page.goto('/p/skerry-dynamic-rope');
      await page.getByRole('button', { name: 'Add to cart' }).click();
      await page.getByRole('dialog').getByText('Shipping and taxes at checkout.').waitFor();
      away.add('products');
      await page.goto('/cart');
      const note = page.getByText('Prices can’t be checked just now');
      await note.waitFor();
      await here.picture('gone-cart');
      const line = await box(page, 'Skerry dynamic rope');
      const said = await box(page, 'Prices can’t be checked just now');
      expect(said.y, 'the note moves no line').toBeGreaterThan(line.y);
      if (viewport === 'desktop') {
        const sum = await box(page, 'Shipping and taxes at checkout.');
        expect(sum.y, 'the sum stays beside the lines').toBeLessThan(said.y);
        expect(sum.x).toBeGreaterThan(line.x + line.width);
      }
      expect(await here.findings()).toEqual([]);
      expect(await here.shift(), (await here.jumps()).join('\n')).toBeLessThan(0.05);
      away.delete('products');
      await note.waitFor({ state: 'detached' });
      expect(await here.shift(), (await here.jumps()).join('\n')).toBeLessThan(0.1);
    },
  );

  test('a cart that can not be read after signing in is not called empty, and comes by itself', async () => {
    const account = { email: 'grace@example.com', password: 'a quite unlikely pass phrase' };
    expect((await shop.ask('POST', '/users', { body: account })).status).toBe(201);
    const first = await enter('desktop');
    await first.page.goto('/p/knot-book');
    await first.page.getByRole('button', { name: 'Add to cart' }).click();
    await first.page.getByRole('dialog').getByText('Shipping and taxes at checkout.').waitFor();
    await signIn(first.page, account, '/sign-in?next=/cart');
    await first.page.getByRole('heading', { name: 'Cart' }).waitFor();

    const here = await enter('phone');
    const { page } = here;
    away.add('carts');
    await signIn(page, account, '/sign-in?next=/cart');
    await page.getByText('Your cart can’t be read just now').waitFor();
    await here.picture('gone-cart-of-account');
    await page.reload();
    await page.getByText('Your cart can’t be read just now').waitFor();
    expect(await page.getByText('Your cart is empty').count()).toBe(0);
    away.delete('carts');
    await page.getByRole('main').getByText('Forty knots that hold fast').waitFor();
  });

  test('what a page gets on without comes back by itself, too: categories, what goes with a product, countries, names', async () => {
    const { page } = await enter('desktop');
    const gone = { status: 503, contentType: 'application/problem+json', body: JSON.stringify({ retry: 'same-key' }) };
    await page.route(/\/categories$|\/products\?.*category/, (route) => route.fulfill(gone));
    await page.goto('/');
    await page.getByRole('article').first().waitFor();
    const categories = page.getByRole('navigation', { name: 'Categories' }).getByRole('link');
    expect(await categories.count()).toBe(0);
    await page.unrouteAll();
    await categories.first().waitFor();

    await page.route(/\/products\?.*category/, (route) => route.fulfill(gone));
    await page.goto('/p/skerry-dynamic-rope');
    await page.getByText('In stock', { exact: true }).waitFor();
    const related = page.getByRole('heading', { name: 'Goes with it' });
    await related.waitFor({ state: 'detached' });
    await page.unrouteAll();
    await related.waitFor();

    await page.getByRole('button', { name: 'Add to cart' }).click();
    await page.getByRole('dialog').getByText('Shipping and taxes at checkout.').waitFor();
    await page.route('**/destinations', (route) => route.fulfill(gone));
    await page.goto('/checkout');
    await page.getByRole('button', { name: /Order and pay €/ }).waitFor();
    expect(await page.getByLabel('Country').locator('option').count()).toBe(1);
    await page.unrouteAll();
    await page.getByLabel('Country').locator('option').nth(1).waitFor({ state: 'attached' });

    const account = { email: 'joan@example.com', password: 'a quite unlikely pass phrase', name: 'Joan Clarke' };
    expect((await shop.ask('POST', '/users', { body: account })).status).toBe(201);
    await page.route('**/users/me', (route) => route.fulfill(gone));
    await signIn(page, account, '/sign-in');
    await page.getByText('No orders yet').waitFor();
    expect(await page.getByText('Hello, Joan Clarke').count()).toBe(0);
    await page.unrouteAll();
    await page.getByText('Hello, Joan Clarke').waitFor();
  });

  test('a phone has room for both: that the stock can not be asked, and what is in the cart', async () => {
    const here = await enter('phone');
    const { page } = here;
    await page.goto('/p/skerry-dynamic-rope');
    await page.getByRole('button', { name: 'Add to cart' }).click();
    await page.getByRole('dialog').getByText('Shipping and taxes at checkout.').waitFor();
    away.add('inventory');
    await page.goto('/p/skerry-dynamic-rope');
    await page.getByText('The stock can’t be asked just now.').waitFor();
    await here.picture('gone-stock');
    expect((await box(page, '1 in your cart')).height, 'on one line').toBeLessThan(30);
    away.delete('inventory');
    await page.getByText('In stock', { exact: true }).waitFor();
  });

  test('settings that can not be read are not said to be none', async () => {
    away.add('carts');
    const here = await enterConsole('/console/settings');
    const { page } = here;
    await page.getByText('The rules of prices can’t be shown').waitFor();
    await page.getByRole('region', { name: 'Running configuration' }).waitFor();
    await here.picture('gone-settings');
    expect(await page.getByText(/nothing is taxed|orders are not shipped/).count()).toBe(0);
    away.delete('carts');
    await page.getByRole('region', { name: 'Taxes by country' }).getByText('Austria').waitFor();
    await page.getByRole('region', { name: 'Ways of shipping' }).getByText('Standard post').waitFor();
  });

  test('figures that were read stay, with their time; others are not shown in the place of those that were asked for', async () => {
    expect((await shop.placeOrder('HF-SKER-40', 1)).status).toBe(201);
    const here = await enterConsole('/console/sales');
    const { page } = here;
    await page.getByText('€119.00').first().waitFor();
    await page.getByText('Complete up to now.').waitFor();
    const before = await here.shift();
    away.add('analytics');
    await page.getByText('newer ones can’t be had just now').waitFor();
    await page.getByText('€119.00').first().waitFor();
    expect((await here.shift()) - before, (await here.jumps()).join('\n')).toBeLessThan(0.01);
    await here.picture('gone-sales');
    await page.getByRole('link', { name: 'By country' }).click();
    await page.getByText('These figures can’t be shown just now').waitFor();
    await page.getByLabel('Time').selectOption({ label: 'Last year' });
    await page.getByText('Figures can’t be shown just now', { exact: true }).waitFor();
    await page.getByText('€119.00').first().waitFor({ state: 'detached' });
    away.delete('analytics');
    await page.getByText('Complete up to now.').waitFor();
    await page.getByText('€119.00').first().waitFor();
  });

  test('a reader that goes away is said to, and moves nothing', async () => {
    const here = await enterConsole('/console/messages');
    const { page } = here;
    const row = page.getByRole('row').filter({ hasText: 'notifications' });
    await row.getByText('nothing', { exact: true }).waitFor();
    await page.getByRole('row').filter({ hasText: 'inventory' }).last().waitFor();
    const reads = await row.getByRole('cell').nth(1).innerText();
    const before = await here.shift();
    for (const service of ['notifications', 'analytics', 'webhooks', 'assistant']) away.add(service);
    await page.getByText('does not answer').nth(3).waitFor();
    await here.picture('gone-readers');
    expect(await row.getByRole('cell').nth(1).innerText()).toBe(reads);
    expect((await here.shift()) - before, (await here.jumps()).join('\n')).toBeLessThan(0.01);
    away.clear();
    await page.getByText('does not answer').first().waitFor({ state: 'detached' });
  });

  test('an order that is wished for while products are gone is kept, and placed by itself when they are back', async () => {
    const { page } = await enter('phone');
    await page.goto('/p/knot-book');
    await page.getByRole('button', { name: 'Add to cart' }).click();
    await page.getByRole('dialog').getByText('Shipping and taxes at checkout.').waitFor();
    away.add('products');
    await page.goto('/checkout');
    for (const [label, text] of [
      ['E-mail', 'brave@example.com'],
      ['Name', 'Ada Lovelace'],
      ['Street and number', '12 Quay Street'],
      ['City', 'Galway'],
    ] as const) {
      await page.getByLabel(label, { exact: true }).fill(text);
    }
    await page.getByRole('button', { name: /Order and pay €/ }).click();
    await page.getByText('you can’t be charged twice').waitFor();
    away.delete('products');
    await page.getByText('Your order is confirmed').waitFor();
  });
});
