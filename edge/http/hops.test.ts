import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { request } from 'undici';
import { afterEach, expect, test } from 'vitest';
import { type Component, type Logger, systemWorld } from '#kit/runtime';
import { createTelemetry, type SpanRecord } from '#kit/telemetry';
import { createLayer7, createPool, type Member } from '../balancer/index.ts';
import { createCdn } from '../cdn/index.ts';
import { createGatewayForTest } from '../gateway/testing.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start({ component }: { component: Component }): Promise<void> {
  await component.start?.();
  closing.push(() => component.stop?.());
}

/** Spans as one process keeps them. */
function telemetryOf(sampleRatio = 0) {
  const spans: SpanRecord[] = [];
  const spansKept = { append: (line: string) => void spans.push(JSON.parse(line) as SpanRecord) };
  return { telemetry: createTelemetry({ ...world, service: 'test', sampleRatio, spansKept }), spans };
}

const memberAt = (url: string, process = 'gateway-1'): Member => {
  const { hostname, port } = new URL(url);
  return { process, host: hostname, port: Number(port) };
};
const poolOf = (members: readonly Member[]) =>
  createPool({ world, name: 'test', members: () => members, balancing: { kind: 'round-robin' } });

/** Edge, balancer and gateway, each with spans of its own. */
async function openChain({ sampleRatio = 1, before = [] as readonly Member[] } = {}) {
  const [edge, balancer, door] = [telemetryOf(), telemetryOf(), telemetryOf(sampleRatio)];
  const { gateway, close } = await createGatewayForTest({ telemetry: door.telemetry, trustedProxies: 2 });
  closing.push(close);
  const pool = poolOf([...before, memberAt(gateway.address as string)]);
  const layer7 = createLayer7({ world, rules: [{ to: [{ pool }] }], isBehindEdge: true, ...balancer });
  await start(layer7);
  const cdn = createCdn({ world, origin: layer7.address as string, ...edge });
  await start(cdn);
  return { url: cdn.address as string, balancerUrl: layer7.address as string, edge, balancer, door };
}

async function get(url: string, headers: Record<string, string> = {}, method = 'GET') {
  const reply = await request(url, { method: method as 'GET', headers });
  return { status: reply.statusCode, headers: reply.headers as Record<string, string>, body: await reply.body.text() };
}

const ours = (headers: object) => Object.keys(headers).filter((name) => name.startsWith('holdfast-'));
const forged = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test('edge, balancer and gateway are one trace in this order, under the name that the gateway knows', async () => {
  const { url, edge, balancer, door } = await openChain();
  const { status, headers } = await get(`${url}/echo/a`);
  expect(status).toBe(200);
  await expect.poll(() => [edge, balancer, door].map(({ spans }) => spans.length)).toEqual([1, 1, 1]);
  const [first, second, third] = [edge, balancer, door].map(({ spans }) => spans[0] as SpanRecord);
  expect([first, second, third].map((span) => [span?.name, span?.attributes['service'], span?.kind])).toEqual([
    ['GET /echo/{word}', 'edge', 'server'],
    ['GET /echo/{word}', 'balancer', 'server'],
    ['GET /echo/{word}', 'gateway', 'server'],
  ]);
  expect(new Set([first, second, third].map((span) => span?.traceId)).size).toBe(1);
  expect([second?.parentSpanId, third?.parentSpanId]).toEqual([first?.spanId, second?.spanId]);
  expect(first?.parentSpanId).toBeUndefined();
  expect(ours(headers)).toEqual([]);
});

test('nobody outside decides what is recorded, nor under whose ids', async () => {
  const { url, edge, balancer, door } = await openChain({ sampleRatio: 0 });
  const lies = {
    traceparent: forged,
    'holdfast-hop': '00f067aa0ba902b7',
    'holdfast-trace': `${forged.slice(3, 35)} GET /lies`,
  };
  const { headers } = await get(`${url}/echo/a`, lies);
  expect(ours(headers)).toEqual([]);
  const sampled = await openChain();
  await get(`${sampled.url}/echo/a`, lies);
  await expect.poll(() => sampled.edge.spans.length).toBe(1);
  expect(sampled.edge.spans[0]).toMatchObject({ name: 'GET /echo/{word}' });
  expect(sampled.edge.spans[0]?.parentSpanId).toBeUndefined();
  expect(sampled.edge.spans[0]?.traceId).not.toBe(forged.slice(3, 35));
  expect([edge, balancer, door].flatMap(({ spans }) => spans)).toEqual([]);
});

