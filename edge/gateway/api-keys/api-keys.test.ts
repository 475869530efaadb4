import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '#kit/runtime';
import { createDatabase, migrate } from '#kit/store';
import { createTestDatabase } from '#kit/store/embedded/testing';
import { createGatewayForTest, type TestKey, testKey, testWorld, tokenOf } from '../testing.ts';
import { apiKeyMigrations, createApiKeys } from './index.ts';

let database: Database;
let house: Awaited<ReturnType<typeof createGatewayForTest>>;
let other: Awaited<ReturnType<typeof createGatewayForTest>>;
let signing: TestKey;
beforeAll(async () => {
  const { url } = await createTestDatabase();
  await migrate(url, [apiKeyMigrations]);
  database = createDatabase({ ...testWorld().world, url, connectionsMax: 6 });
  // So long that only word of the revocation can end a key at the other gateway.
  const apiKeys = { database, freshMs: 600_000 };
  house = await createGatewayForTest({ apiKeys });
  other = await createGatewayForTest({ apiKeys });
  signing = await testKey('key_1');
  for (const each of [house, other]) each.keys.push(signing.jwk);
});
afterAll(async () => {
  await house.close();
  await other.close();
  await database.close();
});

async function ask(path: string, authorization: string, method = 'GET', body?: object, origin = house.origin) {
  const reply = await request(`${origin}${path}`, {
    method: method as 'GET',
    headers: { authorization: `Bearer ${authorization}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    body: body ? JSON.stringify(body) : null,
  });
  return { status: reply.statusCode, headers: reply.headers, body: JSON.parse((await reply.body.text()) || 'null') };
}

const token = (role: string) => tokenOf(house.world, signing, { role, sub: `usr_${role}` });

async function make(wanted: object) {
  const made = await ask('/api-keys', await token('admin'), 'POST', {
    name: 'a program',
    operations: ['*'],
    ...wanted,
  });
  expect(made.status).toBe(201);
  return made.body as { key: string; id: string; prefix: string };
}

test('an admin makes a key, it comes in with its role under its own name, and only its hash is kept', async () => {
  const { key, id, prefix } = await make({ name: 'the warehouse', operations: ['echo.*'] });
  expect(key).toMatch(/^hf_[\w-]{43}$/);
  expect(key.startsWith(prefix)).toBe(true);
  const reply = await ask('/staff', key);
  expect(reply).toMatchObject({ status: 200, body: { caller: { kind: 'staff', id } } });
  expect(reply.headers['ratelimit-policy']).toContain('"key-1000";q=1000');
  const listed = await ask('/api-keys', await token('admin'));
  expect(listed.body.items).toContainEqual(expect.objectContaining({ id, prefix, name: 'the warehouse' }));
  const { rows } = await database.query('select * from api_key');
  for (const text of [JSON.stringify(listed.body), JSON.stringify(rows), JSON.stringify(house.lines)]) {
    expect(text).not.toContain(key.slice(12));
  }
});

test('a revoked key is refused from the answer on, and at other gateways as soon as they hear of it', async () => {
  const { key, id } = await make({});
  expect((await ask('/staff', key)).status).toBe(200);
  expect((await ask('/staff', key, 'GET', undefined, other.origin)).status).toBe(200);
  const revoked = await ask(`/api-keys/${id}`, await token('admin'), 'DELETE');
  expect(revoked).toMatchObject({ status: 200, body: { id, revokedAt: expect.any(String) } });
  expect(await ask('/staff', key)).toMatchObject({ status: 401, body: { code: 'gateway/token-refused' } });
  await expect.poll(async () => (await ask('/staff', key, 'GET', undefined, other.origin)).status).toBe(401);
  // Again is the same, and what there never was is told so.
  expect((await ask(`/api-keys/${id}`, await token('admin'), 'DELETE')).body.revokedAt).toBe(revoked.body.revokedAt);
  expect((await ask(`/api-keys/key_${'0'.repeat(26)}`, await token('admin'), 'DELETE')).status).toBe(404);
});

test('who looked a key up before it was revoked, and hears of it afterwards, tells nobody else', async () => {
  const { world } = testWorld();
  const read = Promise.withResolvers<void>();
  const heard = Promise.withResolvers<void>();
  let isSlow = false;
  const slow = {
    ...database,
    query: async (...args: Parameters<Database['query']>) => {
      const waits = isSlow;
      const result = await database.query(...args);
      if (!waits) return result;
      read.resolve();
      await heard.promise;
      return result;
    },
  } as Database;
  const keys = createApiKeys({ world, database: slow, freshMs: 600_000 });
  const wanted = { name: 'x', role: 'staff', operations: ['*'], readsOnly: false, perSecond: 100 } as const;
  const { key, about } = await keys.create({ ...wanted, createdBy: 'usr_1', expiresInDays: undefined });
  isSlow = true;
  const early = keys.verify(key);
  isSlow = false;
  await read.promise;
  await keys.revoke(about.id, 'usr_1');
  const late = expect(keys.verify(key)).rejects.toMatchObject({ status: 401 });
  heard.resolve();
  expect((await early).id).toBe(about.id);
  await late;
  await expect(keys.verify(key)).rejects.toMatchObject({ status: 401 });
  await keys.component.stop?.();
});

test('a key does what it is for and nothing else', async () => {
  const { key } = await make({ operations: ['echo.read', 'echo.say'], readsOnly: true });
  expect((await ask('/echo/hello', key)).status).toBe(200);
  const refused = { status: 403, body: { code: 'gateway/key-not-allowed' } };
  expect(await ask('/staff', key)).toMatchObject(refused);
  expect(await ask('/echo/hello', key, 'POST', { text: 'x' })).toMatchObject(refused);
});

test('keys are made by admins who signed in: neither by staff nor by keys', async () => {
  const { key } = await make({ role: 'admin' });
  const wanted = { name: 'another', operations: ['*'] };
  expect(await ask('/api-keys', key, 'POST', wanted)).toMatchObject({ body: { code: 'gateway/key-not-allowed' } });
  expect((await ask('/api-keys', await token('staff'), 'POST', wanted)).status).toBe(403);
  expect((await ask('/api-keys', await token('admin'), 'POST', { ...wanted, operations: ['drop table'] })).status).toBe(
    400,
  );
});

test('a key has an allowance of its own, whoever else is at its address', async () => {
  const still = await createGatewayForTest({ apiKeys: { database, freshMs: 600_000 } });
  still.stopClock();
  const { key } = await make({ perSecond: 10 });
  const replies = await Promise.all(
    Array.from({ length: 40 }, () => ask('/staff', key, 'GET', undefined, still.origin)),
  );
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(10);
  const tooMany = replies.find(({ status }) => status === 429);
  expect(tooMany?.headers['ratelimit-policy']).toContain('"key-10";q=10');
  expect((await ask('/staff', (await make({})).key, 'GET', undefined, still.origin)).status).toBe(200);
  await still.close();
});

test('what is no key of ours, or has expired, is refused', async () => {
  expect((await ask('/staff', 'hf_short')).status).toBe(401);
  expect((await ask('/staff', `hf_${'a'.repeat(43)}`)).status).toBe(401);
  const { key } = await make({ expiresInDays: 1 });
  expect((await ask('/staff', key)).status).toBe(200);
  house.advance(86_400_000 + 1);
  expect((await ask('/staff', key)).status).toBe(401);
});

test('while the database is away a known key goes on for a minute, and an unknown one is told to come back', async () => {
  const { world, advance } = testWorld();
  let away = false;
  const flaky = {
    ...database,
    query: async (...args: Parameters<Database['query']>) => {
      if (away) throw new Error('no database');
      return database.query(...args);
    },
  } as Database;
  const keys = createApiKeys({ world, database: flaky });
  const wanted = { name: 'x', role: 'staff', operations: ['*'], readsOnly: false, perSecond: 100 } as const;
  const { key, about } = await keys.create({ ...wanted, createdBy: 'usr_1', expiresInDays: undefined });
  expect((await keys.verify(key)).id).toBe(about.id);
  away = true;
  advance(30_000);
  expect((await keys.verify(key)).id).toBe(about.id);
  await expect(keys.verify(`hf_${'b'.repeat(43)}`)).rejects.toMatchObject({ status: 503 });
  advance(60_000);
  await expect(keys.verify(key)).rejects.toMatchObject({ status: 503 });
  away = false;
  await keys.component.stop?.();
  const listed = (await keys.list()).find(({ id }) => id === about.id);
  expect(listed?.lastUsedAt).toBeInstanceOf(Date);
});
