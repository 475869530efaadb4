import { request } from 'undici';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { HttpRoute } from '#kit/contract';
import type { Database } from '#kit/runtime';
import { createDatabase, migrate } from '#kit/store';
import { createTestDatabase } from '#kit/store/embedded/testing';
import { createGatewayForTest, type TestKey, testKey, testWorld, tokenOf } from '../testing.ts';
import { auditMigrations, createAudit, isOfInterest } from './index.ts';
import { type AuditEntry, insertBatch, sweepEntries } from './store.ts';

let database: Database;
let batches = 0;
let house: Awaited<ReturnType<typeof createGatewayForTest>>;
let key: TestKey;
beforeAll(async () => {
  const { url } = await createTestDatabase();
  await migrate(url, [auditMigrations]);
  database = createDatabase({ ...testWorld().world, url, connectionsMax: 2 });
  house = await createGatewayForTest({ audit: { database } });
  key = await testKey('key_1');
  house.keys.push(key.jwk);
});
afterAll(async () => {
  await house.close();
  await database.close();
});

async function ask(path: string, role?: string, method = 'GET', body?: string) {
  const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
  if (role) headers['authorization'] = `Bearer ${await tokenOf(house.world, key, { role, sub: `usr_${role}` })}`;
  const reply = await request(`${house.origin}${path}`, { method: method as 'GET', headers, body: body ?? null });
  return { status: reply.statusCode, body: JSON.parse((await reply.body.text()) || 'null') };
}

const insertEntries = (on: Database, entries: readonly AuditEntry[]) =>
  insertBatch(on, { writer: 'aud_test', number: ++batches, entries });
const listed = async (query = '') => (await ask(`/audit${query}`, 'admin')).body.items;

test('what customers change, what staff do and who is refused is listed, newest first, without what was sent', async () => {
  await ask('/echo/hello?q=secret', 'customer');
  await ask('/echo/hello', undefined, 'POST', '{"text":"secret"}');
  await ask('/echo/hello', 'customer', 'POST', '{"text":"secret"}');
  await ask('/staff', 'staff');
  await ask('/staff', 'customer');
  await expect.poll(async () => (await listed('?operation=echo.staffOnly')).length).toBe(2);
  const items = await listed();
  expect(items.filter((item: { operation: string }) => item.operation !== 'gateway.audit')).toMatchObject([
    { operation: 'echo.staffOnly', status: 403, actor: { kind: 'customer', id: 'usr_customer' } },
    { operation: 'echo.staffOnly', status: 200, actor: { kind: 'staff', id: 'usr_staff', sessionId: 'ses_1' } },
    {
      operation: 'echo.say',
      status: 200,
      actor: { kind: 'customer', id: 'usr_customer' },
      target: { word: 'hello' },
      source: '127.0.0.1',
      correlationId: expect.stringMatching(/^cor_/),
    },
  ]);
  // Without what was only looked at: what was refused stays.
  expect(await listed('?changes=true')).toMatchObject([
    { operation: 'echo.staffOnly', status: 403 },
    { operation: 'echo.say', status: 200 },
  ]);
  expect(JSON.stringify(items)).not.toContain('secret');
  expect(JSON.stringify(items)).not.toContain('eyJ');
});

test('whatever somebody writes into a path, those lines and all that follow are written', async () => {
  for (const word of ['%00', `x%00${'y'.repeat(298)}%F0%9F%98%80`]) {
    expect(await ask(`/echo/${word}`, 'staff', 'POST', '{"text":"x"}')).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: 'path:word', detail: 'holds NUL' }] },
    });
  }
  await ask('/echo/after', 'staff', 'POST', '{"text":"x"}');
  await expect.poll(async () => (await listed('?actor=usr_staff&target=after')).length).toBe(1);
  const items: { target: { word: string } }[] = await listed('?actor=usr_staff&operation=echo.say');
  expect(items.map(({ target }) => target.word)).toEqual(['after', `x\ufffd${'y'.repeat(298)}`, '\ufffd']);
});

test('it is found by who and by what, a page at a time, and by staff alone', async () => {
  for (let i = 0; i < 5; i++) await ask(`/echo/page${i}`, 'admin', 'POST', '{"text":"x"}');
  const query = '?operation=echo.say&actor=usr_admin';
  await expect.poll(async () => (await listed(query)).length).toBe(5);
  const first = (await ask(`/audit${query}&limit=3`, 'admin')).body;
  const rest = (await ask(`/audit${query}&limit=3&cursor=${first.nextCursor}`, 'admin')).body;
  const words = [...first.items, ...rest.items].map((item) => item.target.word);
  expect(words).toEqual(['page4', 'page3', 'page2', 'page1', 'page0']);
  expect(rest.nextCursor).toBeUndefined();
  expect((await ask('/audit?cursor=bm9uZQ', 'admin')).body.code).toBe('gateway/bad-cursor');
  expect((await ask('/audit', 'customer')).status).toBe(403);
  expect((await ask('/audit')).status).toBe(401);
});

