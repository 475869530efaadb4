import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { buildApps } from '../../cli/apps.ts';
import { startWholeShop, type WholeShop } from '../whole-shop.ts';
import { chromiumPath, launch, type Viewport, type Visit, visit, type Watched, withoutChromium } from './browser.ts';
import { createCutOff } from './cut-off.ts';
import { tabTo } from './keyboard.ts';

/** The storefront as shoppers use it: real browser, real services, real PostgreSQL. */
describe.skipIf(chromiumPath === undefined)(`storefront${withoutChromium}`, { timeout: 300_000 }, () => {
  let shop: WholeShop;
  let browser: Browser;
  let appFolder: string;
  let visits: Visit[] = [];
  const buttonText = /Order and pay €/;

  beforeAll(async () => {
    const { folders } = await buildApps();
    appFolder = folders.find((folder) => basename(folder).startsWith('storefront-')) as string;
    shop = await startWholeShop({ apps: [appFolder], seams: { transport: cutOff }, recovery: { breakerOpenMs: 500 } });
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    await shop?.stop();
  });

  const { away, cutOff } = createCutOff();

  afterEach(async ({ task }) => {
    for (const [index, { context, pictureOfFailure }] of visits.entries()) {
      if (task.result?.state === 'fail') await pictureOfFailure(`failed-${index}`);
      await context.close();
    }
    visits = [];
  });

  async function enter(viewport: Viewport, dark = false): Promise<Visit> {
    const entered = await visit(browser, viewport, { origin: shop.origin, dark });
    visits.push(entered);
    return entered;
  }

  /** Nothing wrong for eyes, ears and fingers; the picture is for people. */
  async function inspect(
    { findings, shift, jumps, complaints, picture }: Visit,
    name: string,
    shiftMax = 0.05,
  ): Promise<void> {
    await picture(name);
    expect(await findings(), name).toEqual([]);
    expect(await shift(), `layout shift at ${name}:\n${(await jumps()).join('\n')}`).toBeLessThan(shiftMax);
    expect(complaints, name).toEqual([]);
  }

  async function putInCart(page: Page, slug = 'skerry-dynamic-rope'): Promise<void> {
    await page.goto(`/p/${slug}`);
    await page.getByRole('button', { name: 'Add to cart' }).click();
    await page.getByRole('dialog').getByText('Shipping and taxes at checkout.').waitFor();
  }

  async function fillIn(page: Page, email: string): Promise<void> {
    await page.goto('/checkout');
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Name', { exact: true }).fill('Ada Lovelace');
    await page.getByLabel('Street and number').fill('12 Quay Street');
    await page.getByLabel('City').fill('Galway');
    await page.getByRole('button', { name: buttonText }).waitFor();
  }

  const ordersOf = async (email: string) =>
    (await shop.ask('GET', `/orders?email=${encodeURIComponent(email)}`, { token: await shop.adminToken() })).body
      .items;

  test.each(['desktop', 'phone'] as const)('%s: from the shelf to a confirmed order', async (viewport) => {
    const here = await enter(viewport);
    const { page } = here;
    await page.goto('/');
    await page.getByRole('article').nth(7).waitFor();
    await inspect(here, 'home');

    await page.getByLabel('Search the shop').pressSequentially('carabner');
    await page.getByRole('link', { name: 'Winkle wiregate carabiner' }).waitFor();
    // What shorter words found moves when more letters find something else: no fault, and seen on slow machines only.
    await page.reload();
    await page.getByRole('link', { name: 'Winkle wiregate carabiner' }).waitFor();
    await inspect(here, 'search');
    await page.goto('/search?q=qqqzzz');
    await page.getByText('Nothing fits').waitFor();
    await inspect(here, 'search-nothing');

    await page.goto('/p/skerry-dynamic-rope');
    await page.getByText('In stock', { exact: true }).waitFor();
    await page.getByLabel('60 m').check({ force: true });
    await page.getByText('€169.00').waitFor();
    await inspect(here, 'product');
    await page.getByRole('button', { name: 'Add to cart' }).click();
    await page.getByRole('dialog').getByText('Shipping and taxes at checkout.').waitFor();
    await inspect(here, 'cart-drawer');
    await page.getByRole('dialog').getByRole('button', { name: 'One more' }).click();
    await page.getByRole('dialog').getByText('€338.00').first().waitFor();

    const email = `${viewport}@example.com`;
    await fillIn(page, email);
    await inspect(here, 'checkout');
    await page.getByRole('button', { name: buttonText }).click();
    await page.getByText('Your order is confirmed').waitFor();
    await inspect(here, 'order-confirmed');
    expect(await ordersOf(email)).toMatchObject([{ state: 'confirmed', totalMinor: 33_800 }]);
    await page.getByRole('button', { name: 'Cart, 0 items' }).waitFor();
  });

  test('a declined card is said in words, with what to do; nothing is charged and the cart is still full', async () => {
    const here = await enter('phone');
    const { page } = here;
    await putInCart(page);
    await fillIn(page, 'declined@example.com');
    await page.getByText('Test card without funds').click();
    await page.getByRole('button', { name: buttonText }).click();
    await page.getByText('not enough money on the card').waitFor();
    await page.getByText('You are not charged').waitFor();
    // News that comes later than half a second after the click counts as a jump, and a refusal has more to say than a step.
    await inspect(here, 'order-refused', 0.1);
    await page.getByRole('link', { name: 'Order again' }).click();
    await page.getByText('Test card, Visa').click();
    await page.getByRole('button', { name: buttonText }).click();
    await page.getByText('Your order is confirmed').waitFor();
    const states = (await ordersOf('declined@example.com')).map(({ state }: { state: string }) => state);
    expect(states.sort()).toEqual(['confirmed', 'refused']);
  });

  test('replies that are lost in the middle of checkout, a reload, and impatience make one order', async () => {
    const here = await enter('phone');
    const { page } = here;
    await putInCart(page);
    await fillIn(page, 'lost@example.com');
    let lost = 0;
    await page.route('**/carts/*/checkouts/*', async (route) => {
      // It arrives and is answered; the answer is what gets lost.
      await route.fetch();
      lost += 1;
      await route.abort('connectionreset');
    });
    await page.getByRole('button', { name: buttonText }).click();
    await page.getByText('you can’t be charged twice').waitFor();
    await here.picture('checkout-unheard');
    expect(await here.findings()).toEqual([]);
    await page.reload();
    await page.getByText('you can’t be charged twice').waitFor();
    await page.getByRole('button', { name: 'Try again now' }).click();
    await expect.poll(() => lost).toBeGreaterThan(2);
    await page.goto('/');
    await page.getByText('Your order is kept here and sent again by itself').waitFor();
    await page.unroute('**/carts/*/checkouts/*');
    await page.getByText('Your order is confirmed').waitFor();
    expect(await ordersOf('lost@example.com')).toHaveLength(1);
  });

  test('while orders can not be reached the order is saved, said to be, and placed by itself afterwards', async () => {
    const here = await enter('phone');
    const { page } = here;
    await putInCart(page);
    await fillIn(page, 'saved@example.com');
    away.add('orders');
    await page.getByRole('button', { name: buttonText }).click();
    await page.getByText('Your order has been saved').waitFor();
    await page.getByText('It will be processed shortly').waitFor();
    await inspect(here, 'checkout-saved');
    away.delete('orders');
    await page.getByText('Your order is confirmed').waitFor();
    expect(await ordersOf('saved@example.com')).toMatchObject([{ state: 'confirmed' }]);
  });

  test('an order whose payment can not be asked for is shown as safe, and as confirmed once it is', async () => {
    const here = await enter('phone');
    const { page } = here;
    await putInCart(page);
    await fillIn(page, 'slow@example.com');
    away.add('payments');
    await page.getByRole('button', { name: buttonText }).click();
    await page.getByText('Your goods are set aside').waitFor({ timeout: 60_000 });
    await inspect(here, 'order-under-way');
    away.delete('payments');
    await page.getByText('Your order is confirmed').waitFor({ timeout: 60_000 });
    expect(await here.shift(), 'what is below stays where it is').toBeLessThan(0.05);
  });

  test('without a network the cart still fills, and the order goes out when the network is back', async () => {
    const { page, context } = await enter('phone');
    await putInCart(page, 'halyard-braid');
    await fillIn(page, 'offline@example.com');
    await context.setOffline(true);
    await page.getByRole('button', { name: buttonText }).click();
    await page.getByText('The connection is lost').waitFor();
    await context.setOffline(false);
    await page.getByText('Your order is confirmed').waitFor();
    await page.goto('/p/prusik-cord');
    await page.getByText('In stock', { exact: true }).waitFor();
    await context.setOffline(true);
    await page.getByRole('button', { name: 'Add to cart' }).click();
    await page.getByText('Kept on this device').waitFor();
    await context.setOffline(false);
    await page.getByText('Shipping and taxes at checkout.').waitFor();
    expect(await ordersOf('offline@example.com')).toHaveLength(1);
  });

  test('an older view of the cart that comes late does not take back what was done since', async () => {
    const { page } = await enter('desktop');
    await putInCart(page);
    let view: (() => Promise<void>) | undefined;
    await page.route(
      /\/carts\/[^/]+$/,
      async (route) => {
        const response = await route.fetch();
        view = () => route.fulfill({ response });
      },
      { times: 1 },
    );
    let isEdited = false;
    page.on('response', (reply) => {
      isEdited ||= reply.url().endsWith('/edits');
    });
    await page.goto('/cart');
    await expect.poll(() => view !== undefined).toBe(true);
    await page.getByRole('main').getByRole('button', { name: 'One more' }).click();
    // The change has been made, or waits for the view.
    await expect.poll(async () => isEdited || (await page.evaluate(callsOfCart)) > 1).toBe(true);
    await view?.();
    await expect.poll(() => isEdited).toBe(true);
    await expect.poll(() => page.evaluate(callsOfCart)).toBe(0);
    await page.getByRole('button', { name: 'Cart, 2 items' }).waitFor();
  });

  test('the region of before a reload is told to the cart, whose taxes depend on it', async () => {
    const { page } = await enter('desktop');
    await putInCart(page);
    await page.evaluate(() =>
      localStorage.setItem('holdfast.storefront.checkout-form', JSON.stringify({ country: 'US', region: 'CA' })),
    );
    const told = page.waitForRequest((request) => request.method() === 'PATCH');
    await page.goto('/checkout');
    expect((await told).postDataJSON()).toEqual({ destination: { country: 'US', region: 'CA' } });
  });

  test('an account has its orders, returns and sessions', async () => {
    const here = await enter('desktop');
    const { page } = here;
    await putInCart(page, 'knot-book');
    await page.goto('/account');
    await page.getByRole('button', { name: 'Open one' }).click();
    await page.getByLabel('Name').fill('Grace Hopper');
    await page.getByLabel('E-mail').fill('grace@example.com');
    await page.getByLabel('Password').fill('a quite unlikely pass phrase');
    await inspect(here, 'sign-in');
    await page.getByRole('button', { name: 'Open the account' }).click();
    await page.getByText('No orders yet').waitFor();
    await inspect(here, 'account-empty');
    // What a guest had in the cart came along.
    await page.getByRole('button', { name: 'Cart, 1 item' }).waitFor();
    await fillIn(page, 'grace@example.com');
    await page.getByRole('button', { name: buttonText }).click();
    await page.getByText('Your order is confirmed').waitFor();
    await page.goto('/account');
    await page.getByText('Confirmed', { exact: true }).waitFor();
    await inspect(here, 'account-orders');
    await page.getByRole('listitem').getByRole('link').first().click();
    await page.getByRole('button', { name: 'Take something off' }).click();
    await page.getByRole('dialog').getByRole('checkbox').check();
    await here.picture('return');
    await page.getByRole('button', { name: 'Take it off' }).click();
    await page.getByText('Everything has come back').waitFor();
    await inspect(here, 'order-returned');
    await page.goto('/account/sessions');
    await page.getByText('This one').waitFor();
    await inspect(here, 'account-sessions');
    // Whoever is signed in sees the shelf also while no token can be renewed.
    await page.route('**/sessions/refresh', (route) => route.abort());
    await page.goto('/p/knot-book');
    await page.getByText('In stock', { exact: true }).waitFor();
    await page.unroute('**/sessions/refresh');
    // Whoever signs out is gone before the shop has heard of it; what it says later of the cart shows nobody’s goods.
    const late: (() => Promise<void>)[] = [];
    for (const path of ['**/carts/*/edits', '**/sessions/sign-out']) {
      await page.route(path, async (route) => {
        const response = await route.fetch();
        late.push(() => route.fulfill({ response }));
      });
    }
    await page.getByRole('button', { name: 'Add to cart' }).click();
    await expect.poll(() => late.length).toBe(1);
    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: 'Your account' }).click();
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await expect.poll(() => late.length).toBe(2);
    expect(new URL(page.url()).pathname).toBe('/');
    for (const answer of late) await answer();
    await page.getByRole('heading', { name: 'New on the shelf' }).waitFor();
    await expect.poll(() => page.evaluate(callsOfCart)).toBe(0);
    await page.getByRole('button', { name: 'Cart, 0 items' }).waitFor();
    await page.unrouteAll();

    await page.goto('/sign-in');
    await page.getByRole('link', { name: 'Forgot your password?' }).click();
    await page.getByLabel('E-mail').fill('grace@example.com');
    await page.getByRole('button', { name: 'Send me a code' }).click();
    await page.getByText('Look into your mail').waitFor();
    await page.getByLabel('Code').fill('not-the-one-that-was-mailed');
    await page.getByLabel('New password').fill('six unlikely paper kites');
    await page.getByRole('button', { name: 'Set it and sign in' }).click();
    await page.getByText('The password is as it was').waitFor();
    expect(await here.findings(), 'new password').toEqual([]);
    await here.picture('new-password');
  });

  test('the first load is small, and shows what matters within a second', async () => {
    const { page } = await enter('desktop');
    const scripts = new Set<string>();
    page.on('response', (reply) => {
      const { pathname } = new URL(reply.url());
      if (pathname.endsWith('.js')) scripts.add(pathname);
    });
    const paints: number[] = [];
    // The best of some: what is measured is the page, not what else this machine does.
    for (let i = 0; i < 3 || (i < 10 && Math.min(...paints) >= 1_000); i += 1) {
      await page.goto('/');
      await page.getByRole('article').first().waitFor();
      paints.push(await page.evaluate(() => (globalThis as unknown as Watched).largestPaintMs));
    }
    const sizes = [...scripts].map((path) => statSync(join(appFolder, `${path}.gz`)).size);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(60 * 1024);
    expect(Math.min(...paints)).toBeLessThan(1_000);
  });

  test('by keyboard alone one goes from a search to a confirmed order, and always sees where one is', async () => {
    const { page } = await enter('desktop');
    await page.goto('/');
    await page.getByRole('article').first().waitFor();
    await page.keyboard.press('/');
    // Who pauses finds the page of results below the box, and goes on typing into it.
    await page.keyboard.type('cap');
    await page.getByRole('heading', { name: '“cap”' }).waitFor();
    await page.keyboard.type('stan');
    // The page before shows the product too, and goes.
    await page.getByRole('heading', { name: '“capstan”' }).waitFor();
    await page.getByText('1 product', { exact: true }).waitFor();
    const link = page.getByRole('link', { name: 'Capstan belay device' });
    await link.waitFor();
    await tabTo(page, link);
    await page.keyboard.press('Enter');
    await page.getByText('In stock', { exact: true }).waitFor();
    const add = page.getByRole('button', { name: 'Add to cart' });
    await tabTo(page, add);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByText('Shipping and taxes at checkout.').waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
    expect(await add.evaluate((it) => it === document.activeElement), 'the focus comes back').toBe(true);
    await page.keyboard.press('Enter');
    const checkOut = page.getByRole('dialog').getByRole('link', { name: 'Check out' });
    await checkOut.waitFor();
    // Closed and asked for again before the browser tells that it was closed.
    await add.evaluate((button) => {
      document.querySelector<HTMLDialogElement>('dialog[open]')?.close();
      (button as HTMLElement).click();
    });
    await tabTo(page, checkOut);
    await page.keyboard.press('Enter');

    const field = (label: string) => page.getByLabel(label, { exact: true });
    await field('E-mail').waitFor();
    const pay = page.getByRole('button', { name: buttonText });
    await pay.waitFor();
    await tabTo(page, pay);
    // What is missing is told where one is taken, and no longer once it is there.
    await page.keyboard.press('Enter');
    await page.getByText('Where shall the confirmation go?').waitFor();
    for (const [label, text] of [
      ['E-mail', 'keys@example.com'],
      ['Name', 'Ada Lovelace'],
      ['Street and number', '12 Quay Street'],
      ['City', 'Galway'],
    ] as const) {
      await tabTo(page, field(label));
      await page.keyboard.type(text);
    }
    expect(await page.locator('[aria-invalid]').count()).toBe(0);
    await tabTo(page, page.getByRole('radio', { name: 'Test card, Visa' }));
    await page.keyboard.press('ArrowDown');
    await tabTo(page, pay);
    await page.keyboard.press('Enter');
    await page.getByText('Your order is confirmed').waitFor();
    expect(await ordersOf('keys@example.com')).toMatchObject([{ state: 'confirmed', totalMinor: 3 * 2_990 + 490 }]);
  });

  test('at 320 pixels nothing is cut off or scrolls sideways, names of 200 letters and a thousand products included', async () => {
    const here = await enter('phone');
    const { page } = here;
    await page.setViewportSize({ width: 320, height: 640 });
    const isWithin = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
    const longName = `Unverzagt${'aufrollbar'.repeat(18)} 12 mm`;
    await page.route('**/products?*', async (route) => {
      const reply = await route.fetch();
      const body = await reply.json();
      const [first] = body.items;
      const many = Array.from({ length: 1_000 }, (_, i) => ({
        ...first,
        id: `${first.id}${i}`,
        name: `${longName} ${i}`,
      }));
      await route.fulfill({ response: reply, json: { ...body, items: many } });
    });
    await page.goto('/search?q=rope');
    await page.getByRole('article').nth(999).waitFor({ state: 'attached' });
    expect(await isWithin()).toBe(true);
    await here.picture('long-names');
    await page.unroute('**/products?*');
    for (const path of ['/', '/p/skerry-dynamic-rope', '/cart', '/sign-in', '/nowhere']) {
      await page.goto(path);
      await page.getByRole('contentinfo').waitFor();
      expect(await isWithin(), path).toBe(true);
    }
    // The unknown page was one.
    here.complaints.length = 0;
    await putInCart(page);
    await fillIn(page, 'narrow@example.com');
    expect(await isWithin(), 'checkout').toBe(true);
    await inspect(here, 'narrow-checkout');
  });

  test('in the dark everything can be read, too', async () => {
    const here = await enter('desktop', true);
    const { page } = here;
    for (const [name, path] of Object.entries({ home: '/', search: '/search', product: '/p/limpet-carabiner' })) {
      await page.goto(path);
      await page.getByRole('article').nth(3).waitFor();
      await inspect(here, name);
    }
  });

  test('to somebody whose language runs from the right, the countries that are served stand in their order', async () => {
    const here = await visit(browser, 'desktop', { origin: shop.origin, locale: 'ar-EG' });
    visits.push(here);
    const { page } = here;
    await putInCart(page);
    await page.goto('/checkout');
    const served = page.getByText(/^We ship to/);
    await served.waitFor();
    // Each set apart, so that it turns round neither the commas nor what follows.
    const [names = ''] = /(?<=We ship to ).*(?=\. Choose)/.exec((await served.textContent()) ?? '') ?? [];
    expect(names.split(/, (?:and )?/).filter((name) => !/^\u2068.+\u2069$/.test(name))).toEqual([]);
    await inspect(here, 'checkout-from-the-right');
  });

  test('whoever calls an order off on a phone is shown at once what comes of it', async () => {
    const { body } = await shop.placeOrder('HF-SKER-40', 1, 'off@example.com');
    const here = await enter('phone');
    const { page } = here;
    await page.goto(`/order/${body.id}`);
    await page.getByRole('button', { name: 'Cancel the order' }).click();
    expect(await page.evaluate(() => scrollY)).toBeGreaterThan(0);
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel the order' }).click();
    const title = page.getByRole('heading', { name: 'This order is cancelled' });
    await title.waitFor();
    await expect.poll(() => page.evaluate(() => scrollY)).toBe(0);
    expect(await title.evaluate((node) => node === document.activeElement)).toBe(true);
    // The steps to a confirmed order go.
    await inspect(here, 'order-cancelled', 0.1);
  });

  test('an order is printed dark on white, with nothing to press, also out of the dark', async () => {
    const { body } = await shop.placeOrder('HF-SKER-40', 1, 'paper@example.com');
    const here = await enter('desktop', true);
    const { page } = here;
    await page.goto(`/order/${body.id}`);
    await page.getByText('Your order is confirmed').waitFor();
    const brightness = () =>
      page.evaluate(() => {
        const [context] = [document.createElement('canvas').getContext('2d') as CanvasRenderingContext2D];
        context.fillStyle = getComputedStyle(document.body).color;
        context.fillRect(0, 0, 1, 1);
        return context.getImageData(0, 0, 1, 1).data[0] ?? 0;
      });
    expect(await brightness()).toBeGreaterThan(128);
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    await page.setViewportSize({ width: 794, height: 1123 });
    await here.picture('order-printed');
    expect(await brightness()).toBeLessThan(128);
    expect(await page.getByRole('banner').isVisible()).toBe(false);
    expect(await page.getByRole('contentinfo').isVisible()).toBe(false);
    expect(await page.getByRole('button', { name: 'Cancel the order' }).isVisible()).toBe(false);
    // On a screen of that width the name of the shop stands clear of the search.
    await page.emulateMedia({ media: 'screen' });
    const name = await page.getByRole('banner').getByText('Chandlery').boundingBox();
    const search = await page.getByRole('banner').getByRole('search').boundingBox();
    expect((name?.x ?? 0) + (name?.width ?? 0)).toBeLessThanOrEqual(search?.x ?? 0);
  });

  test('an unknown path is said to be one, with status 404', async () => {
    const here = await enter('desktop');
    const reply = await here.page.goto('/nowhere');
    expect(reply?.status()).toBe(404);
    await here.page.getByText('There is no such page').waitFor();
    expect(await here.findings()).toEqual([]);
  });

  test('what a click does at once is no jump, and what its reply does is one, however quick', async () => {
    const here = await enter('desktop');
    const { page } = here;
    await page.goto('/sign-in');
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    const insertOnClick = (id: string, isAsked: boolean) =>
      page.evaluate(
        ([name, asks]) => {
          const button = Object.assign(document.createElement('button'), { textContent: name });
          button.style.cssText = 'position: fixed; inset: 0 auto auto 0; z-index: 100';
          button.addEventListener('click', async () => {
            button.remove();
            if (asks) await fetch('/nowhere');
            const block = Object.assign(document.createElement('div'), { id: name });
            block.style.height = '200px';
            document.body.prepend(block);
          });
          document.body.append(button);
        },
        [id, isAsked] as const,
      );
    for (const [id, isAsked, isJump] of [
      ['at-once', false, false],
      ['by-reply', true, true],
    ] as const) {
      const before = await here.shift();
      await insertOnClick(id, isAsked);
      await page.getByRole('button', { name: id }).click();
      await page.locator(`#${id}`).waitFor();
      const jumped = async () => (await here.shift()) - before > 0.05;
      if (isJump) await expect.poll(jumped).toBe(true);
      // What is seen of frames is told after them.
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 50))));
      expect(await jumped(), (await here.jumps()).join('\n')).toBe(isJump);
    }
  });

  test('what inspects pages finds what is wrong with one', async () => {
    const here = await enter('desktop');
    const { page } = here;
    await page.goto('/sign-in');
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.evaluate(() => {
      const bad = document.createElement('div');
      bad.append(document.createElement('input'), document.createElement('img'));
      bad.style.height = '300px';
      document.body.prepend(bad);
    });
    expect((await here.findings()).join()).toContain('label');
    await expect.poll(() => here.shift()).toBeGreaterThan(0.05);
    await page.evaluate(() => {
      const style = document.createElement('style');
      style.textContent = 'body { color: red }';
      document.head.append(style);
    });
    await expect.poll(() => here.complaints.join()).toContain('Content Security Policy');
  });
});

/** Runs in the page: calls about the cart that are under way, or wait for their turn. */
async function callsOfCart(): Promise<number> {
  const { held = [], pending = [] } = await navigator.locks.query();
  return [...held, ...pending].filter(({ name }) => name === 'holdfast.storefront.cart').length;
}
