import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { users } from '#contracts/users';
import { createGateway } from '#edge/gateway';
import { createHttpServer, createHttpTransport, createLocalTransport, routesOf } from '#kit/contract';
import { type Logger, systemTimers, systemWorld, type Transport } from '#kit/runtime';
import { createDatabase, migrate } from '#kit/store';
import { createTestDatabase } from '#kit/store/embedded/testing';
import { createUsers, usersMigrations } from '#services/users';

/** Both ways in which the gateway reaches the users service: by function call, and over HTTP as in processes apart. */
describe.each(['one process', 'processes apart'])('users through the gateway, %s', (topology) => {
  const lines: unknown[] = [];
  const write = (message: string, fields?: unknown) => void lines.push({ message, fields });
  const log: Logger = { debug: write, info: write, warn: write, error: write, with: () => log };
  const world = systemWorld(log);
  const closing: (() => Promise<unknown> | undefined)[] = [];
  let origin: string;
  let ensureAdmin: ReturnType<typeof createUsers>['ensureAdmin'];

  beforeAll(async () => {
    const { url } = await createTestDatabase();
    await migrate(url, usersMigrations);
    const database = createDatabase({ url, ...world });
    const service = createUsers({
      world,
      database,
      publish: async () => {},
      keyEncryptionSecret: 'only used in this test',
    });
    ({ ensureAdmin } = service);
    await service.component.start?.();
    let transport: Transport;
    if (topology === 'one process') {
      const local = createLocalTransport(systemTimers);
      local.attach(service.server);
      transport = local;
    } else {
      const server = createHttpServer({ routes: routesOf(service.server), admit: (admitted) => admitted });
      const address = await server.listen({ host: '127.0.0.1', port: 0 });
      const http = createHttpTransport({ contracts: [users], origin: address });
      transport = http;
      closing.push(
        () => server.close(),
        () => http.close(),
      );
    }
    const gateway = createGateway({ world, transport, contracts: [users], unready: async () => ({}) });
    await gateway.component.start?.();
    origin = gateway.address as string;
    closing.push(
      () => service.component.stop?.(),
      () => database.close(),
      () => gateway.component.stop?.(),
    );
  });
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  });

  async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const reply = await request(`${origin}${path}`, {
      method: method as 'GET',
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await reply.body.text();
    return { status: reply.statusCode, headers: reply.headers, body: text ? JSON.parse(text) : undefined };
  }

  const password = 'correct horse battery';
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

  test('a customer registers, signs in, edits, refreshes and signs out', async () => {
    const email = 'ada@example.org';
    expect(await ask('POST', '/users', { email, password })).toMatchObject({ status: 201, body: { email } });
    const signedIn = await ask('POST', '/sessions', { email, password, device: 'phone' });
    expect(signedIn).toMatchObject({ status: 201, headers: { 'cache-control': 'no-store' } });
    const tokens = signedIn.body;
    const me = await ask('GET', '/users/me', undefined, bearer(tokens.accessToken));
    expect(me).toMatchObject({ status: 200, body: { email, role: 'customer' }, headers: { etag: '"1"' } });
    const edit = { ...bearer(tokens.accessToken), 'if-match': '"1"' };
    expect(await ask('PATCH', '/users/me', { name: 'Ada' }, edit)).toMatchObject({ body: { name: 'Ada', version: 2 } });
    expect(await ask('PATCH', '/users/me', { name: 'Bob' }, edit)).toMatchObject({ status: 412 });
    const { body } = await ask('GET', '/users/me/sessions', undefined, bearer(tokens.accessToken));
    expect(body.items).toEqual([expect.objectContaining({ device: 'phone', current: true })]);
    // A client that sends its stale access token along can refresh all the same.
    const refreshed = await ask('POST', '/sessions/refresh', { refreshToken: tokens.refreshToken }, bearer('stale'));
    expect(refreshed.status).toBe(200);
    expect((await ask('GET', '/users/me', undefined, bearer(refreshed.body.accessToken))).status).toBe(200);
    const { refreshToken } = refreshed.body;
    expect((await ask('POST', '/sessions/sign-out', { refreshToken })).status).toBe(204);
    expect((await ask('POST', '/sessions/refresh', { refreshToken })).body.code).toBe('users/refresh-refused');
  });

  test('an admin signs in and gives a role; a customer may not', async () => {
    await ensureAdmin({ email: 'boss@example.org', password });
    const boss = (await ask('POST', '/sessions', { email: 'boss@example.org', password })).body.accessToken;
    const made = (await ask('POST', '/users', { email: 'bob@example.org', password })).body;
    const bob = (await ask('POST', '/sessions', { email: 'bob@example.org', password })).body.accessToken;
    const grant = (token: string) =>
      ask('PUT', `/users/${made.id}/role`, { role: 'staff' }, { ...bearer(token), 'if-match': '"1"' });
    expect((await grant(bob)).status).toBe(403);
    expect(await grant(boss)).toMatchObject({ status: 200, body: { role: 'staff' } });
  });

  test('repeated failures are answered with 429 and Retry-After', async () => {
    const attempt = () => ask('POST', '/sessions', { email: 'eve@example.org', password: 'guess' });
    for (let i = 0; i < 5; i++) expect((await attempt()).status).toBe(401);
    // Each wait is twice the last, so a machine that needs longer than the first for a check meets a later one.
    let last = await attempt();
    for (let i = 0; i < 5 && last.status === 401; i++) last = await attempt();
    expect(last).toMatchObject({ status: 429, headers: { 'retry-after': expect.stringMatching(/^\d+$/) } });
  });

  test('the public keys are there for everybody, without a private part', async () => {
    const { body, headers } = await ask('GET', '/.well-known/jwks.json');
    expect(body.keys).toHaveLength(1);
    expect(body.keys[0]).not.toHaveProperty('d');
    expect(headers['cache-control']).toBe('public, max-age=300');
  });

  test('nothing secret was logged', () => {
    const text = JSON.stringify(lines);
    for (const secret of [password, 'eyJ', 'hfr_', '@example.org']) expect(text).not.toContain(secret);
  });
});
