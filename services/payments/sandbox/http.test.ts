import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createSandboxHttp } from './http.ts';
import { createFileJournal } from './journal.ts';
import { createSandbox, type Sandbox } from './sandbox.ts';

const world = createVirtualWorld({ seed: 3 });
let sandbox: Sandbox;
let app: ReturnType<typeof createSandboxHttp>;

beforeEach(async () => {
  sandbox = await createSandbox(world);
  app = createSandboxHttp({ sandbox, secretKey: 'sk_test_1', adminKey: 'admin' });
});
afterEach(async () => {
  await app.close();
  await sandbox.close();
});

const auth = (key: string) => ({ authorization: `Bearer ${key}` });

async function get(url: string, key = url.startsWith('/sandbox') ? 'admin' : 'sk_test_1') {
  const reply = await app.inject({ method: 'GET', url, headers: auth(key) });
  return { status: reply.statusCode, headers: reply.headers, text: reply.body, body: json(reply.body) };
}

async function post(url: string, fields: Record<string, string>, key?: string) {
  const reply = await app.inject({
    method: 'POST',
    url,
    headers: {
      ...auth('sk_test_1'),
      'content-type': 'application/x-www-form-urlencoded',
      ...(key !== undefined && { 'idempotency-key': key }),
    },
    body: new URLSearchParams(fields).toString(),
  });
  return { status: reply.statusCode, headers: reply.headers, text: reply.body, body: json(reply.body) };
}

// biome-ignore lint/suspicious/noExplicitAny: bodies are looked into by the expectations below.
const json = (text: string): any => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const payment = (order: string, more: Record<string, string> = {}) => ({
  amount: '1999',
  currency: 'gbp',
  payment_method: 'pm_card_visa',
  'metadata[order]': order,
  confirm: 'true',
  capture_method: 'manual',
  ...more,
});

test('a payment is created, confirmed, captured and refunded by form-encoded calls', async () => {
  const created = await post('/v1/payment_intents', { amount: '500', currency: 'EUR', capture_method: 'manual' });
  expect(created.body).toMatchObject({ object: 'payment_intent', status: 'requires_payment_method', currency: 'eur' });
  const path = `/v1/payment_intents/${created.body.id}`;
  expect((await post(`${path}/confirm`, { payment_method: 'pm_card_mastercard' })).body.status).toBe(
    'requires_capture',
  );
  expect((await post(`${path}/capture`, { amount_to_capture: '400' })).body).toMatchObject({
    status: 'succeeded',
    amount_received: 400,
    amount_capturable: 0,
  });
  const refund = await post('/v1/refunds', { payment_intent: created.body.id, amount: '150' });
  expect(refund.body).toMatchObject({ object: 'refund', amount: 150, status: 'succeeded' });
  expect((await get(`/v1/refunds/${refund.body.id}`)).body).toEqual(refund.body);
  const charge = (await get(path)).body.latest_charge;
  expect((await post('/v1/refunds', { charge, amount: '250' })).status).toBe(200);
  const listed = await get(`/v1/refunds?payment_intent=${created.body.id}&limit=1`);
  expect(listed.body).toMatchObject({ has_more: true, data: [{ amount: 250 }] });
  const next = await get(`/v1/refunds?payment_intent=${created.body.id}&starting_after=${listed.body.data[0].id}`);
  expect(next.body).toMatchObject({ has_more: false, data: [{ amount: 150 }] });
});

test('the same key and parameters give the stored reply, byte for byte, even after the payment went on', async () => {
  const first = await post('/v1/payment_intents', payment('o1'), 'k1');
  expect(first.headers['idempotent-replayed']).toBeUndefined();
  await post(`/v1/payment_intents/${first.body.id}/capture`, {}, 'k2');
  const again = await post('/v1/payment_intents', payment('o1'), 'k1');
  expect(again.headers['idempotent-replayed']).toBe('true');
  expect(again.text).toBe(first.text);
});

