import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { expect, test, vi } from 'vitest';
import { findFreePort } from '#kit/store/embedded';
import type { SpanRecord } from '#kit/telemetry';
import { seedCatalogue } from '#services/products';
import { keptFolder } from '../cli/kept.ts';
import { findLines, findSpans, relatedTo } from '../cli/look/find.ts';
import { newFolder, runCommand } from '../cli/testing.ts';

/**
 * What an operator has from the first day (REQUIREMENTS P11, P10, R6): an order over HTTP, through a process per
 * service, leaves one trace and one correlation id with rising steps everywhere it went, and no secret anywhere.
 */

interface Line {
  readonly process?: string;
  readonly service?: string;
  readonly msg: string;
  readonly operation?: string;
  readonly correlationId?: string;
  readonly traceId?: string;
  readonly step?: number;
  readonly group?: string;
  readonly type?: string;
}

const password = 'correct horse battery staple';
const cardNumbers = ['4242424242424242', '4111 1111 1111 1111', '5555-5555-5555-4444'];

async function ask(url: string, method: string, headers: Record<string, string> = {}, body?: unknown) {
  const reply = await request(url, {
    method: method as 'GET',
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await reply.body.text();
  const isJson = String(reply.headers['content-type']).includes('json');
  return { status: reply.statusCode, headers: reply.headers, body: isJson && text ? JSON.parse(text) : text };
}

function linesOf(text: string): Line[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}

/** Name of the span, under the names of those above it. */
function pathOf(span: SpanRecord, spans: readonly SpanRecord[]): string {
  const parent = spans.find(({ spanId }) => spanId === span.parentSpanId);
  return parent ? `${pathOf(parent, spans)} > ${span.name}` : span.name;
}

test('an order leaves one trace with rising steps over all processes, and no secret in any log', {
  timeout: 300_000,
}, async () => {
  vi.stubEnv('HOLDFAST_LOG', 'debug');
  const port = await findFreePort();
  const dataDir = newFolder();
  const up = ['up', '--topology', 'process-per-service', '--port', String(port), '--data-dir', dataDir];
  const run = runCommand(...up, '--trace-ratio', '1', '--no-apps', '--json');
  const { gateway, internal } = (await run.ready()).urls as { gateway: string; internal: string };
  expect(internal).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);

  const email = 'ada@example.com';
  expect((await ask(`${gateway}/users`, 'POST', {}, { email, password })).status).toBe(201);
  const { accessToken, refreshToken } = (await ask(`${gateway}/sessions`, 'POST', {}, { email, password })).body;
  const signedIn = { authorization: `Bearer ${accessToken}`, cookie: 'sid=cookiesecret' };
  const [sku] = seedCatalogue.flatMap((product) => product.variants.map((variant) => variant.sku));
  const order = (method: string) => ({
    email,
    currency: 'EUR',
    lines: [{ sku, quantity: 1 }],
    payment: { method },
  });
  // What should not be sent will be: card numbers where a token belongs, in a query, and in a name.
  for (const [i, number] of cardNumbers.entries()) {
    const key = { ...signedIn, 'idempotency-key': `card-${i}` };
    expect((await ask(`${gateway}/orders`, 'POST', key, order(number))).status).toBe(400);
    await ask(`${gateway}/products?q=${encodeURIComponent(number)}`, 'GET', signedIn);
    await ask(`${gateway}/orders/${encodeURIComponent(number)}`, 'GET', signedIn);
  }

  const correlationId = 'one-trace-test';
  const headers = { ...signedIn, 'idempotency-key': 'one-trace', 'x-correlation-id': correlationId };
  const placed = await ask(`${gateway}/orders`, 'POST', headers, order('pm_card_visa'));
  expect(placed).toMatchObject({ status: 201, body: { state: 'confirmed' } });

  const mine = () => linesOf(run.stderr()).filter((line) => line.correlationId === correlationId);
  const served = (operation: string) => mine().find((line) => line.msg === 'served' && line.operation === operation);
  const consumed = () => mine().filter((line) => line.msg === 'event' && line.type === 'order.confirmed');
  await vi.waitFor(
    () => {
      expect(served('capture')).toBeDefined();
      expect(new Set(consumed().map(({ group }) => group))).toEqual(new Set(['notifications', 'analytics']));
    },
    { timeout: 120_000, interval: 50 },
  );

  // One correlation id, one trace id, and steps that grow from cause to effect, in six processes.
  const door = mine().find((line) => line.msg === 'request') as Line;
  expect(door).toMatchObject({ process: 'gateway', step: 0, operation: 'orders.place' });
  expect(served('place')).toMatchObject({ process: 'orders', step: 1 });
  expect(served('hold')).toMatchObject({ process: 'inventory', step: 2 });
  expect(served('authorize')).toMatchObject({ process: 'payments', step: 2 });
  expect(served('commit')).toMatchObject({ process: 'inventory', step: 2 });
  expect(served('capture')).toMatchObject({ process: 'payments', step: 2 });
  for (const line of consumed()) expect(line).toMatchObject({ process: line.group, step: 2 });
  const { traceId } = door;
  expect(new Set(mine().map((line) => line.traceId))).toEqual(new Set([traceId]));

  // The same as a tree, put together by the gateway's internal door.
  const trace = () => ask(`${internal}/traces/${traceId}`, 'GET');
  await vi.waitFor(async () => expect(JSON.stringify((await trace()).body)).toContain('analytics order.confirmed'), {
    timeout: 120_000,
    interval: 100,
  });
  const spans = (await trace()).body.spans as SpanRecord[];
  const paths = spans.map((span) => pathOf(span, spans));
  const saga = 'POST /orders > call orders.place > orders.place > place-order';
  for (const path of [
    `${saga} hold > call inventory.hold > inventory.hold`,
    `${saga} authorize > call payments.authorize > payments.authorize`,
    `${saga} commit-stock > call inventory.commit > inventory.commit`,
    `${saga} capture > call payments.capture > payments.capture`,
    `${saga} confirm > analytics order.confirmed`,
    `${saga} confirm > notifications order.confirmed`,
  ]) {
    expect(paths).toContain(path);
  }
  const text = (await ask(`${internal}/traces/${traceId}`, 'GET', { accept: 'text/plain' })).body;
  expect(text).toMatch(/ms {2}POST \/orders.*\n.*ms {4}call orders\.place/);

  // Each process shows its numbers; the internal door says where.
  const targets = (await ask(`${internal}/metrics/targets`, 'GET')).body as { targets: string[] }[];
  const hosts = targets.flatMap((target) => target.targets);
  const numbers = async () =>
    (await Promise.all(hosts.map(async (host) => (await ask(`http://${host}/metrics`, 'GET')).body))).join('\n');
  // What the relay has handed on is gone from the outbox with its next turn.
  const shown = await vi.waitFor(
    async () => {
      const shown = await numbers();
      for (const series of [
        'holdfast_requests_total{service="gateway",operation="orders.place",status="2xx"} 1',
        'holdfast_calls_total{caller="orders",callee="inventory",operation="hold",outcome="2xx"}',
        'holdfast_saga_steps_total{saga="place-order",step="confirm",event="done"}',
        'holdfast_outbox_pending_events{source="orders"} 0',
        'holdfast_consumer_lag_events{group="analytics",topic="orders"} 0',
        'holdfast_pool_saturation_ratio{database="orders"}',
      ]) {
        expect(shown.includes(series), series).toBe(true);
      }
      return shown;
    },
    { timeout: 120_000, interval: 100 },
  );
  // Spans are told over the mesh only, to the gateway; there they are for staff.
  const [, ...others] = hosts;
  for (const host of others) expect((await ask(`http://${host}/traces/${traceId}`, 'GET')).status).toBe(404);
  expect((await ask(`${gateway}/traces/${traceId}`, 'GET')).status).toBe(401);

  run.child.kill('SIGTERM');
  await run.ended;
  // What is left of it when nobody runs any more: the same trace, from the files of all processes.
  const kept = keptFolder(dataDir);
  const related = relatedTo(kept, placed.body.id);
  expect([...related.traceIds]).toEqual([traceId]);
  const keptSpans = findSpans(kept, related.traceIds);
  const keptIds = new Set(keptSpans.map(({ spanId }) => spanId));
  expect(spans.filter(({ spanId }) => !keptIds.has(spanId))).toEqual([]);
  const processes = new Set(keptSpans.map(({ process }) => process));
  expect([...processes]).toEqual(expect.arrayContaining(['gateway', 'orders', 'inventory', 'payments', 'analytics']));
  expect(findLines(kept, { anyOf: [correlationId] }).length).toBeGreaterThanOrEqual(mine().length);

  const files = globSync('**/*.ndjson', { cwd: kept }).map((file) => readFileSync(join(kept, file), 'utf8'));
  const written = `${run.stderr()}${JSON.stringify(spans)}${text}${shown}${files.join('')}`;
  expect(linesOf(written).length).toBeGreaterThan(30);
  for (const secret of [password, accessToken, refreshToken, 'cookiesecret', 'eyJ', ...cardNumbers]) {
    expect(written.includes(secret), `a log holds ${secret}`).toBe(false);
  }
});
