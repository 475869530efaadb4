import { brotliDecompressSync, gunzipSync, gzipSync, zstdDecompressSync } from 'node:zlib';
import Type from 'typebox';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLocalTransport, defineService, implement } from '#kit/contract';
import { systemTimers } from '#kit/runtime';
import { createGateway, type Gateway } from './index.ts';
import { testWorld } from './testing.ts';

const anything = { 200: Type.Unknown() };
const shelf = defineService({
  service: 'shelf',
  operations: {
    big: { method: 'GET', path: '/big', summary: 'Much', access: ['anonymous'], responses: anything },
    small: { method: 'GET', path: '/small', summary: 'Little', access: ['anonymous'], responses: anything },
    lines: {
      method: 'GET',
      path: '/lines',
      summary: 'A stream',
      access: ['anonymous'],
      stream: 'reply',
      query: Type.Object({ endless: Type.Optional(Type.Boolean()) }),
      responses: anything,
    },
    edit: {
      method: 'PUT',
      path: '/big',
      summary: 'Change it',
      access: ['anonymous'],
      conditional: true,
      body: Type.Object({}),
      responses: anything,
    },
  },
});

const big = { items: Array.from({ length: 200 }, (_, i) => ({ sku: `SKU-${i}`, name: 'A rope for climbing', i })) };
const { world } = testWorld();
let ended = 0;
async function* lines(endless: boolean) {
  try {
    for (let i = 0; endless || i < 500; i += 1) yield { i, name: 'A rope for climbing' };
  } finally {
    ended += 1;
  }
}

let gateway: Gateway;
beforeAll(async () => {
  const transport = createLocalTransport(systemTimers);
  const server = implement(
    shelf,
    {
      big: async () => ({ status: 200 as const, body: big, headers: { etag: '"7"', 'cache-control': 'no-cache' } }),
      small: async () => ({ status: 200 as const, body: { ok: true }, headers: { etag: '"1"' } }),
      lines: async ({ query }) => ({ status: 200 as const, body: lines(query.endless ?? false) }),
      edit: async (_input, { headers }) => ({ status: 200 as const, body: { ifMatch: headers['if-match'] } }),
    },
    { clock: world.clock },
  );
  transport.attach(server);
  const cors = { origins: ['https://shop.example'] };
  gateway = createGateway({ world, transport, contracts: [shelf], unready: async () => ({}), cors });
  await gateway.component.start?.();
});
afterAll(() => gateway.component.stop?.());

type Headers = Record<string, string>;
async function ask(path: string, headers: Headers = {}, method = 'GET', body?: string | Buffer) {
  const url = `${gateway.address}${path}`;
  const reply = await request(url, { method: method as 'GET', headers, body: body ?? null });
  const bytes = Buffer.from(await reply.body.arrayBuffer());
  return { status: reply.statusCode, headers: reply.headers as Headers, bytes };
}

const unpack = { zstd: zstdDecompressSync, br: brotliDecompressSync, gzip: gunzipSync } as const;
const codings = Object.keys(unpack) as (keyof typeof unpack)[];

test.each(codings)('%s: a large reply is sent in it, under a tag of its own, and caches are told', async (coding) => {
  const { status, headers, bytes } = await ask('/big', { 'accept-encoding': coding });
  expect(status).toBe(200);
  expect(headers).toMatchObject({ 'content-encoding': coding, etag: `"7;${coding}"`, vary: 'origin, accept-encoding' });
  expect(JSON.parse(unpack[coding](bytes).toString())).toEqual(big);
  expect(bytes.length * 5).toBeLessThan(JSON.stringify(big).length);
});

test('of what a client likes alike the cheapest is taken, and what it refuses is not sent', async () => {
  const coding = async (accepted: string) =>
    (await ask('/big', { 'accept-encoding': accepted })).headers['content-encoding'];
  expect(await coding('gzip, deflate, br, zstd')).toBe('zstd');
  expect(await coding('gzip, br')).toBe('br');
  expect(await coding('br;q=0, gzip;q=0.5')).toBe('gzip');
  for (const none of ['identity', 'br;q=0', 'lzma']) expect(await coding(none)).toBeUndefined();
});

test('what is not compressed goes as it is: large replies with Vary, small ones without', async () => {
  const plain = await ask('/big');
  expect(plain.headers).toMatchObject({ etag: '"7"', vary: 'origin, accept-encoding' });
  expect(plain.headers).not.toHaveProperty('content-encoding');
  const small = await ask('/small', { 'accept-encoding': 'br' });
  expect(small.headers).toMatchObject({ etag: '"1"', vary: 'origin', 'content-length': '11' });
  expect(small.headers).not.toHaveProperty('content-encoding');
});

test('a version is known by the tag of any coding, when reading and when writing', async () => {
  for (const tag of ['"7"', '"7;br"', 'W/"7;gzip"', '"1;br", "7;zstd"']) {
    const { status, bytes } = await ask('/big', { 'if-none-match': tag, 'accept-encoding': 'br' });
    expect([status, bytes.length]).toEqual([304, 0]);
  }
  expect((await ask('/big', { 'if-none-match': '"7;br"' })).headers).toMatchObject({
    etag: '"7;br"',
    vary: 'origin, accept-encoding',
  });
  expect((await ask('/big', { 'if-none-match': '"8;br"' })).status).toBe(200);
  const json = { 'content-type': 'application/json' };
  const edited = await ask('/big', { ...json, 'if-match': '"7;br", "8"' }, 'PUT', '{}');
  expect(JSON.parse(edited.bytes.toString())).toEqual({ ifMatch: '"7", "8"' });
});

test('streams are compressed, and end with a client that goes away', async () => {
  const { headers, bytes } = await ask('/lines', { 'accept-encoding': 'br' });
  expect(headers).toMatchObject({ 'content-encoding': 'br', vary: 'origin, accept-encoding' });
  expect(brotliDecompressSync(bytes).toString().trim().split('\n')).toHaveLength(500);
  const before = ended;
  const reply = await request(`${gateway.address}/lines?endless=true`, { headers: { 'accept-encoding': 'gzip' } });
  reply.body.once('error', () => {});
  for await (const _chunk of reply.body) break;
  await expect.poll(() => ended).toBe(before + 1);
});

test('a compressed request is refused before it is unpacked, however small', async () => {
  const bomb = gzipSync(Buffer.alloc(10_000_000, '{}'));
  for (const coding of ['gzip', 'br', 'gzip, identity']) {
    const headers = { 'content-type': 'application/json', 'content-encoding': coding, 'if-match': '*' };
    const refused = await ask('/big', headers, 'PUT', bomb);
    expect(refused).toMatchObject({ status: 415, headers: { 'accept-encoding': 'identity' } });
    expect(JSON.parse(refused.bytes.toString()).detail).toContain('is not accepted: send the body as it is');
  }
  const identity = { 'content-type': 'application/json', 'content-encoding': 'identity', 'if-match': '*' };
  expect((await ask('/big', identity, 'PUT', '{}')).status).toBe(200);
});

test('HEAD says what GET would say of caches, and has no body', async () => {
  const { status, bytes } = await ask('/big', { 'accept-encoding': 'br' }, 'HEAD');
  expect([status, bytes.length]).toEqual([200, 0]);
});
