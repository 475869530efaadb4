import { request } from 'undici';
import { afterEach, expect, test } from 'vitest';
import { createMemorySpending } from '#kit/limits';
import { networkOf } from './limits.ts';
import { createGatewayForTest, testKey, testWorld, tokenOf } from './testing.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const house of open.splice(0)) await house.close();
});

async function houseWith(options: Parameters<typeof createGatewayForTest>[0], hasTime = false) {
  const house = await createGatewayForTest(options);
  open.push(house);
  if (!hasTime) house.stopClock();
  const key = await testKey('key_1');
  house.keys.push(key.jwk);
  async function ask(path: string, headers: Record<string, string> = {}, method = 'GET') {
    const reply = await request(`${house.origin}${path}`, { method: method as 'GET', headers });
    const text = await reply.body.text();
    const body = text ? JSON.parse(text) : undefined;
    return { status: reply.statusCode, headers: reply.headers as Record<string, string>, body };
  }
  const as = async (sub: string) => ({ authorization: `Bearer ${await tokenOf(house.world, key, { sub })}` });
  return { ...house, ask, as };
}

const slow = { quota: 3, periodSec: 60 };

test('a user has one allowance from everywhere, and each answer tells what is left of it', async () => {
  const { ask, as } = await houseWith({ limits: { user: slow, address: { quota: 1, periodSec: 60 } } });
  const me = await as('usr_1');
  expect((await ask('/echo/a', me)).headers).toMatchObject({
    'ratelimit-policy': '"user";q=3;w=60',
    ratelimit: '"user";r=2;t=20',
  });
  for (const _ of [1, 2]) expect((await ask('/echo/a', me)).status).toBe(200);
  const refused = await ask('/echo/a', me);
  expect(refused).toMatchObject({
    status: 429,
    body: { code: 'gateway/rate-limited', detail: 'more than 3 a 60 seconds for this user', category: 'input' },
    headers: { 'content-type': 'application/problem+json', ratelimit: '"user";r=0;t=60' },
  });
  const waitSec = Number(refused.headers['retry-after']);
  expect(waitSec).toBeGreaterThan(15);
  expect(waitSec).toBeLessThanOrEqual(20);
  expect((await ask('/echo/a', await as('usr_2'))).status).toBe(200);
});

test('who waits as long as Retry-After says is let in', async () => {
  const { ask, advance } = await houseWith({ limits: { address: { quota: 1, periodSec: 60 } } });
  expect((await ask('/open')).status).toBe(200);
  const { headers } = await ask('/open');
  advance(Number(headers['retry-after']) * 1_000);
  expect((await ask('/open')).status).toBe(200);
});

test('guests share the allowance of their address; whether we live is answered without one', async () => {
  const { ask } = await houseWith({ limits: { address: slow } });
  for (const _ of [1, 2, 3]) expect((await ask('/echo/a')).headers['ratelimit']).toContain('"address"');
  expect((await ask('/open')).status).toBe(429);
  for (const path of ['/livez', '/readyz', '/health']) {
    const { status, headers } = await ask(path);
    expect([status, headers['ratelimit']]).toEqual([200, undefined]);
  }
});

test('who sends bad tokens is refused before more are checked; tokens that are known still pass', async () => {
  const { ask, as, keys } = await houseWith({ limits: { refusedTokens: slow } });
  const me = await as('usr_1');
  expect((await ask('/echo/a', me)).status).toBe(200);
  const other = await testKey('key_1');
  const house = testWorld();
  const forged = async (sub: string) => ({ authorization: `Bearer ${await tokenOf(house.world, other, { sub })}` });
  for (const n of [1, 2, 3]) expect((await ask('/echo/a', await forged(`usr_${n}`))).status).toBe(401);
  expect(await ask('/echo/a', await forged('usr_4'))).toMatchObject({
    status: 429,
    body: { detail: expect.stringContaining('refused-token') },
  });
  expect((await ask('/echo/a', me)).status).toBe(200);
  expect(keys).toHaveLength(1);
});

test('two gateways with a shared store keep one allowance, without one each has its part', async () => {
  const shared = createMemorySpending(testWorld().world);
  const limits = { address: { quota: 10, periodSec: 600 }, instances: () => 2 };
  const open = () => houseWith({ limits: { ...limits, shared } }, true);
  const both = [await open(), await open()];
  const [one, two] = both as [(typeof both)[0], (typeof both)[0]];
  for (let i = 0; i < 10; i++) expect((await one.ask('/open')).status).toBe(200);
  // The second one learns of it with its next turn, after its own first request.
  await expect.poll(async () => (await two.ask('/open')).status).toBe(429);
  const apart = await houseWith({ limits });
  for (let i = 0; i < 5; i++) expect((await apart.ask('/open')).status).toBe(200);
  expect((await apart.ask('/open')).status).toBe(429);
});

test('an address is one person: IPv4, its form in IPv6, or the /64 that a household gets', () => {
  expect(networkOf('203.0.113.5')).toBe('203.0.113.5');
  expect(networkOf('::ffff:203.0.113.5')).toBe('203.0.113.5');
  expect(networkOf('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2');
  expect(networkOf('2001:db8::9')).toBe('2001:db8:0:0');
  expect(networkOf('::1')).toBe('0:0:0:0');
});