test('a balancer with nobody of ours in front believes no client, and tells it nothing', async () => {
  const own = telemetryOf();
  const { gateway, close } = await createGatewayForTest({ telemetry: telemetryOf(1).telemetry, trustedProxies: 1 });
  closing.push(close);
  const pool = poolOf([memberAt(gateway.address as string)]);
  const layer7 = createLayer7({ world, rules: [{ to: [{ pool }] }], ...own });
  await start(layer7);
  const { headers } = await get(`${layer7.address}/echo/a`, { 'holdfast-hop': '00f067aa0ba902b7' });
  expect(ours(headers)).toEqual([]);
  await expect.poll(() => own.spans.length).toBe(1);
  expect(own.spans[0]?.parentSpanId).toBeUndefined();
});

test('a gateway without proxies of ours takes no word about spans from anybody', async () => {
  const door = telemetryOf(1);
  const { gateway, close } = await createGatewayForTest({ telemetry: door.telemetry });
  closing.push(close);
  const { headers } = await get(`${gateway.address}/echo/a`, { 'holdfast-hop': '00f067aa0ba902b7' });
  expect(ours(headers)).toEqual([]);
  expect(door.spans[0]?.parentSpanId).toBeUndefined();
});

test('an instance that was asked in vain shows, with how long that took', async () => {
  const vain = createServer((_request, response) => void response.writeHead(503).end());
  vain.listen(0, '127.0.0.1');
  await once(vain, 'listening');
  closing.push(() => vain.close());
  const { port } = vain.address() as AddressInfo;
  const { url, balancer } = await openChain({ before: [{ process: 'gateway-0', host: '127.0.0.1', port }] });
  for (let i = 0; i < 2; i++) expect((await get(`${url}/echo/a`)).status).toBe(200);
  const named = (name: string) => balancer.spans.filter((span) => span.name === name);
  await expect.poll(() => named('call gateway-0')).toHaveLength(1);
  const [failed] = named('call gateway-0');
  expect(failed).toMatchObject({ kind: 'client', error: expect.stringContaining('status 503') });
  const parent = balancer.spans.find(({ spanId }) => spanId === failed?.parentSpanId);
  expect(parent).toMatchObject({ attributes: { service: 'balancer', 'http.response.status_code': 200 } });
});

test('what is answered from the cache is no part of a trace; who asked first is', async () => {
  const edge = telemetryOf();
  const traceId = 'a'.repeat(32);
  const asked: IncomingMessage[] = [];
  const origin = createServer((incoming, response) => {
    asked.push(incoming);
    const headers = { 'cache-control': 'max-age=60', 'holdfast-trace': `${traceId} GET /products` };
    response.writeHead(200, headers).end('products');
  });
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  closing.push(() => origin.close());
  const cdn = createCdn({ world, origin: `http://127.0.0.1:${(origin.address() as AddressInfo).port}`, ...edge });
  await start(cdn);
  for (let i = 0; i < 3; i++) expect(ours((await get(`${cdn.address}/products`)).headers)).toEqual([]);
  await expect.poll(() => edge.spans.length).toBe(1);
  expect(edge.spans[0]).toMatchObject({ traceId, name: 'GET /products' });
  expect(asked.map(({ headers }) => headers['holdfast-hop'])).toEqual([edge.spans[0]?.spanId]);
});

const json = 'application/problem+json';
const page = 'text/html; charset=utf-8';
const browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8';

/** An edge and a balancer behind which there is nobody. */
async function openInFrontOfNobody() {
  const cdn = createCdn({ world, origin: 'http://127.0.0.1:1', perAddress: { quota: 1_000 } });
  await start(cdn);
  const layer7 = createLayer7({ world, rules: [{ when: { path: '/x' }, to: [{ pool: poolOf([]) }] }] });
  await start(layer7);
  return { edge: cdn.address as string, balancer: layer7.address as string };
}

