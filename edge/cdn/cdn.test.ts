import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { request } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Clock, type Logger, systemWorld } from '#kit/runtime';
import { createTelemetry } from '#kit/telemetry';
import { createPurgeFeed, type PurgeFeed } from '../gateway/purge-feed.ts';
import { countsOn } from '../http/testing.ts';
import { type Cdn, type CdnOptions, createCdn, followPurges } from './index.ts';
import { codingOf } from './proxy.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
let offsetMs = 0;
const real = systemWorld(quiet);
const clock: Clock = { now: () => real.clock.now() + offsetMs, monotonicMs: () => real.clock.monotonicMs() + offsetMs };
const world = { ...real, clock };

let answer: (request: IncomingMessage, response: ServerResponse) => void;
let asked: IncomingMessage[] = [];
let origin: Server;
let originUrl: string;
let cdn: Cdn;
const opened: Cdn[] = [];

async function open(options: Partial<CdnOptions> = {}): Promise<Cdn> {
  const made = createCdn({ world, origin: originUrl, ...options });
  await made.component.start?.();
  opened.push(made);
  return made;
}
beforeAll(async () => {
  origin = createServer((incoming, response) => {
    asked.push(incoming);
    answer(incoming, response);
  });
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  originUrl = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`;
  cdn = await open();
});
afterAll(async () => {
  for (const one of opened) await one.component.stop?.();
  origin.closeAllConnections();
  origin.close();
});
beforeEach(() => {
  asked = [];
  answer = (_request, response) => response.end('plain');
});

const echo: typeof answer = (incoming, response) => {
  text(incoming).then(
    (body) => response.end(body),
    () => response.destroy(),
  );
};
const reply = (headers: Record<string, string>, body = 'body', status = 200) => {
  answer = (_request, response) => response.writeHead(status, headers).end(body);
};
async function get(path: string, headers: Record<string, string> = {}, method = 'GET', at = cdn) {
  const {
    statusCode,
    headers: back,
    body,
  } = await request(`${at.address}${path}`, { method: method as 'GET', headers });
  return { status: statusCode, headers: back as Record<string, string>, body: await body.text() };
}

describe('what it keeps', () => {
  test('a public reply is asked for once, tells its age, and is asked for again when its time is over', async () => {
    reply({ 'cache-control': 'public, max-age=60', etag: '"1"' });
    expect((await get('/page')).headers['cache-status']).toBe('holdfast; fwd=miss; stored');
    offsetMs += 30_000;
    const hit = await get('/page');
    expect(hit).toMatchObject({ status: 200, body: 'body', headers: { 'cache-status': 'holdfast; hit', age: '30' } });
    expect(asked).toHaveLength(1);
    offsetMs += 31_000;
    answer = (incoming, response) => {
      response
        .writeHead(incoming.headers['if-none-match'] === '"1"' ? 304 : 200, {
          'cache-control': 'max-age=60',
          etag: '"1"',
        })
        .end();
    };
    expect(await get('/page')).toMatchObject({
      body: 'body',
      headers: { 'cache-status': 'holdfast; hit; fwd=stale; fwd-status=304' },
    });
    expect((await get('/page')).headers['cache-status']).toBe('holdfast; hit');
    expect(asked).toHaveLength(2);
  });

  test('a client that has it already gets 304, HEAD gets no body, both from what is kept', async () => {
    reply({ 'cache-control': 'max-age=60', etag: '"7"', ratelimit: '"address";r=1', 'x-correlation-id': 'first' });
    await get('/known');
    const { headers } = await get('/known');
    for (const name of ['ratelimit', 'x-correlation-id']) expect(headers).not.toHaveProperty(name);
    expect(await get('/known', { 'if-none-match': 'W/"7"' })).toMatchObject({ status: 304, body: '' });
    expect(await get('/known', {}, 'HEAD')).toMatchObject({
      status: 200,
      body: '',
      headers: { 'content-length': '4' },
    });
    expect(asked).toHaveLength(1);
  });

  test('private, no-store, cookies of one, authorised and changing requests are never shared', async () => {
    for (const headers of [{ 'cache-control': 'private, max-age=60' }, { 'cache-control': 'no-store' }, {}] as Record<
      string,
      string
    >[]) {
      reply(headers);
      for (const _ of [1, 2]) await get('/mine');
    }
    reply({ 'cache-control': 'max-age=60', 'set-cookie': 'mine=1' });
    for (const _ of [1, 2]) await get('/cookie');
    reply({ 'cache-control': 'max-age=60' });
    for (const _ of [1, 2]) await get('/authorized', { authorization: 'Bearer x' });
    for (const _ of [1, 2]) await get('/changed', {}, 'POST');
    expect(asked).toHaveLength(12);
  });

  test('codings are kept apart, whatever list of them browsers send', async () => {
    answer = (incoming, response) => {
      const coding = incoming.headers['accept-encoding'] ?? 'none';
      response.writeHead(200, { 'cache-control': 'max-age=60', vary: 'accept-encoding' }).end(String(coding));
    };
    const bodies = [];
    for (const accepted of ['gzip, deflate, br', 'br, gzip', 'gzip', undefined, 'gzip;q=0']) {
      bodies.push((await get('/coded', accepted === undefined ? {} : { 'accept-encoding': accepted })).body);
    }
    expect(bodies).toEqual(['br', 'br', 'gzip', 'none', 'none']);
    expect(asked).toHaveLength(3);
    expect(codingOf('gzip, deflate, br, zstd')).toBe('zstd');
  });

  test('what the origin says to caches like this goes before what it says to browsers', async () => {
    reply({
      'cache-control': 'no-cache',
      'cdn-cache-control': 'max-age=300',
      etag: '"1"',
      'cache-tag': 'product-1,products',
    });
    const first = await get('/products/1');
    expect(first.headers['cache-control']).toBe('no-cache');
    for (const name of ['cdn-cache-control', 'cache-tag']) expect(first.headers).not.toHaveProperty(name);
    expect((await get('/products/1')).headers).toMatchObject({
      'cache-control': 'no-cache',
      'cache-status': 'holdfast; hit',
    });
    expect(asked).toHaveLength(1);
    expect(cdn.purge(['product-2'])).toBe(0);
    expect(cdn.purge(['product-1'])).toBe(1);
    await get('/products/1');
    expect(asked).toHaveLength(2);
  });

  test('a gateway that tells what changed is followed; one that does not know where we were ends everything', async () => {
    const feed = createPurgeFeed(world.ids);
    let told: PurgeFeed = feed;
    const page = { 'cache-control': 'max-age=600', 'cache-tag': 'a' };
    answer = (incoming, response) => {
      const { pathname, searchParams } = new URL(incoming.url ?? '', 'http://x');
      if (pathname !== '/purges') response.writeHead(200, page).end('page');
      else response.end(JSON.stringify(told.after(searchParams.get('after') ?? undefined)));
    };
    const following = followPurges({ world, cdn, url: `${originUrl}/purges`, pollMs: 10 });
    await following.start?.();
    const pages = () => asked.filter(({ url }) => url === '/followed').length;
    const polls = () => asked.length - pages();
    try {
      await expect.poll(polls).toBeGreaterThan(1);
      await get('/followed');
      await get('/followed');
      expect(pages()).toBe(1);
      feed.add(['a']);
      await expect.poll(() => get('/followed').then(pages)).toBe(2);
      told = createPurgeFeed(world.ids);
      await expect.poll(() => get('/followed').then(pages)).toBe(3);
    } finally {
      await following.stop?.();
    }
  });

  test('what is purged while it is fetched is answered and not kept', async () => {
    const held = Promise.withResolvers<void>();
    answer = (_request, response) => {
      void held.promise.then(() =>
        response.writeHead(200, { 'cache-control': 'max-age=60', 'cache-tag': 't' }).end('old'),
      );
    };
    const reading = get('/race');
    await expect.poll(() => asked.length).toBe(1);
    cdn.purge(['t']);
    held.resolve();
    expect((await reading).body).toBe('old');
    reply({ 'cache-control': 'max-age=60', 'cache-tag': 't' }, 'new');
    expect((await get('/race')).body).toBe('new');
  });

  test('a hundred browsers that want the same new page cause one request', async () => {
    answer = (_request, response) => {
      setTimeout(() => response.writeHead(200, { 'cache-control': 'max-age=60' }).end('one'), 30);
    };
    const all = await Promise.all(Array.from({ length: 100 }, () => get('/rush')));
    expect(new Set(all.map(({ body }) => body))).toEqual(new Set(['one']));
    expect(asked).toHaveLength(1);
  });

  test('while the origin fails the stale page is the answer; what was never kept is 502', async () => {
    reply({ 'cache-control': 'max-age=1, stale-if-error=600', etag: '"1"' });
    await get('/steady');
    offsetMs += 5_000;
    answer = (_request, response) => response.writeHead(503).end();
    expect(await get('/steady')).toMatchObject({ status: 200, body: 'body' });
    answer = (incoming) => incoming.socket.destroy();
    expect(await get('/steady')).toMatchObject({ status: 200, headers: { 'cache-status': 'holdfast; hit; ttl=0' } });
    offsetMs += 700_000;
    expect((await get('/steady')).status).toBe(502);
    expect((await get('/never')).status).toBe(502);
  });

  test('memory is bounded', async () => {
    const small = await open({ cache: { sizeBytesMax: 10_000 } });
    reply({ 'cache-control': 'max-age=60' }, 'x'.repeat(2_000));
    for (let i = 0; i < 5; i++) await get(`/big${i}`, {}, 'GET', small);
    await get('/big0', {}, 'GET', small);
    expect(asked).toHaveLength(6);
  });
});

describe('what it passes on', () => {
  test('bodies stream through, and the origin learns who asked, not what the client made up', async () => {
    answer = echo;
    const headers = { 'x-forwarded-for': '6.6.6.6' };
    const { body } = await request(`${cdn.address}/echo`, { method: 'POST', body: 'x'.repeat(300_000), headers });
    expect(await body.text()).toHaveLength(300_000);
    const end = '\r\n\r\n';
    await raw(`GET /hop HTTP/1.1\r\nHost: x\r\nConnection: close, x-secret\r\nX-Secret: 1${end}`);
    expect(asked[1]?.headers).not.toHaveProperty('x-secret');
    expect(asked[0]?.headers).toMatchObject({ 'x-forwarded-for': '6.6.6.6, 127.0.0.1', 'x-forwarded-proto': 'http' });
  });

  test('server-sent events arrive as they are sent', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n');
    };
    const { body } = await request(`${cdn.address}/events`);
    for await (const chunk of body) {
      expect(String(chunk)).toBe('data: 1\n\n');
      break;
    }
  });
});

/** Sends bytes as they are and returns whatever comes back until the other side closes. */
async function raw(bytes: string | Buffer, at = cdn): Promise<string> {
  const socket = connect(Number(new URL(at.address as string).port), '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(bytes);
  let back = '';
  socket.on('data', (chunk) => {
    back += chunk;
  });
  await new Promise((resolve) => socket.once('close', resolve));
  socket.destroy();
  return back;
}

describe('what it refuses', () => {
  const end = '\r\n\r\n';
  test.each<[string, string]>([
    [
      'a length and a coding',
      `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked${end}0\r\n\r\nX`,
    ],
    ['two lengths', `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nContent-Length: 5${end}123456`],
    ['a list of lengths', `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5${end}12345`],
    ['a signed length', `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5${end}12345`],
    ['an unknown coding', `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked${end}0\r\n\r\n`],
    [
      'a coding twice',
      `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity${end}0\r\n\r\n`,
    ],
    ['a coding with odd space', `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\x0bchunked${end}0\r\n\r\n`],
    ['a coding in HTTP/1.0', `POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked${end}0\r\n\r\n`],
    ['a space before the colon', `POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 5${end}12345`],
    ['a folded header', `GET / HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n  Transfer-Encoding: chunked${end}`],
    [
      'a bare line feed in a chunk size',
      `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked${end}1\nX\r\n0\r\n\r\n`,
    ],
    [
      'a chunk size that is no number',
      `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked${end}0x1\r\nX\r\n0\r\n\r\n`,
    ],
    [
      'a body where none belongs',
      `GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 30${end}GET /admin HTTP/1.1\r\nHost: x\r\n`,
    ],
    ['no host', `GET / HTTP/1.1${end}`],
    ['two hosts', `GET / HTTP/1.1\r\nHost: a\r\nHost: b${end}`],
    ['a whole URL as target', `GET http://evil/ HTTP/1.1\r\nHost: x${end}`],
    ['a tunnel', `CONNECT evil:443 HTTP/1.1\r\nHost: evil${end}`],
    ['a method of ours alone', `PURGE / HTTP/1.1\r\nHost: x${end}`],
    ['a path that climbs', `GET /a/../../etc/passwd HTTP/1.1\r\nHost: x${end}`],
    ['one that climbs encoded', `GET /a/%2e%2e/b HTTP/1.1\r\nHost: x${end}`],
    ['one that climbs encoded twice', `GET /a/%252e%252e/b HTTP/1.1\r\nHost: x${end}`],
    ['an encoded slash', `GET /a%2f..%2fb HTTP/1.1\r\nHost: x${end}`],
    ['a backslash', `GET /a\\..\\b HTTP/1.1\r\nHost: x${end}`],
    ['an encoded zero', `GET /a%00.png HTTP/1.1\r\nHost: x${end}`],
    ['a second authority', `GET //evil/x HTTP/1.1\r\nHost: x${end}`],
    [
      'a header bomb',
      `GET / HTTP/1.1\r\nHost: x\r\n${'X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(600)}\r\n`,
    ],
    ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
  ])('%s', async (_what, bytes) => {
    const back = await raw(bytes);
    expect(back).not.toMatch(/^HTTP\/1\.1 [23]/);
    // One answer at most: what follows is not taken for another request.
    expect(back.match(/HTTP\/1\.1 \d/g)?.length ?? 0).toBeLessThanOrEqual(1);
    expect(asked.filter(({ url }) => url !== '/')).toEqual([]);
  });

  test('the same bytes without the fault are served (the test can fail)', async () => {
    const ok = `POST /fine HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked${end}1\r\nX\r\n0\r\n\r\n`;
    expect(await raw(ok)).toMatch(/^HTTP\/1\.1 200/);
  });

  test('who sends a head or a body a byte at a time is cut off, and others are served meanwhile', async () => {
    const strict = await open({ timeouts: { headMs: 300, requestMs: 600, idleMs: 1_000 } });
    answer = echo;
    const slowHead = raw('GET / HTTP/1.1\r\nHost: x\r\n', strict);
    const slowBody = raw('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab', strict);
    expect((await get('/', {}, 'GET', strict)).status).toBe(200);
    expect(await slowHead).toContain('408');
    expect(await slowBody).not.toContain('200');
  });

  test('who sends or takes bodies slowly sits on no connection to the origin: others are served meanwhile', async () => {
    answer = echo;
    const narrow = await open({ originConnectionsMax: 18 });
    const port = Number(new URL(narrow.address as string).port);
    const sockets = Array.from({ length: 40 }, (_, i) => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      const length = i < 20 ? 'Content-Length: 100' : 'Transfer-Encoding: chunked';
      socket.write(`POST /slow HTTP/1.1\r\nHost: x\r\n${length}\r\n\r\n1\r\n{\r\n`);
      return socket;
    });
    // Of bodies without a length an address may have 16 under way; those with one do not reach the origin before they are whole.
    await expect.poll(() => asked.length).toBe(16);
    await expect.poll(() => sockets.filter(({ bytesRead }) => bytesRead > 0).length).toBe(4);
    expect((await get('/', { range: 'bytes=0-' }, 'GET', narrow)).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    const again = () => request(`${narrow.address}/slow`, { method: 'POST', body: Readable.from(['x']) });
    await expect.poll(async () => (await again()).statusCode).toBe(200);
  });

  test('connections of one address have a bound; others after they are gone', async () => {
    const narrow = await open({ connections: { maxPerAddress: 3 } });
    const port = Number(new URL(narrow.address as string).port);
    const sockets = Array.from({ length: 3 }, () => connect(port, '127.0.0.1'));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    await expect
      .poll(async () => (await raw('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', narrow)) === '')
      .toBe(true);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => raw('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', narrow)).toContain('200');
  });

  test('a flood of one address is answered 429 without asking the origin', async () => {
    const shy = await open({ perAddress: { quota: 5, periodSec: 60 } });
    const all = [];
    for (let i = 0; i < 8; i++) all.push((await get('/', {}, 'GET', shy)).status);
    expect(all).toEqual([200, 200, 200, 200, 200, 429, 429, 429]);
    expect(asked).toHaveLength(5);
    expect(shy.counts.refused).toBe(3);
  });
});

