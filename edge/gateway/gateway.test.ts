import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Validator } from '@seriousme/openapi-schema-validator';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { gateway } from '#contracts/gateway';
import { users } from '#contracts/users';
import { createValidator } from '#kit/contract';
import { createTelemetry } from '#kit/telemetry';
import { createGatewayForTest, echo, type LogLine, type TestKey, testKey, tokenOf } from './testing.ts';

let house: Awaited<ReturnType<typeof createGatewayForTest>>;
let key: TestKey;
beforeAll(async () => {
  house = await createGatewayForTest({ contracts: [echo, users], cors: { origins: ['https://shop.example'] } });
  key = await testKey('key_1');
  house.keys.push(key.jwk);
});
afterAll(() => house.close());

type Headers = Record<string, string>;

async function ask(path: string, headers: Headers = {}, method = 'GET', body?: string, origin = house.origin) {
  const reply = await request(`${origin}${path}`, { method: method as 'GET', headers, body: body ?? null });
  const answer = await reply.body.text();
  const parsed = answer && String(reply.headers['content-type']).includes('json') ? JSON.parse(answer) : answer;
  return { status: reply.statusCode, headers: reply.headers as Headers, body: parsed };
}

async function signedIn(payload = {}, header = {}): Promise<Headers> {
  return { authorization: `Bearer ${await tokenOf(house.world, key, payload, header)}` };
}

test('a request reaches its service with caller, source, trace, correlation id and deadline', async () => {
  const json = { 'content-type': 'application/json' };
  const { status, body } = await ask('/echo/hi', { ...(await signedIn()), ...json }, 'POST', '{"text":"x"}');
  expect(status).toBe(200);
  expect(body).toMatchObject({ params: { word: 'hi' }, body: { text: 'x' } });
  expect(body.headers).toMatchObject({
    'holdfast-caller': 'customer:usr_1',
    'holdfast-session': 'ses_1',
    'holdfast-source': '127.0.0.1',
    'holdfast-step': '1',
    'holdfast-deadline-ms': '5000',
    'holdfast-correlation-id': expect.stringMatching(/^cor_/),
    traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/),
  });
});

test('nobody speaks for the gateway: its own headers, tokens and cookies never pass', async () => {
  const { body } = await ask('/echo/hi', {
    'holdfast-caller': 'admin:usr_evil',
    'Holdfast-Session': 'ses_evil',
    'holdfast-source': '1.2.3.4',
    'holdfast-deadline-ms': '999999',
    'x-forwarded-for': '1.2.3.4',
    cookie: 'a=b',
    'idempotency-key': 'k1',
    'stripe-signature': 't=1',
  });
  expect(body.headers).toMatchObject({
    'holdfast-caller': 'anonymous:anonymous',
    'holdfast-source': '127.0.0.1',
    'holdfast-deadline-ms': '5000',
    'idempotency-key': 'k1',
    'stripe-signature': 't=1',
  });
  for (const name of ['holdfast-session', 'cookie', 'authorization', 'x-forwarded-for', 'host']) {
    expect(body.headers).not.toHaveProperty(name);
  }
});

test('operations for services alone have no door', async () => {
  expect((await ask('/inside', await signedIn({ role: 'admin' }))).status).toBe(404);
});

test('roles are looked at by the service: customers are turned away, staff and admins let in', async () => {
  expect(await ask('/staff')).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer' } });
  expect((await ask('/staff', await signedIn())).body.code).toBe('contract/forbidden');
  expect((await ask('/staff', await signedIn({ role: 'staff' }))).status).toBe(200);
  expect((await ask('/staff', await signedIn({ role: 'admin', sub: 'usr_2' }))).status).toBe(200);
});

