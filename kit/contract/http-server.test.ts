import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import Type from 'typebox';
import { request as httpRequest } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Request, systemClock } from '#kit/runtime';
import {
  createHttpServer,
  createHttpTransport,
  defineService,
  type Handlers,
  headerNames,
  implement,
  isProblem,
  type Responded,
  routesOf,
} from './index.ts';

const closed = { additionalProperties: false };
const Parcel = Type.Object(
  {
    to: Type.String({ minLength: 1 }),
    items: Type.Array(Type.Object({ sku: Type.String(), quantity: Type.Integer({ minimum: 1 }) }, closed), {
      maxItems: 10,
    }),
  },
  closed,
);

const parcels = defineService({
  service: 'parcels',
  operations: {
    send: {
      method: 'POST',
      path: '/parcels',
      summary: 'Send',
      access: ['anonymous'],
      body: Parcel,
      responses: { 201: Type.Object({ id: Type.String() }, closed) },
      bodySizeBytesMax: 2_000,
    },
    find: {
      method: 'GET',
      path: '/parcels/{id}',
      summary: 'Find',
      access: ['anonymous'],
      params: Type.Object({ id: Type.String({ pattern: '^[a-z]+$' }) }, closed),
      query: Type.Object(
        {
          limit: Type.Optional(Type.Integer({ maximum: 100 })),
          tag: Type.Optional(Type.Array(Type.String())),
          deep: Type.Optional(Type.Boolean()),
        },
        closed,
      ),
      responses: { 200: Type.Unknown() },
    },
    cancel: {
      method: 'DELETE',
      path: '/parcels/{id}',
      summary: 'Cancel',
      access: ['anonymous'],
      params: Type.Object({ id: Type.String() }, closed),
      responses: { 204: Type.Undefined() },
    },
    load: {
      method: 'POST',
      path: '/parcels/load',
      summary: 'Load many',
      access: ['anonymous'],
      stream: 'request',
      body: Parcel,
      bodySizeBytesMax: 10_000_000,
      responses: { 200: Type.Object({ read: Type.Integer() }, closed) },
    },
    list: {
      method: 'GET',
      path: '/parcels',
      summary: 'List all',
      access: ['anonymous'],
      stream: 'reply',
      responses: { 200: Parcel },
    },
    sign: {
      method: 'POST',
      path: '/parcels/signed',
      summary: 'Takes the body as it was sent',
      access: ['anonymous'],
      rawBody: true,
      body: Type.String(),
      responses: { 200: Type.Object({ text: Type.String() }, closed) },
    },
    explode: {
      method: 'GET',
      path: '/explode',
      summary: 'Fails',
      access: ['anonymous'],
      responses: { 200: Type.Unknown() },
    },
  },
});

let streamsOpen = 0;
async function* manyParcels(n: number) {
  streamsOpen += 1;
  try {
    for (let i = 0; i < n; i++) yield { to: `door ${i}`, items: [] };
  } finally {
    streamsOpen -= 1;
  }
}

const handlers: Handlers<typeof parcels> = {
  send: async () => ({ status: 201, body: { id: 'a' }, headers: { location: '/parcels/a' } }),
  find: async ({ params, query }) => ({ status: 200, body: { params, query } }),
  cancel: async () => ({ status: 204, body: undefined }),
  load: async ({ body }) => {
    let read = 0;
    for await (const value of body) {
      if (isProblem(value)) throw value;
      read += 1;
    }
    return { status: 200, body: { read } };
  },
  list: async () => ({ status: 200, body: manyParcels(3_000) }),
  sign: async ({ body }) => ({ status: 200, body: { text: body } }),
  explode: async () => {
    throw new Error('the database password is hunter2');
  },
};
const server = implement(parcels, handlers, { clock: systemClock });

const responded: Responded[] = [];
const app = createHttpServer({
  routes: routesOf(server),
  admit: (request, { correlationId = '' }) => ({
    ...request,
    headers: { ...request.headers, [headerNames.correlationId]: correlationId },
  }),
  greet: () => ({ correlationId: 'cor_test', headers: { 'x-greeted': 'yes' } }),
  watch: { clock: systemClock, onResponded: (done) => responded.push(done) },
});
let origin: string;
let port: number;
beforeAll(async () => {
  origin = await app.listen({ port: 0, host: '127.0.0.1' });
  port = (app.server.address() as AddressInfo).port;
});
afterAll(() => app.close());

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
  readonly body: any;
}