test('it is found by what it was done to, whatever that is called in the path', async () => {
  const entry = { at: new Date(), actorKind: 'staff', actorId: 'usr_target', sessionId: null, status: 200 };
  const of = (operation: string, target: Record<string, string>) => ({
    ...{ ...entry, operation, target, source: '', correlationId: '' },
  });
  await insertEntries(database, [
    of('orders.get', { orderId: 'ord_1' }),
    of('inventory.release', { holdOf: 'ord_1', holder: 'main' }),
    of('orders.get', { orderId: 'ord_11' }),
    of('orders.list', {}),
  ]);
  const found = await listed('?actor=usr_target&target=ord_1');
  expect(found.map(({ operation }: { operation: string }) => operation)).toEqual(['inventory.release', 'orders.get']);
  expect(await listed('?actor=usr_target&target=orderId')).toEqual([]);
});

test('it is found by when, and by all of a service', async () => {
  const entry = { actorKind: 'staff', actorId: 'usr_when', sessionId: null, target: {}, status: 200 };
  const at = (iso: string, operation: string) => ({
    ...{ ...entry, source: '', correlationId: '' },
    ...{ at: new Date(iso), operation },
  });
  await insertEntries(database, [
    at('2026-01-01T10:00:00Z', 'orders.cancel'),
    at('2026-01-02T10:00:00Z', 'orders.refund'),
    at('2026-01-03T10:00:00Z', 'ordersother.look'),
  ]);
  const operations = async (query: string) =>
    (await listed(`?actor=usr_when${query}`)).map(({ operation }: { operation: string }) => operation);
  expect(await operations('&operation=orders')).toEqual(['orders.refund', 'orders.cancel']);
  expect(await operations('&from=2026-01-02T00:00:00Z')).toEqual(['ordersother.look', 'orders.refund']);
  expect(await operations('&from=2026-01-01T00:00:00Z&to=2026-01-02T10:00:00Z')).toEqual(['orders.cancel']);
  expect((await ask('/audit?from=soon', 'admin')).status).toBe(400);
});

test('the log is append-only: its own role can neither change nor remove what is younger than 90 days', async () => {
  const entry = { actorKind: 'staff', actorId: 'usr_old', sessionId: null, operation: 'a.b', target: {}, status: 200 };
  const ago = (days: number) => ({
    ...entry,
    source: '',
    correlationId: '',
    at: new Date(Date.now() - days * 86_400_000),
  });
  await insertEntries(database, [ago(500), ago(1)]);
  for (const sql of ["update audit_entry set actor_id = 'usr_me'", 'delete from audit_entry', 'truncate audit_entry']) {
    await expect(database.query(sql)).rejects.toMatchObject({ message: expect.stringContaining('append-only') });
  }
  expect(await sweepEntries(database, 400, 100)).toBe(1);
  const { rows } = await database.query("select 1 from audit_entry where actor_id = 'usr_old'");
  expect(rows).toHaveLength(1);
});

test('when the database is away entries wait within a bound, and the loss of more is told', async () => {
  const { world, lines } = testWorld();
  let away = true;
  let written = 0;
  const query = async (_sql: string, values: readonly unknown[] = []) => {
    if (away) throw new Error('no database');
    written += (values[0] as unknown[]).length;
    return { rows: [], count: 0 };
  };
  const audit = createAudit({ world, database: { query } as unknown as Database, waitingMax: 3 });
  const route = { service: 's', name: 'n', operation: { method: 'POST', access: ['staff'] } } as unknown as HttpRoute;
  const arrival = {
    route,
    method: 'POST',
    path: '/',
    headers: {},
    connection: {},
    remoteAddress: '',
    correlationId: 'c',
  };
  const call = { service: 's', operation: 'n', params: {}, query: {}, headers: { 'holdfast-caller': 'staff:usr_1' } };
  for (let i = 0; i < 5; i++) audit.responded({ arrival, request: call, status: 200, durationMs: 1, aborted: false });
  await expect(audit.component.stop?.()).rejects.toThrow('no database');
  away = false;
  await audit.component.stop?.();
  expect(written).toBe(3);
  expect(lines.at(-1)).toMatchObject({ fields: { entries: 2 } });
});