test('a refused token is refused even where guests may call, except where no one asks who calls', async () => {
  const stale = await signedIn({ exp: Math.floor(house.world.clock.now() / 1000) - 60 });
  const refused = await ask('/echo/hi', stale);
  expect(refused).toMatchObject({ status: 401, body: { code: 'gateway/token-refused', detail: 'it has expired' } });
  expect(refused.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
  expect(await ask('/open', stale)).toMatchObject({ status: 200, body: { caller: { kind: 'anonymous' } } });
  expect((await ask('/echo/hi', { authorization: 'Basic YTpi' })).status).toBe(401);
});

test('a correlation id is kept when it is one, made otherwise, and named in every answer', async () => {
  const mine = { 'x-correlation-id': 'my-own.id:42' };
  expect((await ask('/echo/hi', mine)).headers['x-correlation-id']).toBe('my-own.id:42');
  const problem = await ask('/nothing', mine);
  expect(problem).toMatchObject({ body: { correlationId: 'my-own.id:42' }, headers: mine });
  for (const odd of ['short', 'x'.repeat(65), 'with space and more', '<script>alert(1)']) {
    expect((await ask('/open', { 'x-correlation-id': odd })).headers['x-correlation-id']).toMatch(/^cor_/);
  }
});

test('a trace begins at the door: what the client sends neither goes on nor has anything recorded', async () => {
  for (const given of ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', '00-zz']) {
    const { traceparent } = (await ask('/echo/hi', { traceparent: given })).body.headers;
    expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(traceparent).not.toContain('4bf92f35');
  }
});

test('a client may shorten the deadline and not lengthen it', async () => {
  const deadline = async (prefer: string) => (await ask('/echo/hi', { prefer })).body.headers['holdfast-deadline-ms'];
  expect(await deadline('wait=1')).toBe('1000');
  expect(await deadline('respond-async, wait=60')).toBe('5000');
  expect(await deadline('handling=lenient')).toBe('5000');
});

test('where 202 is an answer, the time a client likes to wait leaves time for it to be said', async () => {
  const times = async (prefer: string) => {
    const { headers } = (await ask('/take', { prefer }, 'POST')).body;
    return [headers['holdfast-answer-ms'], headers['holdfast-deadline-ms']];
  };
  expect(await times('wait=3')).toEqual(['3000', '8000']);
  expect(await times('wait=7')).toEqual(['7000', '10000']);
  expect(await times('wait=60')).toEqual([undefined, '10000']);
});

test('a service that does not answer is given up at the deadline with a problem', async () => {
  expect(await ask('/stuck')).toMatchObject({ status: 504, body: { code: 'contract/timeout', retry: 'same-key' } });
});

test('a client that goes away cancels the work', async () => {
  const { port } = new URL(house.origin);
  const socket = connect(Number(port), '127.0.0.1');
  await once(socket, 'connect');
  socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
  await expect.poll(() => house.state.started).toBe(1);
  socket.destroy();
  await expect.poll(() => house.state.aborted).toBe(1);
});

test('every answer carries security headers and none of our own', async () => {
  for (const path of ['/echo/hi', '/nothing', '/livez']) {
    const { headers } = await ask(path);
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cache-control': 'no-store',
    });
    expect(Object.keys(headers).filter((name) => name.startsWith('holdfast-'))).toEqual([]);
  }
});

test('If-None-Match with the current version is answered with 304 and no body', async () => {
  for (const tag of ['"7"', 'W/"7"', '"1", "7"', '*']) {
    expect(await ask('/echo/hi', { 'if-none-match': tag })).toMatchObject({ status: 304, body: '' });
  }
  expect((await ask('/echo/hi', { 'if-none-match': '"8"' })).status).toBe(200);
});

test('pages of allowed origins may call, others may not, and every answer varies by origin', async () => {
  const origin = { origin: 'https://shop.example' };
  const preflight = { 'access-control-request-method': 'POST' };
  const asked = await ask('/echo/hi', { ...origin, ...preflight }, 'OPTIONS');
  expect(asked.status).toBe(204);
  expect(asked.headers).toMatchObject({
    'access-control-allow-origin': 'https://shop.example',
    'access-control-allow-headers': expect.stringContaining('idempotency-key'),
    vary: 'origin',
  });
  expect((await ask('/echo/hi', origin)).headers['access-control-allow-origin']).toBe('https://shop.example');
  expect((await ask('/nothing', origin)).headers['access-control-allow-origin']).toBe('https://shop.example');
  const other = await ask('/echo/hi', { origin: 'https://evil.example', ...preflight }, 'OPTIONS');
  expect(other.headers).not.toHaveProperty('access-control-allow-origin');
  expect(other.headers['vary']).toBe('origin');
});

test('OPTIONS without an origin lists the methods, HEAD answers without a body', async () => {
  expect(await ask('/echo/hi', {}, 'OPTIONS')).toMatchObject({
    status: 204,
    headers: { allow: 'POST, GET, HEAD, OPTIONS' },
  });
  expect(await ask('/echo/hi', {}, 'HEAD')).toMatchObject({ status: 200, body: '', headers: { etag: '"7"' } });
});