test('the same key with other parameters, or for another call, is an idempotency_error', async () => {
  const first = await post('/v1/payment_intents', payment('o1'), 'k1');
  for (const other of [
    await post('/v1/payment_intents', payment('o2'), 'k1'),
    await post(`/v1/payment_intents/${first.body.id}/cancel`, {}, 'k1'),
  ]) {
    expect(other.status).toBe(400);
    expect(other.body.error.type).toBe('idempotency_error');
  }
});

test('a key whose first call is still under way is answered 409', async () => {
  sandbox.faults.set([{ do: 'stall', ms: 1_000, at: 'after', next: 1 }]);
  const first = post('/v1/payment_intents', payment('o1'), 'k1');
  while (sandbox.ledger.intentCount === 0) await new Promise((resolve) => setImmediate(resolve));
  const second = await post('/v1/payment_intents', payment('o1'), 'k1');
  expect(second.status).toBe(409);
  expect(second.body.error.code).toBe('idempotency_key_in_use');
  await world.advance(1_000);
  expect((await first).status).toBe(200);
});

test('a decline is a 402 with the payment inside, and stored under its key', async () => {
  const declined = await post('/v1/payment_intents', payment('o1', { payment_method: 'pm_card_chargeDeclined' }), 'k1');
  expect(declined.status).toBe(402);
  expect(declined.body.error).toMatchObject({
    type: 'card_error',
    code: 'card_declined',
    decline_code: 'generic_decline',
    charge: expect.stringMatching(/^ch_/),
    payment_intent: { status: 'requires_payment_method', last_payment_error: { decline_code: 'generic_decline' } },
  });
});

test('what is wrong with a call is said in Stripe’s error object, and nothing is stored', async () => {
  const refusals: [Record<string, string>, string, string][] = [
    [{ currency: 'gbp' }, 'amount', 'parameter_missing'],
    [{ amount: '12.5', currency: 'gbp' }, 'amount', 'parameter_invalid_integer'],
    [{ amount: '1', currency: 'gbp', colour: 'red' }, 'colour', 'parameter_unknown'],
    [
      { amount: '1', currency: 'gbp', 'payment_method_types[]': 'card' },
      'payment_method_types',
      'payment_method_types_no_longer_supported',
    ],
    [{ amount: '1', currency: 'gbp', confirm: 'yes' }, 'confirm', 'parameter_invalid_string'],
    [{ amount: '100000000', currency: 'gbp' }, 'amount', 'amount_too_large'],
  ];
  for (const [fields, param, code] of refusals) {
    const reply = await post('/v1/payment_intents', fields, 'k1');
    expect(reply.status).toBe(400);
    expect(reply.body.error).toMatchObject({ type: 'invalid_request_error', param, code });
  }
  expect((await post('/v1/payment_intents', payment('o1'), 'k1')).status).toBe(200);
});

test('wrong keys, unknown paths, unknown ids, too much and too many are refused', async () => {
  expect((await get('/v1/payment_intents', 'sk_test_2')).status).toBe(401);
  expect((await get('/sandbox/faults', 'sk_test_1')).status).toBe(401);
  expect((await get('/v1/customers')).body.error.message).toMatch(/Unrecognized request URL/);
  expect((await get('/v1/payment_intents/pi_0')).body.error.code).toBe('resource_missing');
  expect((await post('/v1/payment_intents/pi_0/capture', {})).status).toBe(404);
  expect((await get('/v1/payment_intents?limit=101')).status).toBe(400);
  expect((await post('/v1/payment_intents', { description: 'x'.repeat(70_000) })).status).toBe(413);
  const many = Object.fromEntries(Array.from({ length: 201 }, (_, i) => [`f${i}`, '1']));
  expect((await post('/v1/payment_intents', many)).status).toBe(400);
  expect((await post('/v1/payment_intents', payment('o'), 'k'.repeat(256))).status).toBe(400);
});

