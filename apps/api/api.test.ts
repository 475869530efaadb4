import { expect, test } from 'vitest';
import { orders } from '#contracts/orders';
import { products } from '#contracts/products';
import { createApi } from './api.ts';
import type { ApiProblem } from './problem.ts';

interface Sent {
  readonly url: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: unknown;
}

/** An API whose server answers one reply after the other, or fails where there is none. */
function against(...replies: (Response | Error)[]) {
  const sent: Sent[] = [];
  const answer = async (url: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const body = typeof init.body === 'string' ? JSON.parse(init.body) : undefined;
    sent.push({ url: String(url), method: init.method ?? '', headers: init.headers as Record<string, string>, body });
    const reply = replies.shift();
    if (reply instanceof Response) return reply;
    throw reply ?? new TypeError('fetch failed');
  };
  let token = 'old';
  const api = createApi({
    contracts: { products, orders },
    origin: 'https://shop.example',
    fetch: answer as typeof fetch,
    token: async () => token,
    onTokenRefused: async () => {
      token = 'new';
      return true;
    },
  });
  return { api, sent };
}

/** Arrives piece by piece, as a network cuts it. */
const streamOf = (pieces: readonly Uint8Array[]): ReadableStream =>
  new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });

const json = (body: unknown, status = 200, headers = {}) => new Response(JSON.stringify(body), { status, headers });
const problem = (status: number, code: string, more = {}) =>
  json({ code, title: 'No', hint: 'Do', status, ...more }, status);
const order = {
  email: 'ada@example.com',
  currency: 'EUR',
  lines: [{ sku: 'A', quantity: 1 }],
  payment: { method: 'pm_card_visa' },
};

test('a call goes where its contract says, with parameters, lists and the token', async () => {
  const { api, sent } = against(json({ items: [] }), json({ id: 'x' }, 200, { etag: '"7"' }));
  await api.products.search({ query: { q: 'rope & line', filter: ['size:M', 'size:L'] } });
  expect(sent[0]).toMatchObject({
    url: 'https://shop.example/products?q=rope+%26+line&filter=size%3AM&filter=size%3AL',
    method: 'GET',
    headers: { authorization: 'Bearer old' },
  });
  const { etag } = await api.products.get({ params: { idOrSlug: 'a/b' } });
  expect([sent[1]?.url, etag]).toEqual(['https://shop.example/products/a%2Fb', '"7"']);
});

test('an operation that needs a key gets one; whoever has one keeps it', async () => {
  const { api, sent } = against(json({}, 201), json({}, 201));
  await api.orders.place({ body: order });
  await api.orders.place({ body: order, key: 'mine' });
  expect(sent[0]?.headers['idempotency-key']).toMatch(/^[0-9a-f-]{36}$/);
  expect(sent[1]?.headers['idempotency-key']).toBe('mine');
});

test('a problem is thrown as it was answered, with what to do and whether a repeat is harmless', async () => {
  const { api } = against(
    problem(409, 'orders/price-changed', { retry: 'never', totalMinor: 5, correlationId: 'cor_1' }),
  );
  const thrown = (await api.orders.place({ body: order }).catch((error) => error)) as ApiProblem;
  expect(thrown).toMatchObject({ code: 'orders/price-changed', hint: 'Do', data: { totalMinor: 5 }, mayRepeat: false });
  expect(thrown.correlationId).toBe('cor_1');
});

test('reads are repeated once when nothing was answered; changes never by themselves', async () => {
  const reading = against(new TypeError('reset'), json({ items: [] }));
  expect((await reading.api.products.search()).status).toBe(200);
  const writing = against(new TypeError('reset'), json({}, 201));
  const thrown = await writing.api.orders.place({ body: order, key: 'k' }).catch((error) => error);
  expect(thrown).toMatchObject({ code: 'client/offline', mayRepeat: true });
  expect(writing.sent).toHaveLength(1);
});

test('a refused token is renewed and the very same call repeated; a wrong password is no token', async () => {
  const { api, sent } = against(problem(401, 'gateway/token-refused'), json({}, 201));
  await api.orders.place({ body: order });
  expect(sent.map(({ headers }) => headers['authorization'])).toEqual(['Bearer old', 'Bearer new']);
  expect(sent[0]?.headers['idempotency-key']).toBe(sent[1]?.headers['idempotency-key']);
  const wrong = against(problem(401, 'users/wrong-credentials'));
  await expect(wrong.api.orders.list()).rejects.toMatchObject({ code: 'users/wrong-credentials' });
  expect(wrong.sent).toHaveLength(1);
});

test('what takes too long is given up with a problem that says so', async () => {
  const api = createApi({
    contracts: { orders },
    fetch: ((_url, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason));
      })) as typeof fetch,
  });
  const placed = api.orders.place({ body: order, timeoutMs: 5 });
  await expect(placed).rejects.toMatchObject({ code: 'client/timeout', mayRepeat: true });
});

test('server-sent events become values, however they are cut into pieces; comments are passed over', async () => {
  const text = ':\n\ndata: {"id":"ä"}\n\ndata: {"id":"b"}\n\n';
  const bytes = new TextEncoder().encode(text);
  for (const size of [1, 7, 1_000]) {
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.slice(i * size, (i + 1) * size),
    );
    const { api, sent } = against(new Response(streamOf(pieces)));
    const ids: string[] = [];
    for await (const { id } of api.orders.follow({ params: { orderId: 'ord_1' } })) ids.push(id);
    expect(ids).toEqual(['ä', 'b']);
    expect(sent[0]).toMatchObject({
      url: expect.stringMatching('/orders/ord_1/events'),
      headers: { accept: 'text/event-stream' },
    });
  }
});
