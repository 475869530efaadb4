import { beforeAll, beforeEach, expect, test } from 'vitest';
import { payments as contract } from '#contracts/payments';
import { type CallContext, createClient, createLocalTransport } from '#kit/contract';
import { type Clock, type Database, type Logger, systemWorld } from '#kit/runtime';
import { createDatabase, migrate } from '#kit/store';
import { createTestDatabase } from '#kit/store/embedded/testing';
import { createPayments, paymentsMigrations } from './index.ts';
import { lostError } from './provider/errors.ts';
import { createSandboxProvider, type PaymentProvider } from './provider/index.ts';
import { createMemoryJournal, createSandbox, moneyByOrder, type Sandbox } from './sandbox/index.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const breakerOpenMs = 30_000;
let offsetMs = 0;
const system = systemWorld(quiet);
const clock: Clock = {
  now: () => system.clock.now() + offsetMs,
  monotonicMs: () => system.clock.monotonicMs() + offsetMs,
};
const world = { ...system, clock };

let database: Database;
let sandbox: Sandbox;
let client: ReturnType<typeof createClient<typeof contract>>;
/** Another instance on the same database. */
let other: typeof client;
/** The provider without us. */
let real: PaymentProvider;
/** What the network does to replies of the provider. */
let losesReplies: boolean;
let calls: number;
let orders = 0;

beforeAll(async () => {
  const { url } = await createTestDatabase();
  await migrate(url, paymentsMigrations);
  database = createDatabase({ url, ...world });
  return () => database.close();
});

beforeEach(async () => {
  losesReplies = false;
  calls = 0;
  sandbox = await createSandbox({ ...world, journal: createMemoryJournal() });
  real = createSandboxProvider({ sandbox, ...world, webhookSecret: 'whsec_test' });
  const provider: PaymentProvider = {
    ...real,
    authorize: (request) => overTheWire(real.authorize(request)),
    refund: (request) => overTheWire(real.refund(request)),
  };
  [client, other] = [instance(provider), instance(provider)];
});

function instance(provider: PaymentProvider): typeof client {
  const { server } = createPayments({ world, database, provider, server: { checkReplies: true } });
  const transport = createLocalTransport(world.timers);
  transport.attach(server);
  return createClient(contract, { transport, clock });
}

/** The provider has done it; whether we are told is another thing. */
async function overTheWire<T>(answer: Promise<T>): Promise<T> {
  calls += 1;
  const value = await answer;
  if (losesReplies) throw lostError('connection_lost');
  return value;
}

const context = (): CallContext => ({
  caller: { kind: 'service', id: 'orders' },
  correlationId: 'test',
  step: 0,
  traceparent: undefined,
  idempotencyKey: undefined,
  deadlineAtMs: clock.monotonicMs() + 10_000,
  signal: new AbortController().signal,
  headers: {},
});

const newOrder = () => {
  orders += 1;
  return `ord_${String(orders).padStart(26, '0')}`;
};

function authorize(orderId: string, at = client) {
  const body = { orderId, amountMinor: 1_000, currency: 'EUR', method: 'pm_card_visa' };
  return at.authorize({ body, key: `${orderId}:authorize` }, context());
}

/** Replies of so many authorizations are lost; gives back the orders. */
async function breakIt(count = 20): Promise<string[]> {
  losesReplies = true;
  const ids = Array.from({ length: count }, newOrder);
  for (const id of ids) await expect(authorize(id)).rejects.toMatchObject({ code: 'payments/provider-unavailable' });
  losesReplies = false;
  return ids;
}

test('staff can lay the provider’s view of a payment beside ours, also while ours is unknown', async () => {
  losesReplies = true;
  const orderId = newOrder();
  await authorize(orderId).catch(() => {});
  expect((await client.get({ params: { orderId } }, context())).body.status).toBe('requested');
  const { body } = await client.providerView({ params: { orderId } }, context());
  expect(body).toMatchObject({ provider: 'sandbox', payment: { status: 'authorized', currency: 'EUR', refunds: [] } });
  const unknown = await client.providerView({ params: { orderId: newOrder() } }, context());
  expect(unknown.body.payment).toBeUndefined();
});

test('while the provider is left alone a payment is known not to be made, and says when to come back', async () => {
  await breakIt();
  const before = calls;
  const orderId = newOrder();
  const refusal = await authorize(orderId).catch((error) => error);
  expect(refusal).toMatchObject({ code: 'payments/provider-unavailable', status: 503, category: 'unavailable' });
  expect(refusal.retry.afterMs).toBeGreaterThan(breakerOpenMs / 2);
  expect(refusal.detail).toMatch(/sandbox failed too often lately; not called/);
  expect(calls).toBe(before);
  expect(sandbox.ledger.ofOrder(orderId)).toEqual([]);

  offsetMs += breakerOpenMs;
  expect((await authorize(orderId)).body).toMatchObject({ status: 'authorized' });
});