test('lists and searches are paged, newest first, without gaps or repeats', async () => {
  for (let i = 0; i < 25; i++) await post('/v1/payment_intents', payment(`o${i}`, { 'metadata[shop]': 'london' }));
  const walk = async (first: string, next: (body: { data: { id: string }[]; next_page?: string }) => string) => {
    const orders: string[] = [];
    for (let url: string | undefined = first; url; ) {
      const { body } = await get(url);
      orders.push(...body.data.map(({ metadata }: { metadata: { order: string } }) => metadata.order));
      url = body.has_more ? `${first}&${next(body)}` : undefined;
    }
    return orders;
  };
  const newestFirst = Array.from({ length: 25 }, (_, i) => `o${24 - i}`);
  const query = encodeURIComponent("metadata['shop']:'london' AND status:'requires_capture'");
  expect(await walk('/v1/payment_intents?limit=7', ({ data }) => `starting_after=${data.at(-1)?.id}`)).toEqual(
    newestFirst,
  );
  expect(await walk(`/v1/payment_intents/search?limit=7&query=${query}`, (body) => `page=${body.next_page}`)).toEqual(
    newestFirst,
  );
  const one = await get(`/v1/payment_intents/search?query=${encodeURIComponent("metadata['order']:'o3'")}`);
  expect(one.body.data).toMatchObject([{ metadata: { order: 'o3' } }]);
  expect((await get('/v1/payment_intents/search?query=amount>5')).body.error.message).toMatch(/searches for metadata/);
});

test('a list can be limited by time of creation', async () => {
  await post('/v1/payment_intents', payment('old'));
  await world.advance(60_000);
  const since = Math.floor(world.clock.now() / 1000);
  await post('/v1/payment_intents', payment('new'));
  const { body } = await get(`/v1/payment_intents?created[gte]=${since}`);
  expect(body.data).toMatchObject([{ metadata: { order: 'new' } }]);
});

test('the ledger is streamed as NDJSON, whole, by order, or from a sequence number on', async () => {
  for (let i = 0; i < 1_200; i++) await post('/v1/payment_intents', payment(`o${i % 3}`));
  const lines = async (url: string) => (await get(url)).text.trimEnd().split('\n').map(json);
  const all = await lines('/sandbox/ledger');
  expect(all.length).toBe(1_200);
  expect(all).toEqual(sandbox.ledger.entries());
  expect((await lines('/sandbox/ledger?order=o1')).length).toBe(400);
  expect((await lines('/sandbox/ledger?after=1199')).map(({ seq }) => seq)).toEqual([1_200]);
});

test('faults are set and seen over HTTP, count down, and a wrong one is explained', async () => {
  const put = (body: unknown) =>
    app.inject({ method: 'PUT', url: '/sandbox/faults', headers: auth('admin'), body: body as object });
  expect((await put({ faults: [{ do: 'error', status: 503, at: 'before', next: 2 }] })).statusCode).toBe(200);
  expect((await post('/v1/payment_intents', payment('o1'))).status).toBe(503);
  expect((await get('/sandbox/faults')).body).toEqual({
    faults: [{ do: 'error', status: 503, at: 'before', next: 1 }],
  });
  const wrong = await put({ faults: [{ do: 'explode' }] });
  expect(wrong.statusCode).toBe(400);
  expect(json(wrong.body).error.message).toMatch(/\[0\] \{"do":"explode"\} is not a fault; known: drop-reply/);
});

test('with a file journal a restart keeps books and keys', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sandbox-http-'));
  const path = join(folder, 'books.log');
  const open = async () => {
    sandbox = await createSandbox({ ...world, journal: createFileJournal({ path }) });
    app = createSandboxHttp({ sandbox, secretKey: 'sk_test_1' });
  };
  await open();
  const [first] = await Promise.all(
    ['o1', 'o2', 'o3'].map((order) => post('/v1/payment_intents', payment(order), order)),
  );
  await app.close();
  await sandbox.close();
  await open();
  const again = await post('/v1/payment_intents', payment('o1'), 'o1');
  expect(again.text).toBe(first?.text);
  expect(again.headers['idempotent-replayed']).toBe('true');
  expect(sandbox.ledger.intentCount).toBe(3);
  await rm(folder, { recursive: true });
});
