import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createHybridClock, createTextClock, formatTimestamp } from '#kit/clock';
import { createEnvelope, createPostgresLog, type EventEnvelope, type EventLog, logMigrations } from '#kit/messaging';
import { openTestDatabase, until, quietWorld as world } from '#kit/messaging/testing';
import type { Database, Reply } from '#kit/runtime';
import { createWebhooks, type Webhooks, type WebhooksOptions, webhooksMigrations } from './index.ts';
import { createPoster } from './post.ts';
import { type Receiver, startReceiver } from './testing.ts';

let database: Database;
let logDatabase: Database;
let log: EventLog;
let receiver: Receiver;
let running: Webhooks[] = [];
let keys = 0;

beforeAll(async () => {
  database = await openTestDatabase(webhooksMigrations);
  logDatabase = await openTestDatabase([logMigrations]);
});
afterAll(() => Promise.all([database.close(), logDatabase.close()]));
beforeEach(async () => {
  for (const table of ['endpoint', 'message', 'inbox_position', 'dead_letter'])
    await database.query(`delete from ${table}`);
  for (const table of ['log_event', 'log_partition', 'log_group']) await logDatabase.query(`delete from ${table}`);
  log = createPostgresLog({ database: logDatabase, world });
  receiver = await startReceiver();
});
afterEach(async () => {
  await Promise.all(running.map((webhooks) => webhooks.component.stop?.()));
  running = [];
  await receiver.close();
});

async function start(options: Partial<WebhooksOptions> = {}): Promise<Webhooks> {
  const webhooks = createWebhooks({
    ...{ world, database, log, allowPrivate: true, keyEncryptionSecret: 'a secret that only tests know' },
    server: { checkReplies: true },
    ...options,
    sender: { retryDelaysMs: [10, 10], pollMs: 20, stopAfterMs: 50, ...options.sender },
  });
  running.push(webhooks);
  await webhooks.component.start?.();
  return webhooks;
}

// biome-ignore lint/suspicious/noExplicitAny: tests read replies of every shape
type AnyReply = Reply & { readonly body: any };

async function call(
  webhooks: Webhooks,
  operation: string,
  input: {
    params?: Record<string, string>;
    query?: Record<string, string>;
    body?: unknown;
    ifMatch?: string;
    key?: string;
  } = {},
): Promise<AnyReply> {
  const { params = {}, query = {}, body, ifMatch, key = `key-${++keys}` } = input;
  const headers = {
    'holdfast-caller': 'admin:ada',
    'idempotency-key': key,
    ...(ifMatch ? { 'if-match': ifMatch } : {}),
  };
  const request = { service: 'webhooks', operation, params, query, headers, ...(body === undefined ? {} : { body }) };
  return (await webhooks.server.handle(request, new AbortController().signal)) as AnyReply;
}

async function endpointAt(webhooks: Webhooks, over: object = {}) {
  const { body, status } = await call(webhooks, 'createEndpoint', { body: { url: receiver.url, types: [], ...over } });
  if (status !== 201) throw new Error(JSON.stringify(body));
  const params = { endpointId: body.id as string };
  const { secret } = (await call(webhooks, 'showSecret', { params })).body;
  return { params, secret: secret as string, etag: `"${body.version}"` };
}

const order = (orderId = 'ord_1', type = 'order.confirmed'): EventEnvelope =>
  createEnvelope({ source: 'orders', world }, { type, key: orderId, data: { orderId, totalMinor: 1_500 } });
const happens = (...events: EventEnvelope[]) => log.append('orders', events);
const deliveries = async (webhooks: Webhooks, query: Record<string, string> = {}) =>
  (await call(webhooks, 'listDeliveries', { query })).body.items;
const statuses = async (webhooks: Webhooks) =>
  (await deliveries(webhooks)).map(({ status }: { status: string }) => status);

test('a message is signed as Standard Webhooks wants it, and says what happened once', async () => {
  const webhooks = await start();
  const { secret } = await endpointAt(webhooks);
  const event = order();
  await happens(event);
  await until(() => receiver.received.length === 1);
  const [{ headers, body }] = receiver.received as [Receiver['received'][number]];
  const verified = new Webhook(secret).verify(body, headers as Record<string, string>);
  expect(verified).toEqual({ type: 'order.confirmed', timestamp: event.time, data: event.data });
  expect(headers['webhook-id']).toBe(`msg_orders_${event.id}`);
  expect(() => new Webhook(secret).verify(`${body} `, headers as Record<string, string>)).toThrow();
  await until(async () => (await statuses(webhooks))[0] === 'delivered');
});

