import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { OrderEvent } from '#contracts/orders';
import { usersProblems } from '#contracts/users';
import { contractProblems } from '#kit/contract';
import { createEnvelope, createPostgresLog, type EventEnvelope, type EventLog, logMigrations } from '#kit/messaging';
import { openTestDatabase, until, quietWorld as world } from '#kit/messaging/testing';
import type { Database, Reply } from '#kit/runtime';
import {
  createNotifications,
  createSmtpMailer,
  type Mailer,
  type Notifications,
  type NotificationsOptions,
  notificationsMigrations,
} from './index.ts';
import { type MailServer, startMailServer } from './testing.ts';

let database: Database;
let logDatabase: Database;
let log: EventLog;
let mailServer: MailServer;
let running: Notifications[] = [];

beforeAll(async () => {
  database = await openTestDatabase(notificationsMigrations);
  logDatabase = await openTestDatabase([logMigrations]);
  mailServer = await startMailServer();
});
afterAll(async () => {
  await mailServer.close();
  await Promise.all([database.close(), logDatabase.close()]);
});
beforeEach(async () => {
  for (const table of ['notification', 'inbox_position', 'dead_letter', 'dead_letter_key']) {
    await database.query(`delete from ${table}`);
  }
  for (const table of ['log_event', 'log_partition', 'log_group']) await logDatabase.query(`delete from ${table}`);
  log = createPostgresLog({ database: logDatabase, world });
  mailServer.reset();
});
afterEach(async () => {
  for (const one of running) await one.component.stop?.();
  running = [];
});

/** What users answers when a token is asked for; tests change it. */
let issueToken: (resetId: string) => Promise<string>;
const users: NotificationsOptions['users'] = {
  async issuePasswordResetToken({ params }, { caller }) {
    expect(caller).toEqual({ kind: 'service', id: 'notifications' });
    const token = await issueToken(params.resetId);
    return { status: 200, body: { token, email: 'a@example.org', expiresAt: '2030-01-01T01:00:00.000Z' } };
  },
};

const fastSender = { backoffMsMin: 1, backoffMsMax: 5 };
const smtp = () =>
  createSmtpMailer({ url: `smtp://127.0.0.1:${mailServer.port}`, from: 'The Shop <orders@shop.example>' });

async function start(options: Partial<NotificationsOptions> = {}): Promise<Notifications> {
  const notifications = createNotifications({
    world,
    database,
    log,
    users,
    shop: { name: 'The Shop' },
    messageIdDomain: 'shop.example',
    server: { checkReplies: true },
    sender: fastSender,
    ...options,
  });
  running.push(notifications);
  await notifications.component.start?.();
  return notifications;
}

const orderId = 'ord_01J0000000000000000000000A';

function confirmed(fields: Partial<OrderEvent> = {}, id?: string): EventEnvelope<OrderEvent> {
  const data: OrderEvent = {
    orderId,
    businessKey: 'k',
    state: 'confirmed',
    customer: { email: 'shopper@example.org' },
    channel: 'web',
    placedAt: '2030-01-01T00:00:00Z',
    currency: 'GBP',
    totalMinor: 500,
    lines: [{ kind: 'goods', sku: 'MUG', name: 'Mug “Ærø”', quantity: 1, unitPriceMinor: 500, totalMinor: 500 }],
    ...fields,
  };
  const draft = { type: 'order.confirmed', key: data.orderId, data, ...(id ? { id } : {}) };
  return createEnvelope({ source: 'orders', world }, draft);
}

const userId = 'usr_01J0000000000000000000000A';
const resetId = 'pwr_01J0000000000000000000000A';

function aboutUser(type: string, fields: object = {}): EventEnvelope {
  const data = { userId, email: 'ada@example.org', ...fields };
  return createEnvelope({ source: 'users', world }, { type, key: userId, data });
}

const resetRequested = () =>
  aboutUser('user.password-reset-requested', { resetId, expiresAt: '2030-01-01T01:00:00.000Z' });

