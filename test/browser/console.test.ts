import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import pg from 'pg';
import type { Browser, Page, Route } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { buildApps } from '../../cli/apps.ts';
import { startReceiver } from '../../services/webhooks/testing.ts';
import { type Answer, startWholeShop, type WholeShop } from '../whole-shop.ts';
import { chromiumPath, launch, type Viewport, type Visit, visit, withoutChromium } from './browser.ts';

const admin = { email: 'keeper@shop.example', password: 'the keys to the shop' };

/** Runs in the page: lists of which something is only to be had by scrolling sideways, or whose cells have lost their meaning. */
function listsCutOff(): string[] {
  return [...document.querySelectorAll<HTMLElement>('main [role=region]:has(table)')]
    .filter((list) => {
      const cell = list.querySelector('tbody td');
      return list.scrollWidth > list.clientWidth || (cell !== null && cell.getAttribute('role') !== 'cell');
    })
    .map((list) => `${list.ariaLabel}: ${list.scrollWidth} > ${list.clientWidth}`);
}

/** The console as staff use it: real browser, real services, real PostgreSQL. */
describe.skipIf(chromiumPath === undefined)(`console${withoutChromium}`, { timeout: 300_000 }, () => {
  let shop: WholeShop;
  let browser: Browser;
  let visits: Visit[] = [];
  let confirmed: Answer;
  let declined: Answer;
  const dataDir = mkdtempSync(join(tmpdir(), 'hf-console-'));

  beforeAll(async () => {
    const { folders } = await buildApps();
    const apps = folders.filter((folder) => basename(folder).startsWith('console-'));
    const recovery = { breakerOpenMs: 500 };
    const webhooks = { allowPrivate: true };
    shop = await startWholeShop({
      ...{ apps, admin, recovery, webhooks, dataDir },
      faults: true,
      telemetry: { traceRatio: 1 },
    });
    confirmed = await shop.placeOrder('HF-SKER-40', 2);
    declined = await shop.placeOrder('HF-SKER-40', 1, 'grace@example.com', {
      payment: { method: 'pm_card_visa_chargeDeclined' },
    });
    browser = await launch();
  }, 300_000);
  afterAll(async () => {
    await browser?.close();
    await shop?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  afterEach(async ({ task }) => {
    for (const [index, { context, pictureOfFailure }] of visits.entries()) {
      if (task.result?.state === 'fail') await pictureOfFailure(`failed-console-${index}`);
      await context.close();
    }
    visits = [];
  });

  async function enter(viewport: Viewport, path = '/console'): Promise<Visit> {
    const entered = await visit(browser, viewport, { origin: shop.origin });
    visits.push(entered);
    await entered.page.goto(path);
    await signIn(entered.page, admin);
    return entered;
  }

  async function signIn(page: Page, { email, password }: typeof admin): Promise<void> {
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
  }

  /** Nothing wrong for eyes, ears and fingers; the picture is for people. */
  async function inspect({ findings, shift, jumps, complaints, picture }: Visit, name: string): Promise<void> {
    await picture(`console-${name}`);
    expect(await findings(), name).toEqual([]);
    expect(await shift(), `layout shift at ${name}:\n${(await jumps()).join('\n')}`).toBeLessThan(0.1);
    expect(complaints, name).toEqual([]);
  }

  test('staff find an order by e-mail or business key, and see what was done and what the provider says', async () => {
    const visited = await enter('desktop', '/console/orders');
    const { page } = visited;
    const field = page.getByRole('searchbox');
    await field.fill('grace@example.com');
    await field.press('Enter');
    await page.getByRole('row').filter({ hasText: 'refused' }).getByRole('link').click();
    await page.getByText('payments/declined').first().waitFor();
    await page.getByText('undone', { exact: true }).waitFor();
    await page.getByText('order.refused').first().waitFor();
    expect(page.url()).toContain(declined.body.id);

    await page.goto('/console/orders');
    await field.fill(confirmed.body.businessKey);
    await field.press('Enter');
    await page.getByRole('row').filter({ hasText: 'confirmed' }).getByRole('link').click();
    await page.getByText('both books agree').waitFor();
    await page.getByText('order.confirmed').first().waitFor();
    await inspect(visited, 'test-order');
  });

  test('traces are those of the shop, and what the console itself reads is shown when asked for', async () => {
    const { page } = await enter('desktop', '/console/stock');
    await page.getByText('as it must be').waitFor();
    await page.goto('/console/traces');
    await page.getByRole('link', { name: 'POST /orders' }).first().waitFor();
    const levels = page.getByRole('link', { name: 'GET /inventory/levels' });
    expect(await levels.count()).toBe(0);
    await page.getByLabel('What this console reads').selectOption('With what this console reads');
    await levels.first().waitFor();
  });

  test('a part of a trace is shown alone, by pointer and by keys, and the address says which', async () => {
    const { page } = await enter('desktop', '/console/traces');
    await page.getByRole('link', { name: 'POST /orders' }).last().click();
    const waterfall = page.getByLabel('Waterfall');
    await waterfall.waitFor();
    await waterfall.getByText('All of it is shown.').waitFor();
    const strip = (await waterfall.locator('.strip').boundingBox()) as { x: number; y: number; width: number };
    await page.mouse.move(strip.x + strip.width * 0.1, strip.y + 10);
    await page.mouse.down();
    await page.mouse.move(strip.x + strip.width * 0.3, strip.y + 10);
    await page.mouse.up();
    await waterfall.getByText(/^From .* to .* of /).waitFor();
    const shared = page.url();
    expect(shared).toMatch(/\?at=[\d.]+-[\d.]+$/);
    await page.reload();
    await waterfall.getByText(/^From .* to .* of /).waitFor();
    expect(page.url()).toBe(shared);
    await page.keyboard.press('0');
    await waterfall.getByText('All of it is shown.').waitFor();
    await page.keyboard.press('+');
    await waterfall.getByText(/^From .* to .* of /).waitFor();
    await page.keyboard.press('-');
    await waterfall.getByText('All of it is shown.').waitFor();
  });

  test('to somebody whose language runs from the right, amounts, times and waterfalls read as they are', async () => {
    const visited = await visit(browser, 'desktop', { origin: shop.origin, locale: 'ar-EG' });
    visits.push(visited);
    const { page } = visited;
    await page.goto('/console/orders');
    await signIn(page, admin);
    const row = page.getByRole('row').filter({ hasText: 'ada@example.com' }).first();
    await row.waitFor();
    // Each set apart, so that neither turns round what stands beside it.
    const cells = await row.getByRole('cell').allInnerTexts();
    for (const i of [3, 5]) expect(cells[i]?.trim()).toMatch(/^\u2068[^\u2068\u2069]+\u2069$/);
    await visited.picture('console-test-from-the-right');
    await page.goto('/console/traces');
    await page.getByRole('link', { name: 'POST /orders' }).last().click();
    await page.getByLabel('Waterfall').waitFor();
    // Even where somebody turns the page round: time runs from left to right.
    await page.evaluate(() => document.documentElement.setAttribute('dir', 'rtl'));
    const bars = await page.locator('.lane i').evaluateAll((all) => all.map((bar) => bar.getBoundingClientRect().left));
    expect(Math.max(...bars)).toBeGreaterThan(bars[0] as number);
    expect(Math.min(...bars)).toBe(bars[0]);
    await visited.picture('console-test-waterfall-from-the-right');
  });

  test('a refund whose reply is lost, and that is asked for again, is given back once', async () => {
    const { page } = await enter('desktop', `/console/orders/${confirmed.body.id}`);
    let isLost = false;
    await page.route('**/refunds', async (route) => {
      const reply = await route.fetch();
      if (isLost) return route.fulfill({ response: reply });
      isLost = true;
      return route.abort();
    });
    await page.getByRole('button', { name: 'Refund …' }).click();
    await page.getByLabel('Amount (EUR)').fill('5.00');
    await page.getByLabel('Reason').fill('late');
    await page.getByRole('button', { name: 'Refund', exact: true }).click();
    await page.getByText('It is not known to be done').waitFor();
    await page.getByText('what was done is not done a second time').waitFor();
    // The page behind it learns that it was done; what is asked for again stays what was asked for first.
    await page.getByText('€5.00, done: late').waitFor();
    const dialog = page.getByRole('dialog');
    const [amount, reason] = [dialog.getByLabel('Amount (EUR)'), dialog.getByLabel('Reason')];
    expect([await amount.inputValue(), await reason.inputValue()]).toEqual(['5.00', 'late']);
    expect([await amount.isDisabled(), await reason.isDisabled()]).toEqual([true, true]);
    await dialog.getByRole('button', { name: 'Try again' }).click();
    await dialog.waitFor({ state: 'hidden' });
    const { body } = await shop.ask('GET', `/orders/${confirmed.body.id}`);
    expect(body).toMatchObject({ refundedMinor: 500, refunds: [{ amountMinor: 500, state: 'done' }] });
  });

  test('a cancellation whose reply is lost, and that is done only after the page has looked again, is shown by itself', async () => {
    const order = await shop.placeOrder('HF-SKER-40', 1);
    const { page } = await enter('desktop', `/console/orders/${order.body.id}`);
    await page.getByText('both books agree').waitFor();
    const sent = Promise.withResolvers<() => Promise<unknown>>();
    await page.route('**/cancel', async (route) => {
      const late = route.request();
      sent.resolve(() =>
        page.request.fetch(late.url(), {
          method: late.method(),
          headers: late.headers(),
          data: late.postDataBuffer() as Buffer,
        }),
      );
      await route.abort();
    });
    const looked = page.waitForResponse((reply) => reply.url().endsWith(`/orders/${order.body.id}`));
    await page.getByRole('button', { name: 'Cancel …' }).click();
    await page.getByLabel('Reason').fill('by mistake');
    await page.getByRole('button', { name: 'Cancel the order' }).click();
    await page.getByText('It is not known to be done').waitFor();
    expect((await (await looked).json()).state).toBe('confirmed');
    await (await sent.promise)();
    await page.getByText('order.cancelled').first().waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Leave it' }).click();
    await page.getByRole('main').getByText('cancelled', { exact: true }).first().waitFor();
  });

  test('an order placed while payments is gone is shown as it is, and ends when all is healed', async () => {
    const { page } = await enter('desktop', '/console/faults');
    await page.getByLabel('payments: Killed').check();
    await page.getByText('This is on purpose').waitFor();
    const headers = { prefer: 'wait=1', 'content-type': 'application/json', 'idempotency-key': 'while-away' };
    const reply = await fetch(`${shop.origin}/orders`, {
      method: 'POST',
      headers,
      body: JSON.stringify({
        email: 'ada@example.com',
        currency: 'EUR',
        lines: [{ sku: 'HF-SKER-40', quantity: 1 }],
        payment: { method: 'pm_card_visa' },
      }),
    });
    expect(reply.status).toBe(202);
    const { id } = (await reply.json()) as { id: string };
    await page.goto(`/console/orders/${id}`);
    await page.getByText('is under way').waitFor();
    await page.getByRole('button', { name: 'Heal all' }).first().click();
    await page.getByText('both books agree').waitFor({ timeout: 60_000 });
    expect((await shop.ask('GET', `/orders/${id}`)).body.state).toBe('confirmed');
    await page.goto('/console/faults');
    await page.getByText('every unit is accounted for').waitFor();
  });

  test('while users is away a reloaded console can be read, says so, heals, and does everything again afterwards', async () => {
    const visited = await enter('desktop', '/console/faults');
    const { page } = visited;
    await page.getByLabel('users: Killed').check();
    await page.getByText('This is on purpose').waitFor();
    await page.goto('/console/stock');
    await page.getByText(`You go on as ${admin.email}, admin`).waitFor();
    const receive = page.getByRole('button', { name: 'Book a receipt …' });
    await page.getByText('as it must be').waitFor();
    expect(await receive.isDisabled()).toBe(true);
    await page.goto('/console/orders');
    await page.getByRole('row').filter({ hasText: 'grace@example.com' }).first().waitFor();
    const told = page.getByText('Read only, while nobody can tell');
    await told.waitFor();
    await visited.picture('console-test-read-only');
    expect(await visited.findings()).toEqual([]);
    expect(await visited.shift(), `what is told moves nothing:\n${(await visited.jumps()).join('\n')}`).toBeLessThan(
      0.05,
    );
    const [notice, head] = [await told.boundingBox(), await page.getByRole('columnheader').first().boundingBox()];
    expect(notice?.y, 'the head of the list is not covered').toBeGreaterThan((head?.y ?? 0) + (head?.height ?? 0));
    await page.getByRole('link', { name: 'Stock', exact: true }).first().click();
    await page.getByRole('button', { name: 'Heal all' }).first().click();
    await page.getByText('Read only, while nobody can tell').waitFor({ state: 'detached' });
    expect(await receive.isEnabled()).toBe(true);
  });

  /** Keeps the answer to the next request of `method` for `path` until it is let go; `asked` resolves when it is there. */
  async function keepAnswer(page: Page, method: string, path: string) {
    const held = Promise.withResolvers<() => Promise<void>>();
    let isHeld = false;
    await page.route(path, async (route) => {
      if (isHeld || route.request().method() !== method) return route.continue();
      isHeld = true;
      const response = await route.fetch();
      held.resolve(() => route.fulfill({ response }));
      return undefined;
    });
    const painted = () =>
      page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    const answer = async () => {
      await (await held.promise)();
      await painted();
    };
    return { asked: held.promise, answer };
  }

  test('whoever signs out before it is told who it is stays signed out', async () => {
    const { page } = await enter('desktop', '/console/orders');
    await page.locator('tbody [data-row]').first().waitFor();
    const { answer } = await keepAnswer(page, 'GET', '**/users/me');
    await page.reload();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Password').waitFor();
    await answer();
    expect(await page.getByLabel('Password').count()).toBe(1);
  });

  test('what was asked about faults before one was made says nothing about after', async () => {
    const { page } = await enter('desktop', '/console/faults');
    const refuses = page.getByLabel('notifications: Refuses');
    await refuses.waitFor();
    // The banner of each page looks now and then.
    const { asked, answer } = await keepAnswer(page, 'GET', '**/faults');
    await asked;
    await refuses.check();
    await page.getByText('This is on purpose').waitFor();
    await answer();
    expect(await refuses.isChecked()).toBe(true);
    await page.getByRole('button', { name: 'Heal all' }).first().click();
    await page.getByText('This is on purpose').waitFor({ state: 'detached' });
  });

  test('every reader of events says how far behind it is, and what it could not read', async () => {
    const { page } = await enter('desktop', '/console/messages');
    for (const name of ['notifications', 'analytics', 'products', 'webhooks', 'assistant']) {
      await page.getByRole('row').filter({ hasText: name }).getByText('nothing').first().waitFor();
    }
  });

  test('dead letters come page by page, of how many is said, and all that there are can be replayed or discarded', async () => {
    const lettersMax = 120;
    const broken = 7;
    const told = { orderId: 'ord_1', customer: { email: 'ada@example.com' }, currency: 'EUR', lines: [] };
    const database = new pg.Pool({ connectionString: shop.databases['notifications'] as string, max: 1 });
    database.on('error', () => {});
    await database.query(
      `insert into dead_letter (group_name, topic, partition, "offset", key, event_id, type, envelope, status, cause, attempts)
       select 'notifications', 'orders', 0, 1000000 + i, 'ord_' || i, 'evt_' || i, 'order.confirmed', json_build_object(
         'specversion', '1.0', 'id', 'evt_' || i, 'source', 'orders', 'subject', 'ord_' || i, 'time', now(),
         'type', 'order.noted', 'data', case when i <> $2 then $3::json end), 'failed', 'TypeError: planted', 5
       from generate_series(1, $1) i`,
      [lettersMax, broken, JSON.stringify(told)],
    );
    const visited = await enter('desktop', '/console/messages/notifications');
    const { page } = visited;
    await page.getByText('50 of 120 shown').waitFor();
    await inspect(visited, 'test-dead-letters-many');
    await page.getByRole('button', { name: 'Show more' }).click();
    await page.getByText('100 of 120 shown').waitFor();
    await page.getByLabel('Pick 3', { exact: true }).check();
    await page.getByRole('button', { name: 'Replay 1', exact: true }).waitFor();
    await page.getByLabel('Pick 3', { exact: true }).uncheck();
    await page.getByRole('button', { name: 'Replay all 120' }).click();
    await page.getByText('119 events handled. 1 key failed again.').waitFor();
    await page.getByText('1 of 1 shown').waitFor();
    await page.getByRole('button', { name: 'Discard all 1 …' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Discard', exact: true }).click();
    await page.getByText('1 event given up for good.').waitFor();
    await page.getByText('Every event so far was handled').waitFor();
    const { rows } = await database.query('select count(*)::integer as count from dead_letter');
    await database.end();
    expect(rows).toEqual([{ count: 0 }]);
  });

  test('a price is changed under the version that was read, and never over somebody else’s change', async () => {
    const { page } = await enter('desktop', '/console/products');
    await page.locator('tbody [data-row]').first().click();
    const price = page.getByLabel(/^Price of .* in EUR$/).first();
    await price.fill('7.77');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText(/Saved as version/).waitFor();
    // In another window somebody is faster.
    const other = await page.context().newPage();
    await other.goto(page.url());
    await other.getByLabel('Description').fill('Somebody else wrote this.');
    await other.getByRole('button', { name: 'Save' }).click();
    await other.getByText(/Saved as version/).waitFor();
    await price.fill('8.88');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('button', { name: 'Load it anew' }).click();
    await expect.poll(() => price.inputValue()).toBe('7.77');
    expect(await page.getByLabel('Description').inputValue()).toBe('Somebody else wrote this.');
  });

  test('an account is found by name, made one of staff, and its sessions end', async () => {
    const body = { email: 'grace@shop.example', password: 'four paper kites', name: 'Grace Hopper' };
    await shop.ask('POST', '/users', { body });
    const { accessToken } = (await shop.ask('POST', '/sessions', { body: { ...body, name: undefined } })).body;
    const visited = await enter('desktop', '/console/customers');
    const { page } = visited;
    const field = page.getByRole('searchbox');
    await field.fill('hop');
    await field.press('Enter');
    await page.getByRole('link', { name: body.email }).click();
    await page.getByRole('cell', { name: 'not named' }).waitFor();
    await page.getByRole('button', { name: 'Role …' }).click();
    await page.getByLabel('Role', { exact: true }).selectOption('staff');
    const loseAnswer = async (route: Route) => {
      await route.fetch();
      await route.abort();
    };
    await page.route('**/role', loseAnswer, { times: 1 });
    await page.getByRole('button', { name: 'Set the role' }).click();
    await page.getByText('It is not known to be done').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await page.getByText('Signed in nowhere.').waitFor();
    // Of the answer that was lost, and of the version that was another one by then.
    visited.complaints.splice(0);
    await expect.poll(async () => (await shop.ask('GET', '/users/me', { token: accessToken })).status).toBe(401);
    await page.goto('/console/staff');
    await page.getByRole('button', { name: `Role of ${body.email}` }).waitFor();
    await inspect(visited, 'test-staff-two');
  });

  test('a promotion is made and ended, a tax is changed, and the audit log tells who did it', async () => {
    const { page } = await enter('desktop', '/console/promotions');
    await page.getByRole('link', { name: 'New promotion' }).click();
    await page.getByLabel('Code').fill('spring-26');
    await page.getByLabel('Name', { exact: true }).fill('Spring');
    await page.getByLabel('Per cent').fill('12.5');
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByRole('heading', { name: 'SPRING-26' }).waitFor();
    await page.getByRole('button', { name: 'End it now …' }).click();
    await page.getByRole('button', { name: 'End it', exact: true }).click();
    await page.getByText('over', { exact: true }).waitFor();

    await page.goto('/console/settings');
    await page.getByRole('button', { name: 'Change the taxes of DE' }).click();
    await page.getByLabel('standard, per cent').fill('16');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('row').filter({ hasText: 'Germany' }).getByText('standard 16 %').waitFor();

    await page.goto(`/console/audit?who=${encodeURIComponent(admin.email)}&what=carts.putTaxes`);
    await page.getByText('1 shown').waitFor();
    await page.getByText('carts.putTaxes').first().waitFor();

    // What was only looked at is left out until it is asked for, and the address says which.
    const looked = page.getByRole('cell', { name: 'gateway.audit', exact: true });
    await page.goto('/console/audit');
    await page.getByRole('cell', { name: 'carts.putTaxes' }).first().waitFor();
    expect(await looked.count()).toBe(0);
    await page.getByLabel('What is shown').selectOption('all');
    await looked.first().waitFor();
    expect(page.url()).toMatch(/\?show=all$/);
    await page.reload();
    await looked.first().waitFor();
  });

  test('what a process has logged is found by the order that it is about, and leads to it', async () => {
    const folder = join(dataDir, 'telemetry', 'orders-1');
    mkdirSync(folder, { recursive: true });
    const said = { level: 'warn', process: 'orders-1', service: 'orders', correlationId: 'cor_1' };
    const lines = [
      {
        ...said,
        time: new Date().toISOString(),
        msg: 'breaker changed',
        orderId: confirmed.body.id,
        detail: 'x'.repeat(400),
      },
      { ...said, time: new Date().toISOString(), msg: 'not about it', correlationId: 'cor_2' },
      { ...said, time: new Date().toISOString(), msg: 'tried again', level: 'info' },
    ];
    const file = join(folder, `logs.${Date.now()}.ndjson`);
    const write = (all: readonly object[]) =>
      appendFileSync(file, all.map((line) => `${JSON.stringify(line)}\n`).join(''));
    write(lines);
    const visited = await enter('desktop', `/console/orders/${confirmed.body.id}`);
    const { page } = visited;
    await page.getByRole('main').getByRole('link', { name: 'Logs' }).click();
    await page.getByText('tried again').waitFor();
    expect(await page.getByText('not about it').count()).toBe(0);
    await page.getByText('breaker changed').click();
    await inspect(visited, 'test-logs-open');
    // What comes while a line is open moves it only when it is asked for.
    write([{ ...said, time: new Date().toISOString(), msg: 'and once more' }]);
    const more = page.getByRole('button', { name: '1 new line', exact: true });
    await more.waitFor();
    expect(await page.getByText('and once more').count()).toBe(0);
    await inspect(visited, 'test-logs-new');
    await more.click();
    await page.getByText('and once more').waitFor();
    expect(await more.count()).toBe(0);
    await page.getByRole('link', { name: confirmed.body.id }).click();
    await page.getByText('both books agree').waitFor();
  });

  test('a key is made, shown once, does what it was made for and nothing else, and is revoked; all of it is in the audit log', async () => {
    const visited = await enter('desktop', '/console/keys');
    const { page } = visited;
    await page.getByRole('button', { name: 'New key …' }).click();
    await page.getByLabel('What it is for').fill('Warehouse');
    await page.getByLabel('What it may do').fill('inventory.* orders.nonsense');
    await page.getByText('There is no orders.nonsense.').waitFor();
    await page.getByLabel('What it may do').fill('inventory.*');
    await page.getByRole('button', { name: 'Make it' }).click();
    const key = (await page.getByText(/^hf_[\w-]{43}$/).textContent()) ?? '';
    await inspect(visited, 'test-key-made');
    expect((await shop.ask('GET', '/inventory/levels', { token: key })).status).toBe(200);
    expect((await shop.ask('GET', '/orders', { token: key })).status).toBe(403);
    await page.getByRole('button', { name: 'Revoke Warehouse' }).click();
    await page.getByRole('button', { name: 'Revoke it' }).click();
    await page.getByText(/^revoked /).waitFor();
    expect((await shop.ask('GET', '/inventory/levels', { token: key })).status).toBe(401);
    await page.getByRole('link', { name: 'Warehouse' }).click();
    await page.getByRole('link', { name: 'inventory.levels' }).first().waitFor();
    await page.goto(`/console/audit?what=gateway.revokeApiKey`);
    const id = (await page.locator('td .id').first().textContent()) ?? '';
    await page.goto(`/console/audit?of=${id}`);
    await page.getByText('1 shown').waitFor();
  });

  test('an endpoint is told of an order, and a delivery shows what was answered', async () => {
    const receiver = await startReceiver();
    const visited = await enter('desktop', '/console/webhooks');
    const { page } = visited;
    await page.getByRole('button', { name: 'New endpoint …' }).last().click();
    await page.getByLabel('Address').fill(receiver.url);
    await page.getByLabel('What it is for').fill('Books');
    await page.getByLabel('order.confirmed').check();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('heading', { name: 'Books' }).waitFor();
    receiver.answers.push(500);
    await shop.placeOrder('HF-SKER-40', 1);
    await expect.poll(() => receiver.received.length, { timeout: 30_000 }).toBeGreaterThan(0);
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.getByRole('link', { name: 'order.confirmed' }).click();
    await page.getByText('told to say 500').waitFor();
    await inspect(visited, 'test-delivery');
    await page.goBack();
    await page.getByRole('button', { name: 'Send a test' }).click();
    await page.getByText('delivered').first().waitFor();
    await page.getByText('webhook.test').first().waitFor();
    await receiver.close();
  });

  test('whoever is no member of staff is told so', async () => {
    const customer = { email: 'eve@example.com', password: 'nothing to see here' };
    await shop.ask('POST', '/users', { body: customer });
    const { page } = await visit(browser, 'phone', { origin: shop.origin }).then((entered) => {
      visits.push(entered);
      return entered;
    });
    await page.goto('/console/orders');
    await signIn(page, customer);
    await page.getByText('The console is for staff').waitFor();
  });

  test('staff make a till, hand it stock of the shop, and shut its device out', async () => {
    const visited = await enter('desktop', '/console/tills');
    const { page } = visited;
    await page.getByRole('button', { name: 'New till …' }).click();
    await page.getByLabel('Name').fill('Pier');
    await page.getByRole('button', { name: 'Make it' }).click();
    const code = (await page.getByText(/^[0-9A-Z]{4}-[0-9A-Z]{4}$/).textContent())?.trim();
    const enrolled = await shop.ask('POST', '/tills/enrol', { body: { code, device: 'Tablet' } });
    expect(enrolled.status).toBe(201);
    await page.getByRole('link', { name: 'Pier' }).click();
    await page.getByRole('button', { name: 'Hand it stock …' }).click();
    await page.getByLabel('SKU and quantity').fill('HF-SKER-40 10\nHF-BOOK-PB 3');
    await page.getByText('2 lines, 13 units').waitFor();
    await inspect(visited, 'test-till-stock');
    await page.getByRole('button', { name: 'Hand it over' }).click();
    await page.getByRole('cell', { name: 'HF-BOOK-PB' }).waitFor();
    await page.getByText('Its drawer has not been opened yet.').waitFor();
    await inspect(visited, 'test-till');
    await page.getByRole('button', { name: 'Revoke …' }).click();
    await page.getByRole('button', { name: 'Revoke', exact: true }).click();
    await page.getByText('revoked', { exact: true }).waitFor();
  });

  const pages = [
    ['system', '/console', 'Calls in the last 20 seconds'],
    ['orders', '/console/orders', 'shown'],
    ['orders-none', '/console/orders?q=nobody%40example.com', 'No order fits'],
    ['messages', '/console/messages', 'Topics'],
    ['dead-letters', '/console/messages/analytics', 'Every event so far was handled'],
    ['stock', '/console/stock', 'as it must be'],
    ['tills', '/console/tills', 'Nothing that tills have told'],
    ['sku', '/console/stock/HF-SKER-40', 'receive'],
    ['traces', '/console/traces?own=shown', 'GET /inventory/levels'],
    ['logs', '/console/logs?level=error', 'No line fits'],
    ['sales', '/console/sales?range=24h', 'Turnover by hour'],
    ['products', '/console/products', 'shown'],
    ['faults', '/console/faults', 'Payment provider'],
    ['customers', '/console/customers', 'shown'],
    ['staff', '/console/staff', 'shown'],
    ['promotions', '/console/promotions', 'WELCOME10'],
    ['promotion', '/console/promotions/WELCOME10', 'It takes off'],
    ['webhooks', '/console/webhooks', 'Tells other systems'],
    ['keys', '/console/keys', 'How programs come in'],
    ['audit', '/console/audit', 'shown'],
    ['settings', '/console/settings', 'Where it is changed'],
    ['not-found', '/console/nowhere', 'There is no such page'],
  ] as const;
  test.each(['desktop', 'phone'] as const)('every page can be read and used, light and dark: %s', async (viewport) => {
    const visited = await enter(viewport, '/console');
    const { page, complaints } = visited;
    await page.getByRole('heading', { name: 'System' }).waitFor();
    for (const [name, path, text] of pages) {
      await page.goto(path);
      await page.getByText(text).first().waitFor();
      const wide = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      expect(wide, `${name} is wider than the screen`).toBeLessThanOrEqual(0);
      if (viewport === 'phone') expect(await page.evaluate(listsCutOff), `${name} shows all of its lists`).toEqual([]);
      // The gateway answers an unknown page with its own 404.
      if (name === 'not-found') complaints.length = 0;
      await inspect(visited, `test-${name}`);
      expect(await visited.findingsInTheDark(`console-test-${name}`), `${name} in the dark`).toEqual([]);
    }
  });

  test('keys lead from list to row and between pages, and can be turned off', async () => {
    const { page } = await enter('desktop', '/console');
    await page.getByRole('heading', { name: 'System' }).waitFor();
    // As pressed just after the page came, when no `g` was pressed before it: a key of a pair does nothing alone.
    await page.evaluate(() => {
      const early = new KeyboardEvent('keydown', { key: 'l', bubbles: true });
      Object.defineProperty(early, 'timeStamp', { value: 700 });
      document.body.dispatchEvent(early);
    });
    expect(page.url()).not.toContain('/sales');
    await page.keyboard.press('g');
    await page.keyboard.press('o');
    await page.getByRole('heading', { name: 'Orders' }).waitFor();
    await page.locator('tbody [data-row]').first().waitFor();
    const heading = page.getByRole('heading', { name: /^Order / }).first();
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await heading.waitFor();
    // Its trace, a span of it, and back.
    const trace = page.getByRole('main').getByRole('link', { name: 'Trace', exact: true });
    await trace.waitFor();
    await page.keyboard.press('t');
    await page.getByLabel('Waterfall').waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.getByText('Span', { exact: true }).waitFor();
    await page.goBack();
    await heading.waitFor();
    await page.keyboard.press('u');
    await page.locator('tbody [data-row]').first().waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await heading.waitFor();
    await page.keyboard.press('?');
    await page.getByLabel('Single keys do this').uncheck();
    await page.keyboard.press('Escape');
    await page.keyboard.press('g');
    await page.keyboard.press('s');
    expect(page.url()).toContain('/console/orders/');
  });
});