test('the same event comes once, however often the log is read; and nothing from before the endpoint was', async () => {
  await happens(order('ord_0'));
  await new Promise((resolve) => setTimeout(resolve, 5));
  const webhooks = await start();
  expect(webhooks.subscription).toBeUndefined();
  await endpointAt(webhooks);
  const event = order();
  await happens(event, event);
  await until(() => receiver.received.length === 1);
  const last = order('ord_2');
  await happens(last);
  await until(() => receiver.received.length === 2);
  expect(receiver.received.map(({ body }) => JSON.parse(body).data.orderId)).toEqual(['ord_1', 'ord_2']);
});

test('what happened since an endpoint was made is told by logical time: wall clocks may be wrong by hours', async () => {
  const webhooks = await start({ logicalClock: createTextClock(createHybridClock({ clock: world.clock })) });
  const hlcOf = (ms: number) => formatTimestamp({ wallMs: Date.now() + ms, counter: 0 });
  const [before, hour] = [hlcOf(-1_000), 3_600_000];
  await endpointAt(webhooks);
  const at = (orderId: string, hlc: string, ms: number) => ({
    ...{ ...order(orderId), hlc, time: new Date(Date.now() + ms).toISOString() },
  });
  await happens(at('ord_1', before, hour), at('ord_2', hlcOf(1_000), -hour));
  await until(() => receiver.received.length === 1);
  expect(receiver.received.map(({ body }) => JSON.parse(body).data.orderId)).toEqual(['ord_2']);
});

test('where the log can not be followed at once, an endpoint is made all the same, and it is followed later', async () => {
  let isAway = true;
  const webhooks = await start({
    log: {
      ...log,
      async onAppend(listener) {
        if (isAway) throw new Error('the log is away');
        return log.onAppend(listener);
      },
    },
  });
  await endpointAt(webhooks);
  expect(webhooks.subscription).toBeUndefined();
  isAway = false;
  await endpointAt(webhooks);
  await happens(order());
  await until(() => receiver.received.length === 2);
});

test('an endpoint hears of its types alone', async () => {
  const webhooks = await start();
  await endpointAt(webhooks, { types: ['order.refused'] });
  await happens(order('ord_1'), order('ord_2', 'order.refused'));
  await until(() => receiver.received.length === 1);
  expect(JSON.parse(receiver.received[0]?.body ?? '').data.orderId).toBe('ord_2');
  expect(await deliveries(webhooks)).toHaveLength(1);
});

test('what fails is tried again under the same id, each attempt with its answer, and given up at last', async () => {
  const webhooks = await start();
  await endpointAt(webhooks);
  receiver.answers.push(500, 302, 503);
  await happens(order());
  await until(async () => (await statuses(webhooks))[0] === 'failed');
  expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  const [{ id }] = await deliveries(webhooks, { status: 'failed' });
  const { body } = await call(webhooks, 'getDelivery', { params: { deliveryId: id } });
  expect(body.tries.map(({ number, status, answer }: Record<string, unknown>) => [number, status, answer])).toEqual([
    [3, 503, 'told to say 503'],
    [2, 302, 'told to say 302'],
    [1, 500, 'told to say 500'],
  ]);
  expect(body.payload).toContain('ord_1');
});

test('a replay posts the same message again, one or all that failed, and a repeated request makes no other', async () => {
  const webhooks = await start({ sender: { retryDelaysMs: [] } });
  const { params } = await endpointAt(webhooks);
  receiver.answers.push(500, 500);
  await happens(order('ord_1'), order('ord_2'));
  await until(async () => (await statuses(webhooks)).join() === 'failed,failed');
  const [second] = await deliveries(webhooks);
  const again = { params: { deliveryId: second.id }, key: 'once' };
  const [one, two] = [await call(webhooks, 'replay', again), await call(webhooks, 'replay', again)];
  expect(one.body).toMatchObject({ replayOf: second.id, messageId: second.messageId });
  expect(two.body.id).toBe(one.body.id);
  await until(async () => (await deliveries(webhooks, { status: 'delivered' })).length === 1);
  const since = { body: { since: '2020-01-01T00:00:00Z' }, params };
  expect((await call(webhooks, 'replayFailed', since)).body).toEqual({ replayed: 1, more: false });
  expect((await call(webhooks, 'replayFailed', since)).body).toEqual({ replayed: 0, more: false });
  await until(async () => (await deliveries(webhooks, { status: 'delivered' })).length === 2);
});