/** Everything that the service keeps, as text. */
async function kept(): Promise<string> {
  return JSON.stringify((await database.query('select * from notification')).rows);
}

async function call(
  notifications: Notifications,
  operation: string,
  input: { params?: Record<string, string>; query?: Record<string, string>; key?: string; caller?: string } = {},
): Promise<Reply> {
  const { params = {}, query = {}, key, caller = 'staff:sam' } = input;
  const headers = { 'holdfast-caller': caller, ...(key ? { 'idempotency-key': key } : {}) };
  return notifications.server.handle(
    { service: 'notifications', operation, params, query, headers },
    new AbortController().signal,
  );
}

async function rows(): Promise<{ id: string; status: string; attempts: number; cause: string | null }[]> {
  const { rows } = await database.query('select id, status, attempts, cause from notification order by id');
  return rows as never;
}

async function caughtUp(notifications: Notifications): Promise<void> {
  await until(async () => (await notifications.subscription.lag()).every((one) => one.events === 0));
}

const statuses = async () => (await rows()).map((row) => row.status);

test('a confirmed order makes one mail, as text and HTML, to its customer alone', async () => {
  await start({ mailer: smtp() });
  await log.append('orders', [confirmed({ customer: { email: 'a,b@example.org' } })]);
  await until(async () => (await statuses()).join() === 'sent');
  expect(mailServer.mails).toHaveLength(1);
  const [mail] = mailServer.mails;
  expect(mail?.to).toEqual(['"a,b"@example.org']);
  expect(mail?.raw).toMatch(/^From: The Shop <orders@shop.example>$/m);
  expect(mail?.raw).toMatch(/^Message-ID: <ntf_[0-9A-Z]{26}@shop.example>$/m);
  expect(mail?.raw).toMatch(/^Subject: Your order ord_01J0000000000000000000000A is confirmed$/m);
  expect(mail?.raw).toContain('Content-Type: text/plain; charset=utf-8');
  expect(mail?.raw).toContain('Content-Type: text/html; charset=utf-8');
});

test('an event that is delivered twice, even to two instances, makes one mail', async () => {
  const one = await start({ mailer: smtp() });
  await start({ mailer: smtp() });
  const event = confirmed({}, 'evt_same');
  await log.append('orders', [event, event]);
  await log.append('orders', [event]);
  await caughtUp(one);
  await until(async () => (await statuses()).join() === 'sent');
  expect(mailServer.mails).toHaveLength(1);
});

test('a hundred orders with two senders make a hundred mails', async () => {
  const one = await start({ mailer: smtp() });
  await start({ mailer: smtp() });
  const events = Array.from({ length: 100 }, (_, i) => confirmed({ customer: { email: `c${i}@example.org` } }));
  await log.append('orders', events);
  await caughtUp(one);
  await until(async () => (await statuses()).every((status) => status === 'sent'));
  expect(new Set(mailServer.mails.map((mail) => mail.to[0])).size).toBe(100);
  expect(mailServer.mails).toHaveLength(100);
});

test('a mail that is refused for now is tried again under the same Message-ID', async () => {
  const ids: string[] = [];
  const mailer = smtp();
  const watched: Mailer = {
    ...mailer,
    send(mail, signal) {
      ids.push(mail.messageId);
      return mailer.send(mail, signal);
    },
  };
  mailServer.refuseRecipients.push(450);
  mailServer.refuseMessages.push(452, 451);
  await start({ mailer: watched });
  await log.append('orders', [confirmed()]);
  await until(async () => (await statuses()).join() === 'sent');
  expect((await rows())[0]).toMatchObject({ attempts: 4, cause: null });
  expect(new Set(ids).size).toBe(1);
  expect(mailServer.mails).toHaveLength(1);
});

test('a mail that is refused for good has failed, with the reason', async () => {
  mailServer.refuseRecipients.push(550);
  await start({ mailer: smtp() });
  await log.append('orders', [confirmed()]);
  await until(async () => (await statuses()).join() === 'failed');
  expect((await rows())[0]).toMatchObject({ attempts: 1, cause: expect.stringContaining('told to say 550') });
});

