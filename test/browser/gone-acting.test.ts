import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { numberOf } from '../../apps/till/model/ids.ts';
import { buildApps } from '../../cli/apps.ts';
import { startWholeShop, type WholeShop } from '../whole-shop.ts';
import { chromiumPath, launch, type Viewport, type Visit, visit, withoutChromium } from './browser.ts';
import { createCutOff } from './cut-off.ts';
import { enrol } from './enrol.ts';

const rope = 'HF-SKER-40';
/** Seconds here; minutes where machines are slow. */
const soon = { timeout: 120_000, interval: 100 };

/** What people do while a service is gone: it is said plainly, nothing is lost, and nothing is done twice. */
describe.skipIf(chromiumPath === undefined)(
  `acting while a service is gone${withoutChromium}`,
  { timeout: 300_000 },
  () => {
    let shop: WholeShop;
    let browser: Browser;
    let token: string;
    let visits: Visit[] = [];

    const { away, cutOff } = createCutOff();

    beforeAll(async () => {
      const { folders } = await buildApps();
      shop = await startWholeShop({ apps: folders, seams: { transport: cutOff }, recovery: { breakerOpenMs: 500 } });
      token = await shop.adminToken();
      browser = await launch();
    }, 300_000);
    afterAll(async () => {
      await browser?.close();
      await shop?.stop();
    });
    afterEach(async ({ task }) => {
      away.clear();
      for (const [index, { context, pictureOfFailure }] of visits.entries()) {
        if (task.result?.state === 'fail') await pictureOfFailure(`failed-gone-acting-${index}`);
        await context.close();
      }
      visits = [];
    });

    let keys = 0;
    async function ask(method: string, path: string, body?: unknown) {
      keys += 1;
      const reply = await shop.ask(method, path, { token, key: `acting-${keys}`, ...(body ? { body } : {}) });
      expect(reply.status, JSON.stringify(reply.body)).toBeLessThan(300);
      return reply.body;
    }

    async function enter(viewport: Viewport): Promise<Visit> {
      const entered = await visit(browser, viewport, { origin: shop.origin });
      visits.push(entered);
      return entered;
    }

    async function enterTill(viewport: Viewport, share: Record<string, number>) {
      const { till, code } = await ask('POST', '/tills', { name: 'Pier', currency: 'EUR', country: 'DE' });
      const lines = Object.entries(share).map(([sku, quantity]) => ({ sku, quantity }));
      await ask('POST', `/tills/${till.id}/transfers`, { direction: 'in', lines });
      const here = await enter(viewport);
      const { page } = here;
      await page.goto('/till');
      await enrol(page, code);
      // The till knows nothing that the shop does not.
      await expect.poll(async () => (await ask('GET', `/tills/${till.id}/sessions`)).items.length, soon).toBe(1);
      await untold(page, 0);
      return { ...here, tillId: till.id as string };
    }

    async function addToCart(page: Page): Promise<void> {
      await page.goto('/p/skerry-dynamic-rope');
      await page.getByRole('button', { name: 'Add to cart' }).click();
      await page.getByRole('dialog').getByText('Shipping and taxes at checkout.').waitFor();
    }

    async function fillIn(page: Page, email: string): Promise<void> {
      await page.getByLabel('E-mail').fill(email);
      await page.getByLabel('Name', { exact: true }).fill('Ada Lovelace');
      await page.getByLabel('Street and number').fill('12 Quay Street');
      await page.getByLabel('City').fill('Galway');
    }

    const askShop = (page: Page) => page.getByRole('button', { name: /Ask the shop now/ }).click();
    const untold = (page: Page, count: number) => page.locator(`[data-untold="${count}"]`).waitFor();

    test.each(['desktop', 'phone'] as const)(
      'a till without its stock is online, says so, and takes cards: %s',
      async (viewport) => {
        const here = await enterTill(viewport, { [rope]: 3 });
        const { page, tillId } = here;
        away.add('inventory');
        await askShop(page);
        await page.getByText('The stock can’t be asked just now.').waitFor();
        await page.getByRole('button', { name: /^Online/ }).waitFor();
        await page.getByRole('button', { name: /Skerry/ }).click();
        await here.picture('gone-till-stock');
        expect(await here.findings()).toEqual([]);
        if (viewport === 'phone') await page.getByRole('button', { name: /1 item/ }).click();
        await page.getByRole('button', { name: /^Pay/ }).filter({ visible: true }).click();
        await page.getByRole('button', { name: 'Card €119.00' }).click();
        await page.getByRole('button', { name: 'Next customer' }).click();
        await untold(page, 0);
        await page.getByText('2 left').waitFor();
        away.clear();
        await askShop(page);
        await page.getByText('The stock can’t be asked just now.').waitFor({ state: 'detached' });
        // The sale is told to inventory by the shop itself, whenever that is: until then it is taken off.
        await page.getByText('2 left').waitFor();
        const { items } = await ask('GET', `/tills/${tillId}/sessions`);
        expect(items).toMatchObject([{ sales: 1, cardMinor: 11_900 }]);

        // Handed something that it can’t learn the name of.
        await ask('POST', `/tills/${tillId}/transfers`, {
          direction: 'in',
          lines: [{ sku: 'HF-BOOK-PB', quantity: 1 }],
        });
        away.add('products');
        await askShop(page);
        await page.getByText('Names and prices can’t be renewed just now.').waitFor();
        await page.getByRole('button', { name: /^Online/ }).waitFor();
        away.clear();
        await askShop(page);
        await page.getByRole('button', { name: /Forty knots/ }).waitFor();
        await page.getByText('Names and prices can’t be renewed just now.').waitFor({ state: 'detached' });
      },
    );

    test('everything at a till goes on while the shop is away, and is told once when it is back', async () => {
      const { page, tillId, ...here } = await enterTill('desktop', { [rope]: 3 });
      away.add('tills');
      await askShop(page);
      await page.getByRole('button', { name: /^Offline/ }).waitFor();
      const place = (name: string) => page.getByRole('link', { name, exact: true }).click();
      const say = (name: string) => page.getByRole('button', { name, exact: true });
      await page.getByRole('button', { name: /Skerry/ }).click();
      await say('Hold').click();
      await page.getByLabel('Put this sale aside for').fill('Red boat');
      await say('Hold 1 item').click();
      await place('Drawer');
      for (const [way, minor] of [
        ['Put cash in', '2000'],
        ['Take cash out', '500'],
      ] as const) {
        await say(way).click();
        await page.getByRole('dialog').getByLabel('Amount').pressSequentially(minor);
        await page.getByLabel('Reason').fill('Change');
        await page.getByRole('dialog').getByRole('button', { name: way }).dblclick();
        await page.getByRole('dialog').waitFor({ state: 'hidden' });
      }
      await place('Sell');
      await say('Hold (1)').click();
      await say('Take back the sale of Red boat').click();
      await page.getByRole('button', { name: /^Pay/ }).first().click();
      const cash = page.getByRole('group', { name: 'Cash handed over' });
      await cash.getByRole('button', { name: '€119.00' }).dblclick();
      await page.getByRole('button', { name: 'Next customer' }).click();
      await place('Drawer');
      await say('Close the drawer').click();
      // Float 50, 20 in, 5 out, 119 sold.
      await page.getByLabel('Counted in the drawer').pressSequentially('18400');
      await page.getByRole('dialog').getByRole('button', { name: 'Close the drawer' }).dblclick();
      await page.getByText('The Z report below is final.').waitFor();
      await here.picture('gone-till-closed');
      expect(await here.findings()).toEqual([]);
      await untold(page, 4);
      away.clear();
      await askShop(page);
      await untold(page, 0);
      expect((await ask('GET', `/tills/${tillId}/sessions`)).items).toMatchObject([
        { kind: 'Z', sales: 1, cash: { inMinor: 2_000, outMinor: 500, expectedMinor: 18_400, differenceMinor: 0 } },
      ]);
    });

    test('what comes back to another till counts at once, whether or not the shop can be told', async () => {
      const seller = await enterTill('desktop', { [rope]: 1 });
      await seller.page.getByRole('button', { name: /Skerry/ }).click();
      await seller.page.getByRole('button', { name: /^Pay/ }).first().click();
      await seller.page.getByRole('group', { name: 'Cash handed over' }).getByRole('button').first().click();
      await seller.page.getByRole('button', { name: 'Next customer' }).click();
      await untold(seller.page, 0);
      await seller.page.getByRole('link', { name: 'Sales', exact: true }).click();
      const href = await seller.page.getByRole('link', { name: /^Sale of/ }).getAttribute('href');
      const receipt = numberOf((href ?? '').split('/').at(-1) as string);

      const { page, tillId, ...here } = await enterTill('phone', { [rope]: 1 });
      await page.getByRole('link', { name: 'Return', exact: true }).click();
      const find = async () => {
        await page.getByLabel('Receipt').fill(receipt);
        await page.getByRole('button', { name: 'Find' }).click();
      };
      away.add('tills');
      await find();
      await page.getByText('This sale was made at another till, and the shop can’t be asked just now.').waitFor();
      await here.picture('gone-till-return');
      away.clear();
      await find();
      const more = page.getByRole('button', { name: /^One more of/ });
      await more.click();
      away.add('tills');
      await page.getByRole('button', { name: 'Give back €119.00' }).dblclick();
      await page.getByText('Goes back: €119.00 in cash').waitFor();
      await page.getByText('1 back already').waitFor();
      expect(await more.isDisabled()).toBe(true);
      expect(await page.getByRole('alert').count(), 'it was done').toBe(0);
      await here.picture('gone-till-returned');
      // The shop is there, but has not been told.
      await page.route('**/tills/journal', (route) => route.abort());
      away.clear();
      await page.getByRole('link', { name: 'Sell', exact: true }).click();
      await page.getByRole('link', { name: 'Return', exact: true }).click();
      await find();
      await page.getByText('1 back already').waitFor();
      await page.unrouteAll();
      await askShop(page);
      await untold(page, 0);
      expect((await ask('GET', `/tills/${tillId}/sessions`)).items).toMatchObject([
        { returns: 1, refundsMinor: 11_900 },
      ]);
    });

    test('what is taken off an order, called off, or applied to a cart says when no answer came, and is done once', async () => {
      const account = { email: 'edith@example.com', password: 'a quite unlikely pass phrase' };
      expect((await shop.ask('POST', '/users', { body: account })).status).toBe(201);
      const own = await shop.signIn(account);
      const place = async (key: string) => {
        const lines = [{ sku: 'HF-BOOK-PB', quantity: 3 }];
        const body = { email: account.email, currency: 'EUR', lines, payment: { method: 'pm_card_visa' } };
        const reply = await shop.ask('POST', '/orders', { body, key, token: own });
        expect(reply.status).toBe(201);
        return reply.body.id as string;
      };
      const [first, second] = [await place('edith-1'), await place('edith-2')];
      const here = await enter('phone');
      const { page } = here;
      await page.goto(`/sign-in?next=/order/${first}`);
      await page.getByLabel('E-mail').fill(account.email);
      await page.getByLabel('Password').fill(account.password);
      await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
      const takeOff = page.getByRole('button', { name: 'Take something off' });
      const dialog = page.getByRole('dialog');
      const unknown = page.getByText('It is not known whether this was done');
      const chooseOne = async () => {
        await takeOff.click();
        await dialog.getByRole('checkbox').check();
        for (const _ of [1, 2]) await dialog.getByRole('button', { name: 'One less' }).click();
      };
      await chooseOne();
      away.add('orders');
      await dialog.getByRole('button', { name: 'Take it off' }).click();
      await unknown.waitFor();
      await here.picture('gone-order-take-off');
      expect(await here.findings()).toEqual([]);
      away.clear();
      // It is done, and the answer is lost; then the dialog is closed and everything chosen anew.
      await page.route(
        `**/orders/${first}/returns`,
        async (route) => {
          await route.fetch();
          await route.abort('connectionfailed');
        },
        { times: 1 },
      );
      await dialog.getByRole('button', { name: 'Take it off' }).click();
      await expect.poll(async () => (await ask('GET', `/orders/${first}`)).returns.length, soon).toBe(1);
      await unknown.waitFor();
      await dialog.getByRole('button', { name: 'Keep it' }).click();
      await chooseOne();
      await dialog.getByRole('button', { name: 'Take it off' }).click();
      await dialog.waitFor({ state: 'hidden' });
      await page.getByText(/€14.90 given back/).waitFor();
      expect((await ask('GET', `/orders/${first}`)).returns).toMatchObject([{ lines: [{ quantity: 1 }] }]);

      await page.goto(`/order/${second}`);
      await page.getByRole('button', { name: 'Cancel the order' }).click();
      away.add('payments');
      await dialog.getByRole('button', { name: 'Cancel the order' }).dblclick();
      await page.getByText('This takes longer than usual: a part of the shop has not answered yet.').waitFor();
      await here.picture('gone-order-cancelling');
      away.clear();
      await page.getByText('This order is cancelled').waitFor();
      expect(await ask('GET', `/orders/${second}`)).toMatchObject({ state: 'cancelled', refundedMinor: 4_470 });

      await addToCart(page);
      await page.goto('/checkout');
      await page.getByRole('button', { name: /Order and pay €/ }).waitFor();
      await page.getByRole('button', { name: /^Your order/ }).click();
      away.add('carts');
      await page.getByLabel('Promotion code').fill('welcome10');
      await page.getByRole('button', { name: 'Apply' }).dblclick();
      await page.getByText('The codes are as they were').waitFor();
      await here.picture('gone-promotion');
      expect(await page.getByLabel('Promotion code').inputValue()).toBe('welcome10');
      away.clear();
      await page.getByRole('button', { name: 'Apply' }).click();
      await page.getByRole('button', { name: 'Order and pay €107.10' }).waitFor();
      await page.getByText('The codes are as they were').waitFor({ state: 'detached' });
    });

    test.each(['desktop', 'phone'] as const)(
      'an order that waits for its payment says that it is safe, why it takes longer, and is in the cart no more: %s',
      async (viewport) => {
        const here = await enter(viewport);
        const { page } = here;
        await addToCart(page);
        await page.goto('/checkout');
        const email = `patient-${viewport}@example.com`;
        await fillIn(page, email);
        away.add('payments');
        await page.getByRole('button', { name: /Order and pay €/ }).click();
        await page.getByText('Your goods are set aside').waitFor();
        const before = await here.shift();
        await page.getByText('This takes longer than usual: the payment has not been answered yet.').waitFor();
        expect((await here.shift()) - before, (await here.jumps()).join('\n')).toBeLessThan(0.01);
        await here.picture('gone-order-waits');
        expect(await here.findings()).toEqual([]);
        expect(await here.findingsInTheDark('gone-order-waits')).toEqual([]);
        await page.getByRole('button', { name: 'Cart, 0 items' }).waitFor();
        await page.goto('/cart');
        await page.getByText('What you ordered has left your cart.').waitFor();
        await here.picture('gone-order-waits-cart');
        await addToCart(page);
        await page.goto('/checkout');
        await page.getByText('One order after the other').waitFor();
        await here.picture('gone-order-waits-checkout');
        away.clear();
        // The next one can be ordered as soon as this one has ended.
        await page.getByRole('button', { name: 'Order and pay €119.00' }).waitFor();
        await page.getByRole('button', { name: 'Cart, 1 item' }).waitFor();
        expect((await ask('GET', `/orders?email=${email}`)).items).toMatchObject([{ state: 'confirmed' }]);
      },
    );

    test('what a phone is told on its way to pay moves nothing of the form', async () => {
      const here = await enter('phone');
      const { page } = here;
      await addToCart(page);
      away.add('products');
      await page.goto('/checkout');
      const note = page.getByText('Prices can’t be checked just now').filter({ visible: true });
      await note.waitFor();
      const button = await page.getByRole('button', { name: /^Order and pay/ }).boundingBox();
      const said = await note.boundingBox();
      expect(said?.y).toBeGreaterThan((button?.y ?? 0) + (button?.height ?? 0));
      expect(await here.shift(), (await here.jumps()).join('\n')).toBeLessThan(0.05);
      await note.scrollIntoViewIfNeeded();
      await here.picture('gone-checkout-note');
      expect(await here.findings()).toEqual([]);
    });

    test.each(['desktop', 'phone'] as const)(
      'a country that nothing is shipped to stands in its field, with where things are shipped: %s',
      async (viewport) => {
        const here = await enter(viewport);
        const { page } = here;
        await page.addInitScript(() => Object.defineProperty(navigator, 'languages', { get: () => ['en-NZ'] }));
        await addToCart(page);
        await page.goto('/checkout');
        const said = page.getByText('Nothing is shipped to New Zealand', { exact: true });
        await said.waitFor();
        await page.getByText(/We ship to Austria, .* and United States\. Choose one of these above\./).waitFor();
        const country = page.getByLabel('Country');
        expect(await country.locator('option:checked').innerText()).toBe('New Zealand');
        await said.scrollIntoViewIfNeeded();
        await here.picture('checkout-not-served');
        expect(await here.findings()).toEqual([]);
        await country.selectOption({ label: 'Ireland' });
        await page.getByRole('button', { name: /Order and pay €/ }).waitFor();
        expect(await country.locator('option', { hasText: 'New Zealand' }).count()).toBe(0);
      },
    );
  },
);