test('what was unknown before the provider was left alone stays unknown, and is settled afterwards without a second charge', async () => {
  const [lost = ''] = await breakIt();
  await expect(authorize(lost)).rejects.toMatchObject({ code: 'payments/provider-unavailable' });
  // In the words of payments, though what failed is a look-up: whoever calls off knows what to do about it.
  await expect(client.void({ params: { orderId: lost } }, context())).rejects.toMatchObject({
    code: 'payments/provider-unavailable',
    detail: expect.stringContaining('sandbox failed too often lately'),
    retry: { afterMs: expect.any(Number) },
  });
  const known = await client.get({ params: { orderId: lost } }, context());
  expect(known.body.status).toBe('voiding');

  offsetMs += breakerOpenMs;
  expect((await client.void({ params: { orderId: lost } }, context())).body.status).toBe('voided');
  expect(moneyByOrder(sandbox.ledger.entries()).get(lost)).toMatchObject({ authorizedMinor: 1_000, heldMinor: 0 });
});

test('what one instance recalls of a payment never outweighs what another has done with it', async () => {
  const [lost, voided, captured] = [newOrder(), newOrder(), newOrder()];
  losesReplies = true;
  await expect(authorize(lost)).rejects.toMatchObject({ code: 'payments/provider-unavailable' });
  losesReplies = false;
  await authorize(lost, other);
  expect((await client.capture({ params: { orderId: lost } }, context())).body.status).toBe('captured');

  await authorize(voided);
  await other.void({ params: { orderId: voided } }, context());
  expect((await client.capture({ params: { orderId: voided } }, context())).body.status).toBe('voided');
  await expect(authorize(voided)).rejects.toMatchObject({ code: 'payments/voided' });

  await authorize(captured);
  await other.capture({ params: { orderId: captured } }, context());
  expect((await client.capture({ params: { orderId: captured } }, context())).body.status).toBe('captured');
  expect(moneyByOrder(sandbox.ledger.entries()).get(captured)).toMatchObject({ capturedMinor: 1_000, heldMinor: 0 });
});

test('an authorization costs no commit when its capture follows, and shows where it was made, and everywhere once it is called off', async () => {
  const [taken, calledOff] = [newOrder(), newOrder()];
  for (const id of [taken, calledOff]) {
    expect((await authorize(id)).body.status).toBe('authorized');
    expect((await client.get({ params: { orderId: id } }, context())).body.status).toBe('authorized');
    expect((await other.get({ params: { orderId: id } }, context())).body.status).toBe('requested');
  }
  await client.capture({ params: { orderId: taken } }, context());
  expect((await other.get({ params: { orderId: taken } }, context())).body).toMatchObject({
    status: 'captured',
    providerRef: expect.any(String),
  });
  const before = sandbox.ledger.entries().length;
  await client.void({ params: { orderId: calledOff } }, context());
  expect((await other.get({ params: { orderId: calledOff } }, context())).body.status).toBe('voided');
  expect(sandbox.ledger.entries().length).toBe(before + 1);
});

test('the same payment asked for at two instances at once is one payment', async () => {
  const ids = Array.from({ length: 20 }, newOrder);
  const answers = await Promise.all(ids.flatMap((id) => [authorize(id), authorize(id, other)]));
  expect(new Set(answers.map(({ body }) => body.status))).toEqual(new Set(['authorized']));
  for (const id of ids) {
    expect(moneyByOrder(sandbox.ledger.entries()).get(id)).toMatchObject({ authorizedMinor: 1_000 });
  }
});

test('a refund whose answer was lost is not paid twice, though it is repeated after the provider has forgotten its key', async () => {
  const orderId = newOrder();
  await authorize(orderId);
  await client.capture({ params: { orderId } }, context());
  const refund = () =>
    client.refund({ params: { orderId }, body: { refundId: `ret_${orderId}`, amountMinor: 400 } }, context());
  losesReplies = true;
  await expect(refund()).rejects.toMatchObject({ code: 'payments/provider-unavailable' });
  losesReplies = false;

  offsetMs += 25 * 3_600_000;
  // The age of what is in the database goes by the clock of the database.
  await database.query("update refund set created_at = created_at - interval '25 hours' where order_id = $1", [
    orderId,
  ]);
  expect((await refund()).body).toMatchObject({ status: 'succeeded', amountMinor: 400 });
  expect(moneyByOrder(sandbox.ledger.entries()).get(orderId)).toMatchObject({ refundedMinor: 400 });
  expect((await client.get({ params: { orderId } }, context())).body.refundedMinor).toBe(400);
});

test('an amount that the provider let go by itself is not taken for captured: somebody has to look', async () => {
  const orderId = newOrder();
  const { providerRef = '' } = (await authorize(orderId)).body;
  await real.void({ key: 'expired', providerRef });
  await expect(client.capture({ params: { orderId } }, context())).rejects.toMatchObject({
    code: 'payments/provider-refused',
    retry: 'never',
  });
});

test('a refused request is told in words for whoever pays, and nothing of how we talk to the provider', async () => {
  const body = { orderId: newOrder(), amountMinor: 1_000, currency: 'EUR', method: 'pm_nobody' };
  const refusal = await client.authorize({ body, key: 'k' }, context()).catch((error) => error);
  expect(refusal).toMatchObject({ code: 'payments/declined', data: { declineCode: 'resource_missing' } });
  expect(refusal.detail).toBe('This card was declined. Please use another card.');
});