test('bytes that are no HTTP are answered with a problem', async () => {
  const socket = connect(Number(new URL(house.origin).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.write('\x16\x03\x01\x02\r\n\r\n');
  expect(await text(socket)).toContain('contract/malformed-request');
});

test('readiness tells what is missing', async () => {
  expect(await ask('/livez')).toMatchObject({ status: 200, body: { status: 'alive' } });
  expect(await ask('/readyz')).toMatchObject({ status: 200, body: { status: 'ready' } });
  house.state.unready = { orders: 'migrating' };
  expect(await ask('/readyz')).toMatchObject({
    status: 503,
    body: { status: 'unready', reasons: { orders: 'migrating' } },
  });
  house.state.unready = {};
});

test('/openapi.json is valid OpenAPI 3.1, names every public operation and hides the others', async () => {
  const { body, headers } = await ask('/openapi.json');
  const result = await new Validator().validate(body);
  expect(result.errors ?? []).toEqual([]);
  expect(result.valid).toBe(true);
  expect(body.paths).toHaveProperty('/users/me/addresses/{addressId}.put');
  expect(body.paths).not.toHaveProperty('/inside');
  expect(body.paths).not.toHaveProperty('/password-resets/{resetId}/token');
  expect((await ask('/openapi.json', { 'if-none-match': headers['etag'] ?? '' })).status).toBe(304);
});

test('the validator can say no', async () => {
  const { body } = await ask('/openapi.json');
  delete body.paths['/users/me'].get.responses;
  body.paths['/users/me'].get.parameters = [{ name: 'x' }];
  expect((await new Validator().validate(body)).valid).toBe(false);
});

test('the type of every problem leads to its page', async () => {
  const { body } = await ask('/nothing');
  expect((await ask(body.type)).body).toMatchObject({ code: 'contract/not-found', hint: body.hint });
  const all = await ask('/problems');
  createValidator(gateway.operations.problems).checkReply(all.status, all.body);
  const { items } = all.body;
  const codes = items.map(({ code }: { code: string }) => code);
  expect(codes).toEqual(expect.arrayContaining(['gateway/token-refused', 'users/email-taken', 'contract/timeout']));
  expect((await ask('/problems/users/nothing')).body.code).toBe('gateway/unknown-problem');
});

test('the index says where to find what', async () => {
  const { links } = (await ask('/')).body;
  for (const path of [links.openapi, links.problems, links.live]) expect((await ask(path)).status).toBe(200);
});

test('a request is logged once, with its route and caller, and nothing that came with it', async () => {
  house.lines.length = 0;
  const headers = { ...(await signedIn()), 'x-correlation-id': 'log-test-1', 'content-type': 'application/json' };
  await ask('/echo/hidden?q=hidden', headers);
  await ask('/echo/hidden', headers, 'POST', '{"text":"hidden"}');
  await ask('/nothing/hidden', headers);
  await expect.poll(() => house.lines.length).toBe(3);
  expect(house.lines[0]).toEqual({
    message: 'request',
    fields: {
      method: 'GET',
      route: '/echo/{word}',
      operation: 'echo.read',
      status: 200,
      durationMs: expect.any(Number),
      caller: 'customer:usr_1',
      correlationId: 'log-test-1',
      step: 0,
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
      sampled: false,
    },
  });
  expect(house.lines[2]?.fields).toMatchObject({ route: 'none', status: 404 });
  for (const hidden of ['hidden', 'eyJ']) expect(JSON.stringify(house.lines)).not.toContain(hidden);
});

test('metrics are behind an internal door alone', async () => {
  const other = await createGatewayForTest({ internal: { metrics: async () => 'holdfast_up 1\n' } });
  try {
    expect((await ask('/metrics', {}, 'GET', undefined, other.origin)).status).toBe(404);
    const inside = other.gateway.internalAddress as string;
    expect(await ask('/metrics', {}, 'GET', undefined, inside)).toMatchObject({
      body: 'holdfast_up 1\n',
      headers: { 'content-type': expect.stringContaining('version=0.0.4') },
    });
    expect((await ask('/readyz', {}, 'GET', undefined, inside)).status).toBe(200);
    expect((await ask('/echo/hi', {}, 'GET', undefined, inside)).status).toBe(404);
  } finally {
    await other.close();
  }
});

test('the internal door shows metrics and whole traces, as data and for reading', async () => {
  const { world } = house;
  const telemetry = createTelemetry({ ...world, service: 'test', sampleRatio: 1 });
  const other = await createGatewayForTest({
    telemetry,
    internal: {
      metrics: () => telemetry.metricsText(),
      trace: async (traceId) => telemetry.spans.trace(traceId),
      recentTraces: () => telemetry.spans.recent(),
      targets: () => [{ targets: ['127.0.0.1:1'], labels: { process: 'orders' } }],
    },
  });
  try {
    const foreign = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const { body } = await ask('/echo/hi', { traceparent: foreign }, 'GET', undefined, other.origin);
    await ask('/stuck', { prefer: 'wait=0' }, 'GET', undefined, other.origin);
    const inside = other.gateway.internalAddress as string;
    const traceId = body.headers.traceparent.slice(3, 35);
    await expect.poll(() => telemetry.spans.recent().length).toBe(2);
    expect((await ask(`/traces/${traceId}`, {}, 'GET', undefined, inside)).body.spans).toMatchObject([
      { name: 'GET /echo/{word}', kind: 'server', attributes: { 'caller.traceparent': foreign, step: 0 } },
    ]);
    const text = await ask(`/traces/${traceId}`, { accept: 'text/plain' }, 'GET', undefined, inside);
    expect(text.body).toMatch(/ms {2}GET \/echo/);
    expect((await ask(`/traces/${'0'.repeat(32)}`, {}, 'GET', undefined, inside)).status).toBe(404);
    expect((await ask('/traces', {}, 'GET', undefined, inside)).body.traces).toMatchObject([{}, { traceId }]);
    expect((await ask('/metrics/targets', {}, 'GET', undefined, inside)).body[0].labels.process).toBe('orders');
    const metrics = (await ask('/metrics', {}, 'GET', undefined, inside)).body;
    expect(metrics).toContain('holdfast_requests_total{service="gateway",operation="echo.read",status="2xx"} 1');
    // At the public door they are for staff.
    for (const path of ['/traces', `/traces/${traceId}`]) {
      expect((await ask(path, {}, 'GET', undefined, other.origin)).status).toBe(401);
    }
  } finally {
    await other.close();
  }
});

test('what an open console asks pushes no other trace out', async () => {
  const telemetry = createTelemetry({ ...house.world, service: 'test', sampleRatio: 1, spansMax: 8 });
  const other = await createGatewayForTest({ telemetry });
  const asConsole = { 'x-client': 'console' };
  const traceIdOf = (reply: { body: { headers: { traceparent: string } } }) =>
    reply.body.headers.traceparent.slice(3, 35);
  try {
    const shopper = traceIdOf(await ask('/echo/hi', {}, 'GET', undefined, other.origin));
    for (let i = 0; i < 20; i++) await ask('/echo/hi', asConsole, 'GET', undefined, other.origin);
    const looked = traceIdOf(await ask('/echo/hi', asConsole, 'GET', undefined, other.origin));
    await expect.poll(() => telemetry.spans.trace(looked).length).toBe(1);
    expect(telemetry.spans.trace(shopper)).toHaveLength(1);
    expect(telemetry.spans.recent()).toHaveLength(3);
  } finally {
    await other.close();
  }
});

test('behind a proxy of ours the client is the address that the proxy saw, whatever the client wrote', async () => {
  const other = await createGatewayForTest({ trustedProxies: 1 });
  try {
    const forwarded = { 'x-forwarded-for': '6.6.6.6, 203.0.113.5' };
    const { body } = await ask('/echo/hi', forwarded, 'GET', undefined, other.origin);
    expect(body.headers['holdfast-source']).toBe('203.0.113.5');
  } finally {
    await other.close();
  }
});

test('that a proxy in front is not believed is said once, with the setting that would', async () => {
  const warnings = (lines: readonly LogLine[]) =>
    lines.filter(({ message }) => message.includes('gateway.trustedProxies'));
  for (const [options, count] of [
    [{}, 1],
    [{ trustedProxies: 1 }, 0],
  ] as const) {
    const other = await createGatewayForTest(options);
    try {
      await ask('/echo/hi', {}, 'GET', undefined, other.origin);
      expect(warnings(other.lines)).toEqual([]);
      for (const name of ['x-forwarded-for', 'forwarded', 'x-forwarded-for'])
        await ask('/echo/hi', { [name]: '203.0.113.5' }, 'GET', undefined, other.origin);
      expect(warnings(other.lines)).toHaveLength(count);
    } finally {
      await other.close();
    }
  }
});

test('draining answers what is under way and takes nothing new', async () => {
  const other = await createGatewayForTest();
  const underWay = ask('/late', {}, 'GET', undefined, other.origin);
  await expect.poll(() => other.state.started).toBe(1);
  const drained = other.close();
  await expect
    .poll(() => ask('/open', {}, 'GET', undefined, other.origin).catch(({ code }) => code))
    .toBe('ECONNREFUSED');
  other.state.finish();
  expect((await underWay).status).toBe(200);
  await drained;
});

test('a port in use is named, with what to do about it', async () => {
  const port = Number(new URL(house.origin).port);
  await expect(createGatewayForTest({ port })).rejects.toThrow(`port ${port} on 127.0.0.1 is in use`);
});