test('what staff change is written down before they hear of it, what others do a moment later', async () => {
  const { world } = testWorld();
  const written: string[] = [];
  const writes: (() => void)[] = [];
  const query = async (sql: string, values: readonly unknown[] = []) => {
    if (/insert into audit_entry/.test(sql)) {
      await new Promise<void>((resolve) => writes.push(resolve));
      written.push(...(values[4] as string[]));
    }
    return { rows: [], count: 0 };
  };
  const audit = createAudit({ world, database: { query } as unknown as Database });
  const { server } = audit.before({
    ...{ service: 's', name: 'change', server: { handle: async () => ({ status: 200, headers: {} }) } },
    operation: { method: 'POST', access: ['staff'] },
  } as unknown as HttpRoute);
  const by = (caller: string) => {
    const request = {
      service: 's',
      operation: 'change',
      params: {},
      query: {},
      headers: { 'holdfast-caller': caller },
    };
    return server.handle(request, new AbortController().signal);
  };
  await audit.component.start?.();
  await by('customer:usr_1');
  let writtenWhenAnswered: number | undefined;
  const answer = by('staff:usr_2').then(() => {
    writtenWhenAnswered = written.length;
  });
  await expect.poll(() => writes.length).toBe(1);
  expect(writtenWhenAnswered).toBeUndefined();
  writes[0]?.();
  await answer;
  expect(writtenWhenAnswered).toBe(1);
  await audit.component.stop?.();
});

test('lines whose commit was not answered are sent again, and are there once', async () => {
  const { world } = testWorld();
  let isLost = true;
  const forgetful: Database = {
    ...database,
    async query(sql, values) {
      const result = await database.query<never>(sql, values);
      if (isLost && /insert into audit_entry/.test(sql)) {
        isLost = false;
        throw new Error('the connection broke while it committed');
      }
      return result;
    },
  };
  const audit = createAudit({ world, database: forgetful });
  await audit.component.start?.();
  const arrival = { method: 'POST', path: '/', headers: {}, connection: {}, remoteAddress: '', correlationId: 'c' };
  const request = {
    service: 's',
    operation: 'once',
    params: {},
    query: {},
    headers: { 'holdfast-caller': 'customer:u' },
  };
  const route = { service: 's', name: 'once', operation: { method: 'POST', access: ['customer'] } };
  const done = { request, status: 200, durationMs: 1, aborted: false };
  audit.responded({ ...done, arrival: { ...arrival, route: route as unknown as HttpRoute } });
  await expect.poll(() => isLost).toBe(false);
  audit.responded({ ...done, arrival: { ...arrival, route: { ...route, name: 'twice' } as unknown as HttpRoute } });
  const lines = async () =>
    (
      await audit.list({
        actor: 'u',
        operation: 's',
        target: undefined,
        without: undefined,
        from: undefined,
        to: undefined,
        before: undefined,
        limit: 9,
      })
    ).map(({ operation }) => operation);
  await expect.poll(async () => (await lines()).length).toBe(2);
  expect(await lines()).toEqual(['s.twice', 's.once']);
  await audit.component.stop?.();
});

let route: (access: string[], method?: string, identity?: 'ignored', path?: string) => HttpRoute;
beforeEach(() => {
  route = (access, method = 'GET', identity, path = '/x') =>
    ({
      service: 'x',
      name: 'y',
      operation: { access, method, path, ...(identity ? { identity } : {}) },
    }) as unknown as HttpRoute;
});
test('what is of interest', () => {
  const all = ['anonymous'];
  expect(isOfInterest(route(all), 'customer:u', 200)).toBe(false);
  expect(isOfInterest(route(all, 'POST'), 'customer:u', 200)).toBe(true);
  expect(isOfInterest(route(all, 'POST'), 'anonymous:anonymous', 200)).toBe(false);
  expect(isOfInterest(route(all), 'staff:u', 200)).toBe(true);
  expect(isOfInterest(route(all, 'GET', undefined, '/users/me/sessions'), 'staff:u', 200)).toBe(false);
  expect(isOfInterest(route(all, 'PATCH', undefined, '/users/me'), 'staff:u', 200)).toBe(true);
  expect(isOfInterest(route(all, 'POST', 'ignored'), 'anonymous:anonymous', 401)).toBe(true);
  expect(isOfInterest(route(all, 'POST', 'ignored'), 'anonymous:anonymous', 201)).toBe(true);
  expect(isOfInterest(route(all), undefined, 401)).toBe(true);
});

test('a console that is open and looks at machines every few seconds does not fill the log', () => {
  const of = (service: string, name: string) => ({ ...route(['staff']), service, name });
  const machines = ['system', 'settings', 'objectives', 'processes', 'topics', 'logs', 'traces', 'faults'];
  for (const name of machines) expect(isOfInterest(of('operators', name), 'staff:u', 200), name).toBe(false);
  for (const name of ['showLag', 'listDeadLetters']) {
    expect(isOfInterest(of('analytics', name), 'staff:u', 200), name).toBe(false);
    expect(isOfInterest(of('analytics', name), 'customer:u', 403), name).toBe(true);
  }
  expect(isOfInterest(of('analytics', 'showDeadLetter'), 'staff:u', 200)).toBe(true);
});
