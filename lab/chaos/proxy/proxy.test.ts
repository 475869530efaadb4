import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Agent, request } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { createAuthority } from '#kit/mesh';
import { type Logger, seededRandom, systemWorld } from '#kit/runtime';
import { credentialsFrom } from '../credentials.ts';
import { createHttpProxy, type HttpFault } from './http.ts';
import { createTcpProxy, type TcpFault } from './tcp.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
const world = systemWorld(silent);

const closed = (socket: Socket) => new Promise((resolve) => void socket.once('close', resolve));

/** A server that says everything back, a proxy before it, and a client that is connected. */
async function echoThrough() {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const proxy = await createTcpProxy({ port: 0, target: () => ({ host: '127.0.0.1', port }), world });
  onTestFinished(async () => {
    await proxy.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const open = async () => {
    const client = connect(proxy.port, '127.0.0.1');
    let heard = '';
    let broken = '';
    client.on('data', (piece) => {
      heard += piece;
    });
    client.on('error', (error) => {
      broken = (error as NodeJS.ErrnoException).code ?? '';
    });
    await once(client, 'connect');
    return { client, heard: () => heard, broken: () => broken };
  };
  return { proxy, open };
}

test('bytes go both ways, in order, whatever their number', async () => {
  const { open } = await echoThrough();
  const { client, heard } = await open();
  const sent = Array.from({ length: 50_000 }, (_, i) => `${i},`).join('');
  client.write(sent);
  await expect.poll(() => heard().length).toBe(sent.length);
  expect(heard()).toBe(sent);
});

test('a delay keeps the order and shows in the time', async () => {
  const { proxy, open } = await echoThrough();
  const { client, heard } = await open();
  const fault = proxy.inject({ kind: 'delay', direction: 'to-server', ms: 120, jitterMs: 100 });
  const startMs = world.clock.monotonicMs();
  for (const word of ['a', 'b', 'c', 'd']) {
    client.write(word);
    await world.timers.sleep(5);
  }
  await expect.poll(heard).toBe('abcd');
  expect(world.clock.monotonicMs() - startMs).toBeGreaterThan(20);
  expect(fault.strikes()).toBeGreaterThan(0);
});

test.each(['to-server', 'to-client'] as const)(
  'a black hole %s swallows nothing for good: after the heal everything arrives',
  async (direction) => {
    const { proxy, open } = await echoThrough();
    const { client, heard, broken } = await open();
    const fault = proxy.inject({ kind: 'black-hole', direction });
    client.write('hello');
    await expect.poll(() => fault.strikes()).toBeGreaterThan(0);
    expect(heard()).toBe('');
    expect(broken()).toBe('');
    fault.heal();
    await expect.poll(heard).toBe('hello');
  },
);

test('a cut breaks the connection after so many bytes, in the middle of what is said', async () => {
  const { proxy, open } = await echoThrough();
  const { client, heard } = await open();
  const fault = proxy.inject({ kind: 'cut', direction: 'to-client', afterBytes: 3 });
  const ended = closed(client);
  client.write('hello');
  await ended;
  expect('hel'.startsWith(heard())).toBe(true);
  expect(fault.strikes()).toBe(1);
});

test('a slow way takes the time that its rate says', async () => {
  const { proxy, open } = await echoThrough();
  const { client, heard } = await open();
  const fault = proxy.inject({ kind: 'slow', direction: 'to-server', bytesPerSec: 1_000 });
  const startMs = world.clock.monotonicMs();
  client.write('x'.repeat(200));
  await expect.poll(() => heard().length).toBe(200);
  expect(world.clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(190);
  expect(fault.strikes()).toBe(1);
});

test.each([
  ['reset', 'ECONNRESET'],
  ['refuse', ''],
] as const)('%s: an open connection sees %j, a new one is broken, after the heal one works', async (kind, seen) => {
  const { proxy, open } = await echoThrough();
  const before = await open();
  before.client.write('x');
  await expect.poll(before.heard).toBe('x');
  const fault = proxy.inject({ kind } as TcpFault);
  if (seen) await expect.poll(before.broken).toBe(seen);
  const during = connect(proxy.port, '127.0.0.1');
  during.on('error', () => {});
  await closed(during);
  expect(fault.strikes()).toBeGreaterThan(0);
  fault.heal();
  const after = await open();
  after.client.write('again');
  await expect.poll(after.heard).toBe('again');
});

const authority = createAuthority(world);
const certificatesOf = (process: string) =>
  credentialsFrom(authority, { region: 'local', cell: 'main', process, services: [] });

/** A server that counts, a proxy before it. */
async function countThrough(way: 'plain' | 'secured' = 'plain') {
  const seen: string[] = [];
  const secured =
    way === 'secured' ? { caller: certificatesOf('caller'), callee: certificatesOf('callee') } : undefined;
  const answer = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    let body = '';
    incoming.on('data', (piece) => {
      body += piece;
    });
    incoming.on('end', () => {
      seen.push(`${incoming.method} ${incoming.url} ${body}`);
      const { 'content-length': length = 'none', 'transfer-encoding': encoding = 'none' } = incoming.headers;
      outgoing.writeHead(201, { 'x-seen': `${length} ${encoding}` }).end(`answer ${seen.length}`);
    });
  };
  const tls = { requestCert: true, rejectUnauthorized: true };
  const server = secured ? createHttpsServer({ ...secured.callee, ...tls }, answer) : createHttpServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const random = seededRandom(1);
  const proxy = await createHttpProxy({ port: 0, target: { host: '127.0.0.1', port }, world, random, secured });
  const dispatcher = new Agent(secured && { connect: { ...secured.caller, checkServerIdentity: () => undefined } });
  onTestFinished(async () => {
    await dispatcher.destroy();
    await proxy.close();
    server.closeAllConnections();
    server.close();
  });
  const call = async (path: string, method: 'POST' | 'GET' = 'POST', body?: string) => {
    const reply = await request(`${secured ? 'https' : 'http'}://127.0.0.1:${proxy.port}${path}`, {
      method,
      dispatcher,
      ...(body === undefined ? {} : { body }),
    });
    return { status: reply.statusCode, seen: reply.headers['x-seen'], text: await reply.body.text() };
  };
  return { proxy, seen, call };
}

test('messages pass unchanged: status, headers, body, and the length of a body that is not there', async () => {
  const { call, seen } = await countThrough();
  expect(await call('/a?b=1', 'POST', 'hello')).toEqual({ status: 201, seen: '5 none', text: 'answer 1' });
  expect(await call('/empty')).toEqual({ status: 201, seen: '0 none', text: 'answer 2' });
  expect(await call('/get', 'GET')).toEqual({ status: 201, seen: 'none none', text: 'answer 3' });
  expect(seen).toEqual(['POST /a?b=1 hello', 'POST /empty ', 'GET /get ']);
});

test('a duplicate arrives twice and is answered once', async () => {
  const { proxy, call, seen } = await countThrough();
  const fault = proxy.inject({ kind: 'duplicate', probability: 1 });
  expect((await call('/a', 'POST', 'x')).text).toBe('answer 1');
  expect(seen).toEqual(['POST /a x', 'POST /a x']);
  expect(fault.strikes()).toBe(1);
});

test.each([
  ['drop-reply', 1, 'plain'],
  ['drop-request', 0, 'plain'],
  ['drop-reply', 1, 'secured'],
  ['drop-request', 0, 'secured'],
] as const)('%s: the caller hears nothing, and the server has seen %d (%s)', async (kind, times, way) => {
  const { proxy, call, seen } = await countThrough(way);
  const fault = proxy.inject({ kind, probability: 1 } as HttpFault);
  await expect(call('/a')).rejects.toThrow();
  expect(seen).toHaveLength(times);
  expect(fault.strikes()).toBe(1);
  fault.heal();
  expect((await call('/b')).status).toBe(201);
});

test('a request that is held back is overtaken by the next one', async () => {
  const { proxy, call, seen } = await countThrough();
  const fault = proxy.inject({ kind: 'reorder', probability: 1, overtakenBy: 1, msMax: 60_000 });
  const first = call('/first');
  await expect.poll(() => fault.strikes()).toBe(1);
  fault.heal();
  await call('/second');
  await first;
  expect(seen.toSorted()).toEqual(['POST /first ', 'POST /second ']);
});

test('a server that is gone is seen as a broken connection, not as an answer of the proxy', async () => {
  const proxy = await createHttpProxy({
    port: 0,
    target: { host: '127.0.0.1', port: 1 },
    world,
    random: seededRandom(1),
  });
  onTestFinished(() => proxy.close());
  await expect(request(`http://127.0.0.1:${proxy.port}/`)).rejects.toThrow(/other side closed|ECONNRESET/);
});