test('a mail server that is away is waited for, but not for ever', async () => {
  const away = createSmtpMailer({ url: 'smtp://127.0.0.1:9', from: 'orders@shop.example' });
  const notifications = await start({ mailer: away });
  await log.append('orders', [confirmed()]);
  await until(async () => ((await rows())[0]?.attempts ?? 0) >= 2);
  expect((await rows())[0]).toMatchObject({ status: 'pending', cause: expect.stringContaining('ECONNREFUSED') });
  await database.query(`update notification set created_at = now() - interval '25 hours'`);
  await until(async () => (await statuses()).join() === 'failed');
  await notifications.component.stop?.();
});

test('a sender that crashed between sending and recording repeats the mail with the same Message-ID, nothing else', async () => {
  const crashed = await start({ mailer: { send: () => new Promise(() => {}), close: async () => {} } });
  await log.append('orders', [confirmed()]);
  await until(async () => ((await rows())[0]?.attempts ?? 0) === 1);
  // Nobody else touches it while the lease lasts.
  const other = await start({ mailer: smtp() });
  await caughtUp(other);
  expect(await statuses()).toEqual(['pending']);
  await database.query(`update notification set leased_until = now() - interval '1 second'`);
  await until(async () => (await statuses()).join() === 'sent');
  expect(mailServer.mails).toHaveLength(1);
  expect(mailServer.mails[0]?.raw).toContain(`Message-ID: <${(await rows())[0]?.id}@shop.example>`);
  running = running.filter((one) => one !== crashed);
  await crashed.subscription.component.stop?.();
});

test('without a mail server, mails are kept to be read', async () => {
  const notifications = await start();
  await log.append('orders', [confirmed()]);
  await caughtUp(notifications);
  const list = await call(notifications, 'list', { query: { orderId } });
  expect(list.body).toMatchObject({
    items: [
      { orderId, template: 'order.confirmed', recipient: 'shopper@example.org', status: 'recorded', attempts: 0 },
    ],
  });
  const { items } = list.body as { items: { id: string }[] };
  const whole = await call(notifications, 'get', { params: { notificationId: items[0]?.id as string } });
  expect(whole.body).toMatchObject({ text: expect.stringContaining('£5.00'), html: expect.stringContaining('<table') });
});

test('imported orders of years ago make no mail', async () => {
  const notifications = await start();
  await log.append('orders', [confirmed({ channel: 'import' })]);
  await caughtUp(notifications);
  expect(await rows()).toEqual([]);
});

test('a resend is one more mail, once per key', async () => {
  const notifications = await start({ mailer: smtp() });
  await log.append('orders', [confirmed()]);
  await until(async () => (await statuses()).join() === 'sent');
  const notificationId = (await rows())[0]?.id as string;
  const params = { notificationId };
  expect((await call(notifications, 'resend', { params })).body).toMatchObject({ status: 400 });
  const [first, again] = await Promise.all([
    call(notifications, 'resend', { params, key: 'k1' }),
    call(notifications, 'resend', { params, key: 'k1' }),
  ]);
  expect(first.status).toBe(202);
  expect((first.body as { id: string }).id).toBe((again.body as { id: string }).id);
  await until(async () => (await statuses()).join() === 'sent,sent');
  expect(mailServer.mails).toHaveLength(2);
  const other = { notificationId: (first.body as { id: string }).id };
  const reused = await call(notifications, 'resend', { params: other, key: 'k1' });
  expect(reused.body).toMatchObject({ status: 422, code: 'contract/idempotency-key-reused' });
});