function selfSigned(): { cert: string; key: string } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-tls-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const made = spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '1',
    '-keyout',
    key,
    '-out',
    cert,
    ...subject,
  ]);
  return made.status === 0 ? { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') } : undefined;
}
const tls = selfSigned();

describe.skipIf(!tls)('over TLS (skipped where there is no openssl to make a certificate)', () => {
  let secure: Cdn;
  beforeAll(async () => {
    secure = await open({ ...(tls ? { tls } : {}) });
  });

  test('browsers speak HTTP/2: pages are kept for them too, bodies arrive', async () => {
    reply({ 'cache-control': 'max-age=60' }, 'over h2');
    const session = connectHttp2(secure.address as string, { ca: tls?.cert ?? '' });
    const ask = async (headers: Record<string, string>, body?: string) => {
      const stream = session.request(headers);
      stream.end(body);
      const [back] = await once(stream, 'response');
      return { status: back[':status'], cache: back['cache-status'], body: await text(stream) };
    };
    expect(await ask({ ':path': '/h2' })).toMatchObject({ status: 200, body: 'over h2' });
    expect(await ask({ ':path': '/h2' })).toMatchObject({ cache: 'holdfast; hit', body: 'over h2' });
    expect((await ask({ ':path': '/a/../b' })).status).toBe(400);
    answer = async (incoming, response) => response.end(`${incoming.method} ${await text(incoming)}`);
    expect((await ask({ ':path': '/h2', ':method': 'POST' }, 'hello')).body).toBe('POST hello');
    expect(asked.at(-1)?.headers).toMatchObject({
      host: new URL(secure.address as string).host,
      'x-forwarded-proto': 'https',
    });
    session.close();
  });

  test('who opens streams and takes nothing of what is answered keeps nobody else waiting', async () => {
    const narrow = await open({ ...(tls ? { tls } : {}), originConnectionsMax: 4 });
    answer = (_request, response) => response.end(Buffer.alloc(400_000));
    const session = connectHttp2(narrow.address as string, { ca: tls?.cert ?? '', settings: { initialWindowSize: 0 } });
    session.on('error', () => {});
    const streams = Array.from({ length: 12 }, () => session.request({ ':path': '/large', range: 'bytes=0-' }));
    for (const stream of streams) stream.on('error', () => {});
    await expect.poll(() => asked.length).toBe(12);
    session.destroy();
  });

  test('TLS 1.2 and 1.3 are spoken, what is older is not, and HTTP/1.1 is there for those who want it', async () => {
    const { port } = new URL(secure.address as string);
    const shake = async (version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3', protocols: string[]) => {
      const socket = connectTls({
        port: Number(port),
        host: '127.0.0.1',
        ca: tls?.cert ?? '',
        minVersion: version,
        maxVersion: version,
        ALPNProtocols: protocols,
        ciphers: 'DEFAULT@SECLEVEL=0',
      });
      try {
        await once(socket, 'secureConnect');
        return [socket.getProtocol(), socket.alpnProtocol];
      } catch {
        return 'refused';
      } finally {
        socket.destroy();
      }
    };
    expect(await shake('TLSv1.3', ['h2', 'http/1.1'])).toEqual(['TLSv1.3', 'h2']);
    expect(await shake('TLSv1.2', ['http/1.1'])).toEqual(['TLSv1.2', 'http/1.1']);
    expect(await shake('TLSv1.1', ['http/1.1'])).toBe('refused');
  });
});

