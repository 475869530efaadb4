import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEnvelope, createPostgresLog, logMigrations } from '#kit/messaging';
import { quietWorld } from '#kit/messaging/testing';
import { createDatabase, migrate } from '#kit/store';
import { seedCatalogue } from '#services/products';
import { type MailServer, startMailServer } from '../services/notifications/testing.ts';
import { startWholeShop, type WholeShop } from './whole-shop.ts';

/** What follows from an order, through the whole system and its public door: mails, figures, the catalogue. */

const sku = seedCatalogue[0]?.variants[0]?.sku as string;

let shop: WholeShop;
let mails: MailServer;
let token: string;
beforeAll(async () => {
  mails = await startMailServer();
  const mail = { url: `smtp://127.0.0.1:${mails.port}`, from: 'Rope & Knot <hello@shop.example>', shopName: 'Rope' };
  shop = await startWholeShop({ mail }, leaveOldEvents);
  token = await shop.adminToken();
});
afterAll(async () => {
  await shop?.stop();
  await mails.close();
});

const mailsTo = (recipient: string) => mails.mails.filter(({ to }) => to.includes(recipient));
/** Of a mail as it was sent: quoted-printable undone. */
const textOf = (raw: string) => raw.replaceAll('=\r\n', '').replaceAll('=3D', '=');

/** One event of long ago and one of today, in a log that is there before the system starts. */
async function leaveOldEvents({ log: url = '' }: Readonly<Record<string, string>>): Promise<void> {
  await migrate(url, [logMigrations]);
  const database = createDatabase({ url, ...quietWorld });
  const log = createPostgresLog({ database, world: quietWorld });
  const event = (id: string) =>
    createEnvelope({ source: 'products', world: quietWorld }, { id, type: 'product.created', key: 'p', data: {} });
  await log.append('products', [event('evt_old')]);
  await database.query(`update log_event set appended_at = now() - interval '31 days'`);
  await log.append('products', [event('evt_new')]);
  await database.close();
}

test('an order placed over HTTP makes one mail, from the shop to its customer', async () => {
  const { body } = await shop.placeOrder(sku, 1, 'mail@example.org');
  expect(body.state).toBe('confirmed');
  await expect.poll(() => mailsTo('mail@example.org')).toHaveLength(1);
  const [mail] = mailsTo('mail@example.org');
  expect(mail?.raw).toMatch(/^From: "?Rope & Knot"? <hello@shop.example>/m);
  expect(mail?.raw).toMatch(/^Message-ID: <ntf_\w+@shop.example>/m);
  expect(mail?.raw).toContain(`Your order ${body.id} is confirmed`);
  const { body: list } = await shop.ask('GET', `/notifications?orderId=${body.id}`, { token });
  expect(list.items).toMatchObject([{ status: 'sent', attempts: 1 }]);
});

test('who forgot a password gets a mail whose code sets a new one, and the code is nowhere else', async () => {
  const email = 'forgetful@example.org';
  await shop.ask('POST', '/users', { body: { email, password: 'correct horse battery' } });
  await expect.poll(() => mailsTo(email)).toHaveLength(1);
  await shop.ask('POST', '/password-resets', { body: { email } });
  await expect.poll(() => mailsTo(email)).toHaveLength(2);
  const [code = ''] = /hpr_[\w-]+/.exec(textOf(mailsTo(email)[1]?.raw ?? '')) ?? [];
  const newPassword = 'a staple for the battery';
  expect(await shop.ask('POST', '/password-resets/confirm', { body: { token: code, newPassword } })).toMatchObject({
    status: 204,
  });
  expect(await shop.ask('POST', '/sessions', { body: { email, password: newPassword } })).toMatchObject({
    status: 201,
  });
  await expect.poll(() => mailsTo(email)).toHaveLength(3);
  expect(shop.log.join()).not.toContain(code);
  for (const [service, url] of Object.entries(shop.databases)) {
    expect(await wholeText(url), service).not.toContain(code);
  }
});

test('events older than 30 days leave the log, newer ones stay', async () => {
  const database = createDatabase({ url: shop.databases['log'] as string, ...quietWorld });
  const ids = async () =>
    (await database.query(`select envelope ->> 'id' as id from log_event`)).rows.map(({ id }) => id);
  await expect.poll(ids).not.toContain('evt_old');
  expect(await ids()).toContain('evt_new');
  await database.close();
});

test('an order that is cancelled after a part of it came back counts each unit as returned once', async () => {
  const { body: order } = await shop.placeOrder(sku, 5, 'back@example.org', { country: 'FI' });
  const lines = [{ sku, quantity: 2 }];
  expect(await shop.ask('POST', `/orders/${order.id}/returns`, { token, key: 'back', body: { lines } })).toMatchObject({
    status: 200,
  });
  expect(await shop.ask('POST', `/orders/${order.id}/cancel`, { token, key: 'off', body: {} })).toMatchObject({
    body: { state: 'cancelled', refundedMinor: order.totalMinor },
  });
  const figures = async () => (await shop.ask('GET', '/analytics/sales?by=month&country=FI', { token })).body.items[0];
  await expect.poll(figures).toMatchObject({ orders: 1, cancelledOrders: 1, units: 5, returnedUnits: 5, netMinor: 0 });
});

/** All rows of all tables, as text. */
async function wholeText(url: string): Promise<string> {
  const database = createDatabase({ url, ...quietWorld });
  const { rows } = await database.query<{ text: string }>(
    `select query_to_xml('select * from ' || quote_ident(table_name), true, false, '')::text as text
     from information_schema.tables where table_schema = 'public'`,
  );
  await database.close();
  return rows.map((row) => row.text).join();
}

test('what sells out leaves the availability facet and comes back with new stock, in whatever order things become known', async () => {
  const newSku = 'LAST-1';
  const book = (quantity: number, key: string) =>
    shop.ask('POST', '/inventory/receipts', { token, key, body: { lines: [{ sku: newSku, quantity }] } });
  // The stock is there before the catalogue knows the SKU.
  await book(1, 'first-receipt');
  await shop.ask('POST', '/products', {
    token,
    key: 'last-one',
    body: {
      name: 'Zeppelin anchor',
      status: 'active',
      categories: ['anchors'],
      attributes: {},
      variants: [{ sku: newSku, options: {}, prices: [{ currency: 'EUR', amountMinor: 900 }] }],
    },
  });
  const isAvailable = async () => (await shop.ask('GET', '/products?q=zeppelin&currency=EUR')).body.items[0]?.available;
  await expect.poll(isAvailable).toBe(true);
  expect((await shop.placeOrder(newSku, 1)).body.state).toBe('confirmed');
  await expect.poll(isAvailable).toBe(false);
  await book(5, 'second-receipt');
  await expect.poll(isAvailable).toBe(true);
  await shop.placeOrder(newSku, 1);
  const log = createDatabase({ url: shop.databases['log'] as string, ...quietWorld });
  const { rows } = await log.query<{ available: boolean }>(
    `select (envelope -> 'data' ->> 'available')::boolean as available from log_event
     where topic = 'inventory' and envelope ->> 'subject' = $1 order by "offset"`,
    [newSku],
  );
  await log.close();
  // An order that leaves something over tells nothing.
  expect(rows.map((row) => row.available)).toEqual([true, false, true]);
});