test('while a secret is changed over both sign', async () => {
  const webhooks = await start();
  const { params, secret, etag } = await endpointAt(webhooks);
  expect((await call(webhooks, 'rotateSecret', { params, ifMatch: '"9"' })).status).toBe(412);
  const fresh = (await call(webhooks, 'rotateSecret', { params, ifMatch: etag })).body.secret;
  expect(fresh).not.toBe(secret);
  await call(webhooks, 'test', { params });
  await until(() => receiver.received.length === 1);
  const [{ headers, body }] = receiver.received as [Receiver['received'][number]];
  for (const one of [secret, fresh]) {
    expect(new Webhook(one).verify(body, headers as Record<string, string>)).toMatchObject({ type: 'webhook.test' });
  }
});

test('an endpoint where nothing arrives for long, or that is gone, is disabled; enabled, it gets what waits', async () => {
  // More of both than a busy machine gets through before it has disabled the endpoint.
  const webhooks = await start({ sender: { retryDelaysMs: Array(100).fill(10), disableAfterMs: 1 } });
  const { params } = await endpointAt(webhooks);
  receiver.answers.push(...Array(100).fill(500));
  await happens(order());
  const endpoint = async () => (await call(webhooks, 'getEndpoint', { params })).body;
  await until(async () => !(await endpoint()).enabled);
  expect((await endpoint()).disabledWhy).toContain('nothing has arrived');
  expect((await call(webhooks, 'test', { params })).body.code).toBe('webhooks/disabled');
  expect(await statuses(webhooks)).toEqual(['pending']);
  receiver.answers.length = 0;
  const body = { url: receiver.url, types: [] };
  await call(webhooks, 'changeEndpoint', { params, body, ifMatch: `"${(await endpoint()).version}"` });
  await until(async () => (await statuses(webhooks))[0] === 'delivered');
  expect(await endpoint()).toMatchObject({ enabled: true });
  receiver.answers.push(410);
  await call(webhooks, 'test', { params });
  await until(async () => !(await endpoint()).enabled);
  expect((await endpoint()).disabledWhy).toContain('410');
});

test('an instance that dies with a message under way has it posted by another, under the same id', async () => {
  const first = await start({ sender: { leaseMs: 150 } });
  const { params } = await endpointAt(first);
  receiver.answers.push('hang');
  await call(first, 'test', { params });
  await until(() => receiver.received.length === 1);
  await start({ sender: { leaseMs: 150 } });
  await until(() => receiver.received.length >= 2);
  const [one, two] = receiver.received;
  expect(two?.headers['webhook-id']).toBe(one?.headers['webhook-id']);
  await until(async () => (await statuses(first))[0] === 'delivered');
});

test('an endpoint that answers nobody holds up itself alone', async () => {
  const webhooks = await start();
  const slow = await endpointAt(webhooks);
  receiver.answers.push('hang', 'hang', 'hang', 'hang');
  for (let i = 0; i < 6; i++) await call(webhooks, 'test', { params: slow.params });
  await until(() => receiver.received.length === 4);
  const other = await startReceiver();
  const quick = await endpointAt(webhooks, { url: other.url });
  await call(webhooks, 'test', { params: quick.params });
  await until(() => other.received.length === 1);
  expect(receiver.received).toHaveLength(4);
  await other.close();
});

test('nothing is posted to a private address unless that is allowed', async () => {
  const webhooks = await start({ allowPrivate: false });
  const refused = await call(webhooks, 'createEndpoint', { body: { url: receiver.url, types: [] } });
  expect(refused).toMatchObject({ status: 422, body: { code: 'webhooks/bad-url' } });
  // A name that leads there is found out when it is connected to.
  const poster = createPoster({});
  const posted = await poster.post('https://localhost:9/', {}, '', new AbortController().signal);
  expect(posted.error).toContain('private address');
  await poster.close();
});

test('no secret rests in the database, and an edit is under the version that was read', async () => {
  const webhooks = await start();
  const { params, secret, etag } = await endpointAt(webhooks);
  const { rows } = await database.query<{ text: string }>('select endpoint::text as text from endpoint');
  const raw = Buffer.from(secret.replace('whsec_', ''), 'base64');
  expect(rows[0]?.text).not.toContain(raw.toString('hex'));
  const body = { url: `${receiver.url}/new`, types: [], description: 'Books' };
  expect((await call(webhooks, 'changeEndpoint', { params, body, ifMatch: etag })).body.description).toBe('Books');
  expect((await call(webhooks, 'changeEndpoint', { params, body, ifMatch: etag })).status).toBe(412);
  expect((await call(webhooks, 'deleteEndpoint', { params })).status).toBe(204);
  expect((await call(webhooks, 'getEndpoint', { params })).status).toBe(404);
});
