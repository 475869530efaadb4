import { once } from 'node:events';
import {
  createServer as createHttp,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { request } from 'undici';
import { afterEach, expect, test } from 'vitest';
import { type Logger, seededRandom, systemWorld } from '#kit/runtime';
import { createTelemetry } from '#kit/telemetry';
import { countsOn } from '../http/testing.ts';
import {
  createLayer4,
  createLayer7,
  createPool,
  type Layer7Options,
  type Member,
  type PoolOptions,
  type Rule,
} from './index.ts';
import { encodeProxyHeader, parseProxyHeader } from './proxy-protocol.ts';
import { choosePool, findRule } from './routes.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Running {
  readonly member: Member;
  readonly server: HttpServer;
  readonly seen: IncomingMessage[];
  stop(): void;
}
type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function member(
  process: string,
  answer: Answer = (_r, response) => response.end(process),
  port = 0,
): Promise<Running> {
  const seen: IncomingMessage[] = [];
  const server = createHttp((incoming, response) => {
    if (incoming.url !== '/health') seen.push(incoming);
    answer(incoming, response);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  closing.push(stop);
  return { member: { process, host: '127.0.0.1', port: (server.address() as AddressInfo).port }, server, seen, stop };
}
function poolOf(members: readonly Running[], options: Partial<PoolOptions> = {}) {
  const list = members.map((one) => one.member);
  return createPool({ world, name: 'test', members: () => list, balancing: { kind: 'round-robin' }, ...options });
}
async function balance(rules: readonly Rule[], options: Partial<Layer7Options> = {}): Promise<string> {
  const balancer = createLayer7({ world, rules, ...options });
  await balancer.component.start?.();
  closing.push(() => balancer.component.stop?.());
  return balancer.address as string;
}
async function get(url: string, headers: Record<string, string> = {}, method = 'GET', body?: string) {
  const reply = await request(url, { method: method as 'GET', headers, body: body ?? null });
  return { status: reply.statusCode, headers: reply.headers, body: await reply.body.text() };
}

test('requests are spread, and reach members with who asked', async () => {
  const [a, b] = [await member('a'), await member('b')];
  const url = await balance([{ to: [{ pool: poolOf([a, b]) }] }]);
  const bodies = [];
  for (let i = 0; i < 6; i++) bodies.push((await get(url, { 'x-forwarded-for': '1.2.3.4' })).body);
  expect(bodies.sort()).toEqual(['a', 'a', 'a', 'b', 'b', 'b']);
  expect(a.seen[0]?.headers['x-forwarded-for']).toBe('1.2.3.4, 127.0.0.1');
});

test('a rule takes a request by host, path, method, header and cookie, the first that fits', () => {
  const rule = (when: Rule['when']): Rule => ({ ...(when ? { when } : {}), to: [] });
  const rules = [
    rule({ host: 'admin.shop.example' }),
    rule({ host: '*.shop.example', path: '/api/' }),
    rule({ path: '/products', methods: ['GET'] }),
    rule({ headers: { 'x-canary': true } }),
    rule({ cookies: { beta: 'yes' } }),
    rule(undefined),
  ];
  const at = (path: string, host = 'h', headers = {}, method = 'GET') =>
    rules.indexOf(findRule(rules, { method, host, path, headers }) as Rule);
  expect(at('/x', 'ADMIN.shop.example:8080')).toBe(0);
  expect([at('/api', 'eu.shop.example'), at('/api/x', 'eu.shop.example'), at('/api', '.shop.example')]).toEqual([
    1, 1, 5,
  ]);
  expect([at('/products'), at('/products/1'), at('/products-old'), at('/products', 'h', {}, 'POST')]).toEqual([
    2, 2, 5, 5,
  ]);
  expect([at('/', 'h', { 'x-canary': '' }), at('/', 'h', { cookie: 'a=b; beta=yes' })]).toEqual([3, 4]);
  expect(at('/', 'h', { cookie: 'beta=no; xbeta=yes' })).toBe(5);
});

test('weights send a canary its share, and a sticky client always to the same side', () => {
  const [stable, canary] = [poolOf([]), poolOf([])];
  const rule: Rule = {
    to: [
      { pool: stable, weight: 95 },
      { pool: canary, weight: 5 },
    ],
  };
  const random = seededRandom(1, 'weights');
  const shareOf = (keys: (string | undefined)[]) =>
    keys.filter((key) => choosePool(rule, key, random) === canary).length / keys.length;
  expect(shareOf(Array(20_000).fill(undefined))).toBeCloseTo(0.05, 1);
  expect(shareOf(Array.from({ length: 20_000 }, (_, i) => `client-${i}`))).toBeCloseTo(0.05, 2);
  const first = choosePool(rule, 'client-7', random);
  for (let i = 0; i < 50; i++) expect(choosePool(rule, 'client-7', random)).toBe(first);
});

test('a canary that dies takes none of its share with it, nor the clients that stayed with it', async () => {
  const [stable, canary] = [await member('stable'), await member('canary')];
  const to = [
    { pool: poolOf([stable]), weight: 50 },
    { pool: poolOf([canary]), weight: 50 },
    { pool: poolOf([await member('switched off')]), weight: 0 },
  ];
  const url = await balance([{ to, sticky: { cookie: 'stay' } }]);
  const bodies = new Set<string>();
  const cookies: string[] = [];
  for (let i = 0; i < 40; i++) {
    const { body, headers } = await get(url);
    bodies.add(body);
    cookies.push(String(headers['set-cookie']).split(';')[0] as string);
  }
  expect(bodies).toEqual(new Set(['stable', 'canary']));
  canary.stop();
  for (const cookie of cookies) expect(await get(url, { cookie })).toMatchObject({ status: 200, body: 'stable' });
  for (const cookie of cookies) expect((await get(url, { cookie }, 'POST', 'x')).body).toBe('stable');
});

test('a client stays with a member by a cookie that it is given, beside those of the shop', async () => {
  const all = await Promise.all(
    ['a', 'b', 'c'].map((name) => member(name, (_r, response) => response.setHeader('set-cookie', 'shop=1').end(name))),
  );
  const pool = poolOf(all, { balancing: { kind: 'hash', header: 'cookie' } });
  const url = await balance([{ to: [{ pool }], sticky: { cookie: 'stay' } }]);
  const homes = new Set<string>();
  for (let client = 0; client < 20; client++) {
    const first = await get(url);
    const cookies = [first.headers['set-cookie']].flat().map(String);
    expect(cookies).toContain('shop=1');
    const cookie = cookies.find((one) => one.startsWith('stay='))?.split(';')[0] as string;
    for (let i = 0; i < 3; i++) expect((await get(url, { cookie })).body).toBe(first.body);
    homes.add(first.body);
  }
  expect(homes.size).toBeGreaterThan(1);
});

test('an instance that does not answer in time is left for another, when that is harmless', async () => {
  const slow = await member('slow', (incoming, response) => void (incoming.method === 'HEAD' && response.end()));
  const quick = await member(
    'quick',
    (incoming, response) => void text(incoming).then((body) => response.end(`quick ${body}`)),
  );
  // Long against what the quick one takes, also where a machine stands still for a moment.
  const anew = () =>
    balance([{ to: [{ pool: poolOf([slow, quick]) }] }], { tryTimeoutMs: 500, lastTryTimeoutMs: 1_000 });
  let url = await anew();
  for (let i = 0; i < 4; i++) expect((await get(url)).body).toBe('quick ');
  const keyed = { 'idempotency-key': 'k' };
  for (let i = 0; i < 4; i++) expect((await get(url, keyed, 'POST', 'order')).body).toBe('quick order');
  // Without a key the effect of the first try is not known: the slow one's silence is the answer.
  url = await anew();
  const plain = [];
  for (let i = 0; i < 2; i++) plain.push((await get(url, {}, 'POST', 'order')).status);
  expect(plain.sort()).toEqual([200, 504]);
});

test('a member that refuses connections is passed over for every request, and left alone after five', async () => {
  const [gone, there] = [await member('gone'), await member('there')];
  gone.stop();
  const pool = poolOf([gone, there]);
  const url = await balance([{ to: [{ pool }] }]);
  for (let i = 0; i < 12; i++) expect((await get(url, {}, 'POST', 'x'.repeat(100))).body).toBe('there');
  expect(pool.endpoints[0]?.ejections).toBe(1);
  expect(pool.endpoints.map(({ active }) => active)).toEqual([0, 0]);
});

test('a probe that fails three times takes a member out, one that is answered brings it back', async () => {
  let isWell = true;
  const sick = await member('sick', (_incoming, response) => response.writeHead(isWell ? 200 : 500).end('sick'));
  const [b, c] = [await member('b'), await member('c')];
  const pool = poolOf([sick, b, c], { probeEveryMs: 20 });
  await pool.component.start?.();
  closing.push(() => pool.component.stop?.());
  const isOut = () => pool.endpoints[0]?.isOut;
  isWell = false;
  await expect.poll(isOut).toBe(true);
  for (let i = 0; i < 9; i++) expect(pool.choose()?.instance.process).not.toBe('sick');
  isWell = true;
  await expect.poll(isOut).toBe(false);
  expect(new Set(Array.from({ length: 9 }, () => pool.choose()?.instance.process)).size).toBe(3);
});

test('what is too large to hold streams through, back-pressure and all; answers stream too', async () => {
  const echo = await member('echo', (incoming, response) => void incoming.pipe(response));
  const url = await balance([{ to: [{ pool: poolOf([echo]) }] }]);
  const large = 'x'.repeat(5_000_000);
  expect((await get(url, {}, 'POST', large)).body).toHaveLength(large.length);
  const events = await member('events', (_r, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: 1\n\n');
  });
  const stream = await request(await balance([{ to: [{ pool: poolOf([events]) }] }]));
  for await (const chunk of stream.body) {
    expect(String(chunk)).toBe('data: 1\n\n');
    break;
  }
});

test('a client that goes away ends its request at the member, which is not blamed', async () => {
  let aborted = 0;
  const slow = await member('slow', (_r, response) => void response.once('close', () => aborted++));
  const pool = poolOf([slow]);
  const { port } = new URL(await balance([{ to: [{ pool }] }]));
  const socket = connect(Number(port), '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await expect.poll(() => slow.seen.length).toBe(1);
  socket.destroy();
  await expect.poll(() => aborted).toBe(1);
  await expect.poll(() => pool.endpoints[0]?.active).toBe(0);
  expect(pool.endpoints[0]?.callsFailed).toBe(0);
});

test('upgraded connections are tunnels: WebSocket frames pass both ways as bytes', async () => {
  const upgrades = await member('ws');
  upgrades.server.on('upgrade', (incoming: IncomingMessage, socket: Socket) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${incoming.headers.upgrade}\r\nConnection: Upgrade\r\n\r\n`,
    );
    socket.on('data', (bytes) => socket.write(`echo ${bytes}`));
    socket.on('error', () => {});
  });
  const gone = await member('gone');
  gone.stop();
  const { port } = new URL(await balance([{ to: [{ pool: poolOf([gone, upgrades]) }] }]));
  for (let i = 0; i < 2; i++) {
    const socket = connect(Number(port), '127.0.0.1');
    let back = '';
    socket.on('data', (bytes) => {
      back += bytes;
    });
    socket.write(
      'GET /live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n',
    );
    await expect.poll(() => back).toContain('101 Switching');
    socket.write('hello');
    await expect.poll(() => back).toContain('echo hello');
    socket.destroy();
  }
});

test('where nothing fits it is 404, where nobody is there 503 with a time to come back', async () => {
  const url = await balance([{ when: { path: '/x' }, to: [{ pool: poolOf([]) }] }]);
  expect((await get(`${url}/y`)).status).toBe(404);
  expect(await get(`${url}/x`)).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
});

async function tcp(serve: (socket: Socket) => void, name = 't'): Promise<{ member: Member; server: Server }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  return { member: { process: name, host: '127.0.0.1', port: (server.address() as AddressInfo).port }, server };
}
async function layer4(members: readonly Member[], options: object = {}) {
  const pool = createPool({
    world,
    name: 'tcp',
    members: () => members,
    balancing: { kind: 'round-robin' },
    probe: { kind: 'tcp' },
  });
  const balancer = createLayer4({ world, pool, ...options });
  await balancer.component.start?.();
  closing.push(() => balancer.component.stop?.());
  return { balancer, pool, port: balancer.address?.port as number };
}

test('layer 4: bytes pass both ways, and the end of one side reaches the other while it may still answer', async () => {
  const { member: whole } = await tcp((socket) => void text(socket).then((said) => socket.end(`all of ${said}`)));
  const { port, pool } = await layer4([whole]);
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.end('it');
  expect(await text(socket)).toBe('all of it');
  await expect.poll(() => pool.endpoints[0]?.active).toBe(0);
});

test('layer 4: a half-open connection ends when the other side never finishes', async () => {
  const { member: mute } = await tcp((socket) => void socket.resume());
  const { port, balancer } = await layer4([mute], { halfOpenMs: 50 });
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  socket.end('bye');
  await once(socket, 'close');
  await expect.poll(() => balancer.connections).toBe(0);
});

test('layer 4: a member that accepts nobody is passed over', async () => {
  const dead = await tcp(() => {}, 'dead');
  dead.server.close();
  const { member: alive } = await tcp((socket) => socket.end('alive'), 'alive');
  const { port } = await layer4([dead.member, alive]);
  for (let i = 0; i < 4; i++) expect(await text(connect(port, '127.0.0.1'))).toBe('alive');
});

test('layer 4: members learn who connected, through two balancers', async () => {
  const heard: unknown[] = [];
  const { member: told } = await tcp((socket) => {
    socket.once('data', (bytes: Buffer) => {
      const parsed = parseProxyHeader(bytes);
      if (parsed.is === 'header') heard.push(parsed.addresses?.source.host, bytes.subarray(parsed.length).toString());
      socket.end('ok');
    });
  });
  const inner = await layer4([told], { sendProxyHeader: true, expectProxyHeader: true });
  const header = encodeProxyHeader({
    source: { host: '203.0.113.9', port: 4711 },
    destination: { host: '192.0.2.1', port: 443 },
  });
  const socket = connect(inner.port, '127.0.0.1');
  socket.write(header.subarray(0, 5));
  socket.write(Buffer.concat([header.subarray(5), Buffer.from('hello')]));
  expect(await text(socket)).toBe('ok');
  expect(heard.join(' ')).toContain('203.0.113.9');
  const liar = connect(inner.port, '127.0.0.1');
  liar.on('error', () => {});
  liar.write('GET / HTTP/1.1\r\n\r\n');
  await once(liar, 'close');
});

test('PROXY headers: what is written is read, however it is cut, and nothing else is', () => {
  const end = fc.record({
    host: fc.oneof(fc.ipV4(), fc.constant('2001:db8::1:2'), fc.constant('::1')),
    port: fc.nat(65_535),
  });
  fc.assert(
    fc.property(end, end, fc.nat(60), (source, destination, cut) => {
      const bytes = encodeProxyHeader({ source, destination });
      const whole = parseProxyHeader(Buffer.concat([bytes, Buffer.from('rest')]));
      expect(whole).toMatchObject({ is: 'header', length: bytes.length });
      if (whole.is === 'header' && whole.addresses) {
        expect(whole.addresses.source.port).toBe(source.port);
        expect(encodeProxyHeader(whole.addresses)).toEqual(bytes);
      }
      if (cut < bytes.length) expect(parseProxyHeader(bytes.subarray(0, cut)).is).toBe('incomplete');
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 64 }), (bytes) => {
      expect(parseProxyHeader(Buffer.from(bytes)).is).toBe('refused');
    }),
  );
});

test('a gateway that says it is well itself is neither left alone nor passed over, and the fault goes on to the edge', async () => {
  const excused: Answer = (_request, response) =>
    void response.writeHead(503, { 'retry-after': '1', 'holdfast-fault': 'elsewhere' }).end('products are away');
  const pool = poolOf([await member('one', excused), await member('two', excused)]);
  const url = await balance([{ to: [{ pool }] }], { isBehindEdge: true });
  for (let i = 0; i < 12; i++) {
    const reply = await get(url);
    expect(reply).toMatchObject({ status: 503, body: 'products are away', headers: { 'holdfast-fault': 'elsewhere' } });
  }
  expect(pool.endpoints.map(({ ejections, callsExcused }) => ({ ejections, isAsked: callsExcused > 0 }))).toEqual([
    { ejections: 0, isAsked: true },
    { ejections: 0, isAsked: true },
  ]);
  // Each was asked once: a second gateway needs the same service.
  expect(pool.endpoints.reduce((sum, { callsExcused }) => sum + callsExcused, 0)).toBe(12);
});

test('what it serves, whom it calls and how each member is stands on its page', async () => {
  const telemetry = createTelemetry({ ...world, service: 'test' });
  const [well, busy] = [await member('well'), await member('busy', (_r, response) => response.writeHead(503).end())];
  const pool = poolOf([well, busy], { telemetry });
  const url = await balance([{ to: [{ pool }] }], { telemetry });
  for (let i = 0; i < 10; i++) expect((await get(url)).body).toBe('well');
  const count = countsOn(await telemetry.metricsText());
  expect(count('holdfast_requests_total{service="balancer",operation="proxy",status="2xx"}')).toBe(10);
  const calls = (outcome: string) =>
    count(`holdfast_calls_total{caller="balancer",callee="gateway",operation="proxy",outcome="${outcome}"}`);
  expect(calls('2xx')).toBe(10);
  expect(calls('5xx')).toBeGreaterThanOrEqual(5);
  expect(count('holdfast_requests_active{service="balancer"}')).toBe(0);
  expect(count('holdfast_balancer_member_in{pool="test",member="well"}')).toBe(1);
  expect(count('holdfast_balancer_member_in{pool="test",member="busy"}')).toBe(0);
  expect(count('holdfast_balancer_member_active_requests{pool="test",member="well"}')).toBe(0);
  expect(count('holdfast_balancer_buffered_bytes')).toBe(0);
});
