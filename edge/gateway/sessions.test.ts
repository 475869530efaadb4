import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { users } from '#contracts/users';
import { createEndedSessions } from './sessions.ts';
import { createGatewayForTest, echo, type TestKey, testKey, testWorld, tokenOf } from './testing.ts';

let house: Awaited<ReturnType<typeof createGatewayForTest>>;
let key: TestKey;
beforeAll(async () => {
  house = await createGatewayForTest({ contracts: [echo, users] });
  key = await testKey('key_1');
  house.keys.push(key.jwk);
});
afterAll(() => house.close());

async function ask(sid: string, path = '/echo/hi', method = 'GET') {
  const headers = { authorization: `Bearer ${await tokenOf(house.world, key, { sid })}` };
  const { statusCode, body } = await request(`${house.origin}${path}`, { method: method as 'GET', headers });
  const text = await body.text();
  return { status: statusCode, body: text ? JSON.parse(text) : undefined };
}

test('a session that ended elsewhere is out within a second, its token unexpired and known', async () => {
  expect((await ask('ses_1')).status).toBe(200);
  house.state.endedSessions.push('ses_1');
  await expect.poll(async () => (await ask('ses_1')).status).toBe(401);
  expect((await ask('ses_1')).body.detail).toBe('its session has ended');
  expect((await ask('ses_2')).status).toBe(200);
});

test('who signs out here is out when the answer arrives', async () => {
  expect((await ask('ses_3')).status).toBe(200);
  house.state.endedSessions.push('ses_3');
  await ask('ses_3', '/users/me/sessions', 'DELETE');
  expect((await ask('ses_3')).status).toBe(401);
});

test('they are remembered as long as their tokens could live, and within a bound', async () => {
  const { world, advance, lines } = testWorld();
  let ids = ['ses_a', 'ses_b', 'ses_c'];
  const asked: number[] = [];
  const client = {
    endedSessions: async ({ query }: { query?: { seconds: number } }) => {
      asked.push(query?.seconds ?? 0);
      return { status: 200 as const, headers: {}, body: { sessionIds: ids } };
    },
  };
  const context = () => ({}) as never;
  const ended = createEndedSessions({ world, users: client as never, context, rememberedMax: 2 });
  const has = (sessionId: string) => ended.has({ caller: { kind: 'customer', id: 'u' }, sessionId });
  await ended.refresh();
  expect([has('ses_a'), has('ses_b'), has('ses_c')]).toEqual([false, true, true]);
  expect(lines.at(-1)?.message).toContain('more sessions ended');
  ids = [];
  advance(100_000);
  await ended.refresh();
  expect(has('ses_c')).toBe(true);
  advance(811_000);
  await ended.refresh();
  expect(has('ses_c')).toBe(false);
  // What passed since the last question, and the overlap.
  expect(asked).toEqual([910, expect.closeTo(116, -1), expect.closeTo(827, -1)]);
});