async function ask(method: string, path: string, body?: string | Buffer, type = 'application/json'): Promise<Answer> {
  const reply = await httpRequest(`${origin}${path}`, {
    method: method as 'GET',
    headers: body === undefined ? {} : { 'content-type': type },
    body: body ?? null,
  });
  const answer = await reply.body.text();
  const isJson = String(reply.headers['content-type']).includes('json') && answer !== '';
  const parsed = isJson && !String(reply.headers['content-type']).includes('ndjson') ? JSON.parse(answer) : answer;
  return { status: reply.statusCode, headers: reply.headers, body: parsed };
}

function expectProblem(answer: Answer, status: number, code: string): void {
  expect(answer.body).toMatchObject({ status, code, correlationId: 'cor_test' });
  expect(answer.status).toBe(status);
  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect(answer.headers['x-greeted']).toBe('yes');
}

/** Sends bytes as they are and returns all that comes back until the server closes. */
async function sendBytes(bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(bytes, 'latin1');
  return text(socket);
}

const good = JSON.stringify({ to: 'Ada', items: [{ sku: 'x', quantity: 1 }] });

test('a good request is served', async () => {
  expect(await ask('POST', '/parcels', good)).toMatchObject({
    status: 201,
    body: { id: 'a' },
    headers: { location: '/parcels/a', 'x-greeted': 'yes' },
  });
});

test.each([
  ['broken JSON', '{"to": ', 400, 'contract/malformed-json'],
  ['an empty body', '', 400, 'contract/malformed-json'],
  ['two values', '{} {}', 400, 'contract/malformed-json'],
  ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x22]), 400, 'contract/malformed-json'],
  ['33 levels', `${'['.repeat(33)}${']'.repeat(33)}`, 400, 'contract/too-deep'],
  ['a hundred thousand levels in 2 kB', '['.repeat(1_900), 400, 'contract/too-deep'],
  ['3 kB where 2 kB are allowed', JSON.stringify({ to: 'x'.repeat(3_000), items: [] }), 413, 'contract/body-too-large'],
])('%s is refused', async (_what, body, status, code) => {
  expectProblem(await ask('POST', '/parcels', body), status, code);
});

test.each([
  'text/plain',
  'application/xml',
  'application/json; charset=utf-16',
  'application/x-ndjson',
  'multipart/form-data; boundary=x',
])('the media type %s is refused', async (type) => {
  expectProblem(await ask('POST', '/parcels', good, type), 415, 'contract/unsupported-media-type');
});

test.each([
  'application/json',
  'application/json; charset=UTF-8',
  'application/json;charset="utf-8"',
  'application/merge-patch+json',
])('the media type %s is taken', async (type) => {
  expect((await ask('POST', '/parcels', good, type)).status).toBe(201);
});

test.each([
  [{ items: [] }, '/to', 'is required'],
  [{ to: '', items: [] }, '/to', 'fewer'],
  [{ to: 'Ada', items: [], extra: 1 }, '/extra', 'not known'],
  [{ to: 'Ada', items: [{ sku: 'x', quantity: 1.5 }] }, '/items/0/quantity', 'integer'],
  [{ to: 'Ada', items: [{ sku: 'x', quantity: '1' }] }, '/items/0/quantity', 'integer'],
  [{ to: 'Ada', items: [{ sku: 'x', quantity: 1, 'a/b~c': 1 }] }, '/items/0/a~1b~0c', 'not known'],
  ['text', '', 'object'],
])('%j is refused with a pointer to the place: %s', async (body, pointer, detail) => {
  const answer = await ask('POST', '/parcels', JSON.stringify(body));
  expectProblem(answer, 400, 'contract/invalid-input');
  expect(answer.body.errors).toContainEqual({ pointer, detail: expect.stringContaining(detail) });
});

test('a __proto__ field is an unknown field like any other', async () => {
  const answer = await ask('POST', '/parcels', '{"to":"Ada","items":[],"__proto__":{"admin":true}}');
  expectProblem(answer, 400, 'contract/invalid-input');
});

test('an answer lists no more than twenty places, however many mistakes there are', async () => {
  const items = Array.from({ length: 40 }, () => ({ q: 1 }));
  const { errors } = (await ask('POST', '/parcels', JSON.stringify({ to: 'Ada', items }))).body;
  expect(errors.length).toBeGreaterThan(5);
  expect(errors.length).toBeLessThanOrEqual(20);
});