test('what the hops answer themselves has the form of the gateway, for programs, and is a page for browsers', async () => {
  const { edge, balancer } = await openInFrontOfNobody();
  for (const [url, status, code] of [
    [`${edge}/orders`, 502, 'edge/unreachable'],
    [`${edge}/a%2fb`, 400, 'contract/malformed-request'],
    [`${edge}/${'a'.repeat(8_192)}`, 414, 'edge/target-too-long'],
    [`${balancer}/x`, 503, 'contract/unavailable'],
    [`${balancer}/y`, 404, 'contract/not-found'],
    [`${balancer}/%00`, 400, 'contract/malformed-request'],
  ] as const) {
    for (const accept of [undefined, '*/*', 'application/json', 'application/json, text/html;q=0.9', 'text/html;q=0']) {
      const headers = { 'x-correlation-id': 'my-own-id', ...(accept === undefined ? {} : { accept }) };
      const reply = await get(url, headers);
      expect(reply).toMatchObject({ status, headers: { 'content-type': json, 'cache-control': 'no-store' } });
      expect(reply.headers['x-correlation-id']).toBe('my-own-id');
      expect(JSON.parse(reply.body)).toMatchObject({
        ...{ type: `/problems/${code}`, status, code, correlationId: 'my-own-id' },
        ...{ title: expect.any(String), category: expect.any(String), hint: expect.any(String) },
      });
      expect(reply.headers['retry-after']).toBe(status >= 502 ? '1' : undefined);
    }
    const shown = await get(url, { accept: browser });
    expect(shown).toMatchObject({ status, headers: { 'content-type': page }, body: expect.stringContaining('<h1>') });
    for (const accept of [browser, '*/*']) {
      const head = await get(url, { accept }, 'HEAD');
      expect(head).toMatchObject({ status, body: '', headers: { 'content-type': accept === browser ? page : json } });
      expect(Number(head.headers['content-length'])).toBeGreaterThan(100);
    }
  }
});

test('a correlation id that is none is replaced, in a page too', async () => {
  const { edge } = await openInFrontOfNobody();
  const odd = { accept: browser, 'x-correlation-id': '<script>alert(1)</script>' };
  const { headers, body } = await get(edge, odd);
  expect(body).not.toContain('script');
  expect(body).toContain(headers['x-correlation-id']);
});

async function raw(url: string, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(bytes);
  return text(socket);
}

test('bytes that are refused before there is a request get a problem too, at both', async () => {
  const { edge, balancer } = await openInFrontOfNobody();
  for (const url of [edge, balancer]) {
    for (const [bytes, status, code] of [
      ['GET / HTTP/1.1\r\n\r\n', 400, 'contract/malformed-request'],
      ['nonsense\r\n\r\n', 400, 'contract/malformed-request'],
      ['PURGE / HTTP/1.1\r\nHost: x\r\n\r\n', 405, 'contract/method-not-allowed'],
      [`GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`, 431, 'contract/head-too-large'],
      ['POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n', 501, 'edge/unknown-coding'],
      ['GET / HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n\r\n', 417, 'contract/expectation-failed'],
    ] as const) {
      const back = await raw(url, bytes);
      expect(back).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      expect(back.toLowerCase()).toContain(`content-type: ${json}`);
      expect(back.toLowerCase()).toContain('connection: close');
      expect(JSON.parse(back.slice(back.indexOf('\r\n\r\n')))).toMatchObject({ status, code });
      if (status === 405) expect(back.toLowerCase()).toContain('allow: get, head');
    }
  }
});

test('a handler that answers late is a time-out of the balancer, an upgrade that nobody takes a problem', async () => {
  const mute = createServer((_request: IncomingMessage, _response: ServerResponse) => {});
  mute.listen(0, '127.0.0.1');
  await once(mute, 'listening');
  closing.push(() => {
    mute.closeAllConnections();
    mute.close();
  });
  const pool = poolOf([memberAt(`http://127.0.0.1:${(mute.address() as AddressInfo).port}`)]);
  const rules = [
    { when: { path: '/live' }, to: [{ pool: poolOf([]) }] },
    { when: { path: '/x' }, to: [{ pool }] },
  ];
  const layer7 = createLayer7({ world, rules, lastTryTimeoutMs: 50 });
  await start(layer7);
  const late = await get(`${layer7.address}/x`);
  expect(late).toMatchObject({ status: 504, headers: { 'retry-after': '1', 'content-type': json } });
  expect(JSON.parse(late.body)).toMatchObject({ code: 'contract/timeout' });
  const upgrade = (path: string) =>
    raw(
      layer7.address as string,
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    );
  expect(await upgrade('/none')).toMatch(/^HTTP\/1\.1 404 [\s\S]*contract\/not-found/);
  expect(await upgrade('/live')).toMatch(/^HTTP\/1\.1 502 [\s\S]*edge\/unreachable/);
});