test('what is still to be sent is not sent again, and what is not there is not found', async () => {
  const notifications = await start({
    mailer: { send: () => Promise.reject(new Error('busy')), close: async () => {} },
  });
  await log.append('orders', [confirmed()]);
  await until(async () => ((await rows())[0]?.attempts ?? 0) > 0);
  const params = { notificationId: (await rows())[0]?.id as string };
  const tooEarly = await call(notifications, 'resend', { params, key: 'k' });
  expect(tooEarly.body).toMatchObject({ status: 409, code: 'notifications/still-pending' });
  const unknown = { notificationId: 'ntf_01J0000000000000000000000Z' };
  expect((await call(notifications, 'get', { params: unknown })).status).toBe(404);
  expect((await call(notifications, 'get', { params: unknown, caller: 'customer:c' })).status).toBe(403);
});

test('lists come newest first, page by page', async () => {
  const notifications = await start();
  const events = Array.from({ length: 5 }, (_, i) => confirmed({ customer: { email: `c${i}@example.org` } }));
  await log.append('orders', events);
  await caughtUp(notifications);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const { body } = await call(notifications, 'list', { query: { limit: '2', ...(cursor ? { cursor } : {}) } });
    const page = body as { items: { id: string }[]; nextCursor?: string };
    seen.push(...page.items.map((item) => item.id));
    cursor = page.nextCursor;
  } while (cursor);
  expect(seen).toEqual((await rows()).map((row) => row.id).toReversed());
});

test('an event without an address becomes a dead letter at once, and other orders get their mails', async () => {
  const notifications = await start();
  const bad = confirmed({ orderId: 'ord_01J0000000000000000000000B' });
  await log.append('orders', [{ ...bad, data: { ...bad.data, customer: undefined } }, confirmed()]);
  await caughtUp(notifications);
  expect(await statuses()).toEqual(['recorded']);
  const { body } = await call(notifications, 'listDeadLetters');
  expect(body).toMatchObject({ total: 1, items: [{ attempts: 1, cause: expect.stringContaining('e-mail address') }] });
});

test('a customer who opens an account is welcomed, by name; staff are not', async () => {
  const notifications = await start({ mailer: smtp() });
  await log.append('users', [
    aboutUser('user.registered', { role: 'customer', name: 'Ada <b>' }),
    aboutUser('user.registered', { role: 'admin', email: 'boss@example.org' }),
  ]);
  await caughtUp(notifications);
  await until(async () => (await statuses()).join() === 'sent');
  expect(mailServer.mails.map((mail) => mail.to)).toEqual([['ada@example.org']]);
  expect(mailServer.mails[0]?.raw).toContain('Dear Ada <b>, welcome to The Shop');
  const { body } = await call(notifications, 'list');
  expect(body).toMatchObject({ items: [{ userId, template: 'user.registered', recipient: 'ada@example.org' }] });
  expect((body as { items: object[] }).items[0]).not.toHaveProperty('orderId');
});

test('a token that was used twice and a changed password are told to whom they concern', async () => {
  await start({ mailer: smtp() });
  await log.append('users', [
    aboutUser('user.refresh-token-reused', { sessionId: 'ses_1' }),
    aboutUser('user.password-changed', { how: 'reset' }),
  ]);
  await until(async () => (await statuses()).join() === 'sent,sent');
  const text = mailServer.mails.map((mail) => mail.raw).join();
  expect(text).toContain('A session at The Shop was ended for your safety');
  expect(text).toContain('Your password at The Shop was changed');
});

test('the token of a reset is asked for when its mail is sent, and rests nowhere', async () => {
  const asked: string[] = [];
  issueToken = async (id) => {
    asked.push(id);
    return 'hpr_the-secret';
  };
  mailServer.refuseMessages.push(451);
  const notifications = await start({ mailer: smtp() });
  await log.append('users', [resetRequested()]);
  await until(async () => (await statuses()).join() === 'sent');
  expect(asked).toEqual([resetId, resetId]);
  expect(mailServer.mails).toHaveLength(1);
  expect(mailServer.mails[0]?.raw).toContain('hpr_the-secret');
  expect(mailServer.mails[0]?.raw).toContain('2030-01-01 01:00 UTC');
  expect(await kept()).not.toContain('the-secret');
  const { body } = await call(notifications, 'get', { params: { notificationId: (await rows())[0]?.id as string } });
  expect(JSON.stringify(body)).not.toContain('the-secret');
});