test('what it serves, from where, and how full it is stands on its page', async () => {
  const telemetry = createTelemetry({ ...world, service: 'test' });
  const at = await open({ telemetry });
  reply({ 'cache-control': 'public, max-age=60' });
  for (let i = 0; i < 3; i++) await get('/counted', {}, 'GET', at);
  answer = (_request, response) => response.destroy();
  expect((await get('/broken', {}, 'POST', at)).status).toBe(502);
  const count = countsOn(await telemetry.metricsText());
  expect(count('holdfast_requests_total{service="edge",operation="proxy",status="2xx"}')).toBe(3);
  expect(count('holdfast_requests_total{service="edge",operation="proxy",status="5xx"}')).toBe(1);
  expect(count('holdfast_calls_total{caller="edge",callee="balancer",operation="proxy",outcome="2xx"}')).toBe(1);
  expect(count('holdfast_calls_total{caller="edge",callee="balancer",operation="proxy",outcome="failed"}')).toBe(1);
  expect(count('holdfast_edge_replies_total{outcome="hit"}')).toBe(2);
  expect(count('holdfast_edge_replies_total{outcome="miss"}')).toBe(1);
  expect(count('holdfast_edge_replies_total{outcome="failed"}')).toBe(1);
  expect(count('holdfast_edge_connections')).toBeGreaterThanOrEqual(1);
  expect(count('holdfast_edge_cache_bytes')).toBeGreaterThan(0);
});

describe('what is behind it breaks off before it answers', () => {
  const breakOnce = () => {
    const bodies: string[] = [];
    answer = (incoming, response) => {
      text(incoming).then(
        (body) => {
          bodies.push(body);
          if (bodies.length === 1) incoming.socket.destroy();
          else response.end('done');
        },
        () => {},
      );
    };
    return bodies;
  };
  const post = async (path: string, headers: Record<string, string>, body: string) => {
    const reply = await request(`${cdn.address}${path}`, { method: 'POST', headers, body });
    return { status: reply.statusCode, body: await reply.body.text() };
  };

  test('an order with its key is sent again, whole, and its client notices nothing', async () => {
    const bodies = breakOnce();
    expect(await post('/orders', { 'idempotency-key': 'k' }, 'an order')).toEqual({ status: 200, body: 'done' });
    expect(bodies).toEqual(['an order', 'an order']);
  });

  test('what may not be repeated is not', async () => {
    const bodies = breakOnce();
    expect((await post('/orders', {}, 'an order')).status).toBe(502);
    expect(bodies).toEqual(['an order']);
  });
});
