import Type from 'typebox';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLocalTransport, defineService, implement } from '#kit/contract';
import { systemTimers } from '#kit/runtime';
import { createGateway, type Gateway } from './index.ts';
import { testWorld } from './testing.ts';

const answer = { access: ['anonymous'], responses: { 200: Type.Unknown() } } as const;
const lifecycle = { deprecatedAt: '2026-01-01T00:00:00Z', see: '/docs/moving' };
const contract = defineService({
  service: 'aging',
  operations: {
    fresh: { ...answer, method: 'GET', path: '/fresh', summary: 'Stays' },
    old: {
      ...answer,
      method: 'GET',
      path: '/old',
      summary: 'Goes',
      deprecated: { ...lifecycle, sunsetAt: '2999-01-31T00:00:00Z' },
    },
    ended: {
      ...answer,
      method: 'GET',
      path: '/ended',
      summary: 'Gone',
      deprecated: { ...lifecycle, sunsetAt: '2026-02-01T00:00:00Z' },
    },
  },
});

let gateway: Gateway;
beforeAll(async () => {
  const { world } = testWorld();
  const transport = createLocalTransport(systemTimers);
  const reply = async (_input: unknown, { headers }: { headers: unknown }) => ({ status: 200 as const, body: headers });
  transport.attach(implement(contract, { fresh: reply, old: reply, ended: reply }, { clock: world.clock }));
  const versions = [{ name: 'v1', deprecatedAt: '2026-03-01T00:00:00Z' }, { name: 'v2' }];
  gateway = createGateway({ world, transport, contracts: [contract], unready: async () => ({}), versions });
  await gateway.component.start?.();
});
afterAll(() => gateway.component.stop?.());

async function ask(path: string, headers: Record<string, string> = {}) {
  const reply = await request(`${gateway.address}${path}`, { headers });
  return { status: reply.statusCode, headers: reply.headers, body: JSON.parse(await reply.body.text()) };
}

test('a version is a prefix; without one the latest is meant; others do not exist', async () => {
  for (const path of ['/fresh', '/v2/fresh', '/v1/fresh']) expect((await ask(path)).status).toBe(200);
  for (const path of ['/v3/fresh', '/v2x/fresh', '/v2', '/x/v2/fresh']) {
    expect((await ask(path)).status, path).toBe(path === '/v2' ? 200 : 404);
  }
});

test('what stays says nothing; what goes says since when, until when and what instead', async () => {
  expect(Object.keys((await ask('/v2/fresh')).headers)).not.toContain('deprecation');
  expect((await ask('/old')).headers).toMatchObject({
    deprecation: '@1767225600',
    sunset: 'Thu, 31 Jan 2999 00:00:00 GMT',
    link: '</docs/moving>; rel="deprecation"; type="text/html"',
  });
  expect((await ask('/v1/fresh')).headers).toMatchObject({ deprecation: '@1772323200' });
});

test('past its sunset it is gone, and says where to go', async () => {
  expect(await ask('/ended')).toMatchObject({
    status: 410,
    body: { code: 'gateway/gone' },
    headers: { link: expect.stringContaining('/docs/moving') },
  });
});

test('nobody passes a version by header, and services never see one', async () => {
  const { headers, body } = await ask('/fresh', { 'holdfast-api-version': 'v1' });
  expect(headers).not.toHaveProperty('deprecation');
  expect(body).not.toHaveProperty('holdfast-api-version');
});

test('OpenAPI tells as well', async () => {
  const { body } = await ask('/openapi.json');
  expect(body.paths['/old'].get.deprecated).toBe(true);
  expect(body.paths['/fresh'].get).not.toHaveProperty('deprecated');
});