test('query and path are checked, and the query arrives with its types', async () => {
  expect((await ask('GET', '/parcels/abc?limit=5&tag=a&deep=true')).body.query).toEqual({
    limit: 5,
    tag: ['a'],
    deep: true,
  });
  expect((await ask('GET', '/parcels/abc?tag=a&tag=b')).body.query).toEqual({ tag: ['a', 'b'] });
  for (const [path, pointer] of [
    ['/parcels/abc?limit=five', 'query:limit'],
    ['/parcels/abc?limit=1&limit=2', 'query:limit'],
    ['/parcels/abc?limit=1e2', 'query:limit'],
    ['/parcels/abc?what=1', 'query:what'],
    ['/parcels/ABC', 'path:id'],
    ['/explode?x=1', 'query:x'],
  ] as const) {
    const answer = await ask('GET', path);
    expectProblem(answer, 400, 'contract/invalid-input');
    expect(answer.body.errors).toContainEqual(expect.objectContaining({ pointer }));
  }
});

test('an unknown path is 404, a known one with another method 405 with Allow', async () => {
  expectProblem(await ask('GET', '/nothing/here'), 404, 'contract/not-found');
  const answer = await ask('PUT', '/parcels/abc', good);
  expectProblem(answer, 405, 'contract/method-not-allowed');
  expect(answer.headers['allow']).toBe('GET, DELETE, HEAD, OPTIONS');
});

test('OPTIONS says what a path takes', async () => {
  const answer = await ask('OPTIONS', '/parcels');
  expect(answer).toMatchObject({ status: 204, body: '', headers: { allow: 'POST, GET, HEAD, OPTIONS' } });
});

test('HEAD answers as GET does, without the body', async () => {
  const get = await ask('GET', '/parcels/abc');
  const head = await ask('HEAD', '/parcels/abc');
  expect(head).toMatchObject({ status: 200, body: '' });
  for (const name of ['content-type', 'content-length']) expect(head.headers[name]).toBe(get.headers[name]);
  expect(await ask('HEAD', '/parcels')).toMatchObject({ status: 200, body: '' });
  expect(streamsOpen).toBe(0);
});

test('a path that is no URL is refused with a problem', async () => {
  expectProblem(await ask('GET', '/parcels/%zz'), 400, 'contract/malformed-request');
  expectProblem(await ask('GET', `/parcels/${'a'.repeat(600)}`), 404, 'contract/not-found');
});

test('DELETE with a content type and no body is served', async () => {
  const reply = await httpRequest(`${origin}/parcels/abc`, {
    method: 'DELETE',
    headers: { 'content-type': 'application/json' },
  });
  expect(reply.statusCode).toBe(204);
});

test('an error of ours is a 500 that says nothing of its cause', async () => {
  const answer = await ask('GET', '/explode');
  expectProblem(answer, 500, 'contract/internal');
  expect(JSON.stringify(answer)).not.toContain('hunter2');
});

test('lines are read as they come, and a bad one reaches the operation as the problem with it', async () => {
  const lines = `${good}\n`.repeat(5_000);
  expect(await ask('POST', '/parcels/load', lines, 'application/x-ndjson')).toMatchObject({ body: { read: 5_000 } });
  const broken = await ask('POST', '/parcels/load', `${good}\n${good}\n{"secret":\n${good}`, 'application/x-ndjson');
  expectProblem(broken, 400, 'contract/malformed-json');
  expect(broken.body.detail).not.toContain('secret');
  expectProblem(await ask('POST', '/parcels/load', good), 415, 'contract/unsupported-media-type');
});

test('a stream is sent as lines, and stops being made when the client goes away', async () => {
  const all = await ask('GET', '/parcels');
  expect(all.headers['content-type']).toBe('application/x-ndjson');
  expect(all.body.trimEnd().split('\n')).toHaveLength(3_000);
  const abort = new AbortController();
  const reply = await httpRequest(`${origin}/parcels`, { signal: abort.signal });
  reply.body.on('error', () => {});
  abort.abort();
  await expect.poll(() => streamsOpen).toBe(0);
});

test('a stream is server-sent events for whoever asks for them, and values over the transport all the same', async () => {
  const wanted = { accept: 'text/event-stream' };
  const reply = await httpRequest(`${origin}/parcels`, { headers: wanted });
  expect(reply.headers['content-type']).toBe('text/event-stream');
  expect((await reply.body.text()).split('\n\n').filter((each) => each.startsWith('data: {'))).toHaveLength(3_000);
  const transport = createHttpTransport({ contracts: [parcels], origin });
  const headers = { ...wanted, [headerNames.deadlineMs]: '2000' };
  const { body } = await transport.send(
    { service: 'parcels', operation: 'list', params: {}, query: {}, headers },
    new AbortController().signal,
  );
  let count = 0;
  for await (const _ of body as AsyncIterable<unknown>) count += 1;
  expect(count).toBe(3_000);
  await transport.close();
});