test('a reset that is of no use any more fails, and one that users can’t answer for now waits', async () => {
  issueToken = async () => {
    throw contractProblems.unavailable();
  };
  await start({ mailer: smtp() });
  await log.append('users', [resetRequested()]);
  await until(async () => ((await rows())[0]?.attempts ?? 0) >= 2);
  expect(await statuses()).toEqual(['pending']);
  issueToken = async () => {
    throw usersProblems['not-found']();
  };
  await until(async () => (await statuses()).join() === 'failed');
  expect((await rows())[0]?.cause).toContain('used, replaced or has expired');
  expect(mailServer.mails).toEqual([]);
});

test('an event of an account without an address becomes a dead letter', async () => {
  const notifications = await start();
  await log.append('users', [aboutUser('user.registered', { role: 'customer', email: undefined })]);
  await caughtUp(notifications);
  expect((await call(notifications, 'listDeadLetters')).body).toMatchObject({ total: 1 });
});

test('a receipt of a till is mailed to whom it was promised, with what was bought, taken off, taxed and paid', async () => {
  await start({ mailer: smtp() });
  const totals = {
    currency: 'EUR',
    lines: [{ sku: 'MUG', name: 'Mug “Ærø”', quantity: 2, unitPriceMinor: 500, totalMinor: 1_000, discountMinor: 100 }],
    subtotalMinor: 1_000,
    discounts: [{ name: 'Damaged box', amountMinor: 100 }],
    discountMinor: 100,
    shippingMinor: 0,
    taxes: [{ name: 'VAT', ratePpm: 190_000, included: true, baseMinor: 756, amountMinor: 144 }],
    taxIncludedMinor: 144,
    taxAddedMinor: 0,
    totalMinor: 900,
  };
  const data = {
    tillId: 'till_1',
    tillName: 'Pier',
    saleId: 'sal_01J0000000000000000000000A',
    soldAt: '2030-01-01T10:20:00.000Z',
    currency: 'EUR',
    country: 'DE',
    totalMinor: 900,
    lines: [],
    email: 'shopper@example.org',
    totals,
    tenders: [{ kind: 'cash', amountMinor: 900 }],
  };
  const wanted = (fields: object) =>
    createEnvelope({ source: 'tills', world }, { type: 'till.receipt-wanted', key: data.saleId, data: fields });
  await log.append('tills', [wanted(data)]);
  await until(async () => (await statuses()).join() === 'sent');
  expect(mailServer.mails[0]?.to).toEqual(['shopper@example.org']);
  const { rows: kept } = await database.query<{ text: string; subject: string }>(
    'select subject, body_text as text from notification',
  );
  expect(kept[0]?.subject).toBe('Your receipt from Pier');
  for (const part of ['2 × Mug “Ærø”', '€10.00', 'Damaged box', 'of it VAT 19 %', '€9.00', 'In cash', data.saleId]) {
    expect(kept[0]?.text).toContain(part);
  }
});

test('staff who watch a SKU are mailed when it is low; where nobody gave an address nobody is', async () => {
  await start({ mailer: smtp(), shop: { name: 'Nan’s' } });
  const low = (data: object) => createEnvelope({ source: 'inventory', world }, { type: 'stock.low', key: 'MUG', data });
  const data = { sku: 'MUG', holder: 'main', onHand: 2, lowAt: 5, version: 7 };
  await log.append('inventory', [low(data), low({ ...data, onHand: 0, email: 'buyer@shop.example' })]);
  await until(async () => (await statuses()).join() === 'sent');
  expect(mailServer.mails.map(({ to }) => to)).toEqual([['buyer@shop.example']]);
  const { rows } = await database.query<{ text: string; subject: string }>(
    'select subject, body_text as text from notification',
  );
  expect(rows[0]?.subject).toBe('MUG has sold out');
  expect(rows[0]?.text).toContain('At Nan’s there are 0 units of MUG on hand; you wanted to hear of 5 or fewer.');
});