test('a body that is wanted raw arrives byte for byte, over the transport too', async () => {
  const raw = '{ "b":1,\n"a" : 2 }';
  expect((await ask('POST', '/parcels/signed', raw)).body).toEqual({ text: raw });
  const transport = createHttpTransport({ contracts: [parcels], origin });
  const send = (operation: string, body: unknown): Promise<unknown> => {
    const headers = { [headerNames.deadlineMs]: '2000' };
    const request: Request = { service: 'parcels', operation, params: {}, query: {}, headers, body };
    return transport.send(request, new AbortController().signal);
  };
  expect(await send('sign', raw)).toMatchObject({ body: { text: raw } });
  expect(await send('load', manyParcels(2_000))).toMatchObject({ body: { read: 2_000 } });
  await transport.close();
});

type Odd = readonly [what: string, bytes: string, status: number, code: string, detail?: string];

test.each<Odd>([
  ['garbage', '\x16\x03\x01\x02\x00\x01\x00garbage\r\n\r\n', 400, 'contract/malformed-request'],
  ['an invented method', 'BREW / HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'contract/malformed-request'],
  ['HTTP/2 without being asked', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'contract/malformed-request'],
  ['no Host', 'GET /parcels/abc HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'contract/malformed-request'],
  ['a head of 20 kB', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'contract/head-too-large'],
  [
    'two lengths',
    'POST /parcels HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}',
    400,
    'contract/malformed-request',
  ],
  ...[
    ['two Hosts', 'GET /parcels/abc HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', 'the host header is there twice'],
    ['an odd Host', 'GET /parcels/abc HTTP/1.1\r\nHost: a b/c\r\n\r\n', 'neither a name nor an address'],
    [
      'two types of content',
      'POST /parcels HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}',
      'the content-type header is there twice',
    ],
    [
      'two tokens',
      'GET /parcels/abc HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n',
      'the authorization header is there twice',
    ],
    ['HTTP/0.9', 'GET /parcels/abc\r\n\r\n', 'HTTP/0.9 is not spoken here'],
    ['HTTP/2.0 by name', 'GET /parcels/abc HTTP/2.0\r\nHost: x\r\n\r\n', 'HTTP/2.0 is not spoken here'],
    ['a path of * to read', 'GET * HTTP/1.1\r\nHost: x\r\n\r\n', '* goes with OPTIONS alone'],
    [
      'an odd transfer coding',
      'POST /parcels HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
      'chunked alone is understood',
    ],
  ].map(([what = '', bytes = '', detail = '']) => [what, bytes, 400, 'contract/malformed-request', detail] as Odd),
  ['a tunnel', 'CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n', 405, 'contract/method-not-allowed', 'this is no proxy'],
  ['an odd expectation', 'GET / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\n\r\n', 417, 'contract/expectation-failed'],
])('%s is answered with a problem document', async (...each) => {
  const [, bytes, status, code, detail = ''] = each as unknown as Odd;
  const answer = await sendBytes(bytes);
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(answer.toLowerCase()).toContain('content-type: application/problem+json');
  expect(answer).toContain(`"code":"${code}"`);
  expect(answer).toContain(detail);
});

test('OPTIONS of * is answered for the server as a whole, and a Host may be an address with a port', async () => {
  expect(await sendBytes('OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1.1 204 /);
  for (const host of ['[::1]:4080', '127.0.0.1:80', 'a_b.example', ''])
    expect(await sendBytes(`GET /parcels/abc HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).toMatch(/ 200 /);
});

test('a client that sends its head too slowly is cut off with 408', async () => {
  const slow = createHttpServer({ routes: [], admit: (request) => request, headTimeoutMs: 100, requestTimeoutMs: 100 });
  await slow.listen({ port: 0, host: '127.0.0.1' });
  const socket = connect((slow.server.address() as AddressInfo).port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nX-');
  expect(await text(socket)).toContain('contract/request-timeout');
  await slow.close();
});

test('each request is reported once with its route, status and time', async () => {
  responded.length = 0;
  await ask('GET', '/parcels/abc?limit=1');
  await ask('GET', '/nothing');
  await ask('POST', '/parcels', '{');
  await expect.poll(() => responded.length).toBe(3);
  const report = responded.map(({ arrival, request, status, aborted }) => [
    arrival.route?.operation.path,
    request?.operation,
    status,
    aborted,
  ]);
  expect(report).toEqual([
    ['/parcels/{id}', 'find', 200, false],
    [undefined, undefined, 404, false],
    ['/parcels', undefined, 400, false],
  ]);
  for (const { durationMs } of responded) expect(durationMs).toBeGreaterThan(0);
});
