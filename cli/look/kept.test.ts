import { readFileSync } from 'node:fs';
import { request } from 'undici';
import { expect, test, vi } from 'vitest';
import { findFreePort } from '#kit/store/embedded';
import { seedCatalogue } from '#services/products';
import { newFolder, runCommand } from '../testing.ts';
import { type Exposition, parseExposition } from './exposition.ts';

/** What an operator needs after a crash: how an order came about, and what was logged, though everybody who knew it is gone. */

async function placeOrder(gateway: string): Promise<string> {
  const [sku] = seedCatalogue.flatMap((product) => product.variants.map((variant) => variant.sku));
  const reply = await request(`${gateway}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': 'kept' },
    body: JSON.stringify({
      email: 'ada@example.com',
      currency: 'EUR',
      lines: [{ sku, quantity: 1 }],
      payment: { method: 'pm_card_visa' },
    }),
  });
  expect(reply.statusCode).toBe(201);
  return ((await reply.body.json()) as { id: string }).id;
}

async function ask(...args: string[]) {
  const run = runCommand(...args);
  const code = await run.ended;
  return { code, text: run.stdout(), error: run.stderr() };
}

const guide = readFileSync(new URL('../../docs/guides/observing.md', import.meta.url), 'utf8');

/** Where the guide says something else than a real shop shows: `name: labels`. */
function undocumented(page: Exposition): string[] {
  const rows = guide.matchAll(/^\| `([a-z_]+)` \| ([^|]*)\|/gm);
  const listed = new Map([...rows].map(([, name, labels = '']) => [name, labels.trim().split(/,\s*/).filter(Boolean)]));
  const wrong = new Set<string>();
  for (const [name, points] of page) {
    const labels = listed.get(name.replace(/_(bucket|sum|count)$/, '')) ?? ['?'];
    for (const point of points) {
      const own = Object.keys(point.labels).filter((label) => label !== 'le');
      if (name !== 'target_info' && own.sort().join() !== labels.toSorted().join()) wrong.add(`${name}: ${own}`);
    }
  }
  return [...wrong];
}

test('logs and traces of an order are found while the shop runs, and after it was killed', {
  timeout: 240_000,
}, async () => {
  const dataDir = newFolder();
  const where = ['--data-dir', dataDir];
  const up = runCommand('up', '--no-apps', '--json', '--port', String(await findFreePort()), ...where);
  const { urls, pid } = await up.ready();
  const order = await placeOrder(urls.gateway);

  // On a starved machine its page may not come in time; then it is shown as one that does not answer.
  await vi.waitFor(
    async () => {
      const [process] = JSON.parse((await ask('top', '--every', '0.5', '--json', ...where)).text).processes;
      expect(process.services).toContainEqual(expect.objectContaining({ service: 'orders' }));
    },
    { timeout: 60_000, interval: 500 },
  );

  await vi.waitFor(
    async () => expect((await ask('trace', order, ...where)).text).toContain('notifications order.confirmed'),
    { timeout: 30_000, interval: 200 },
  );
  const page = parseExposition(
    await (await request(`${(urls as { internal?: string }).internal}/metrics`)).body.text(),
  );
  expect([...page.keys()].filter((name) => /^(holdfast|nodejs|process)_/.test(name)).length).toBeGreaterThan(40);
  expect(undocumented(page)).toEqual([]);

  process.kill(pid, 'SIGKILL');
  await up.ended;

  const drawn = await ask('trace', order, ...where);
  for (const name of [
    'POST /orders',
    'place-order hold',
    'inventory.hold',
    'provider authorize',
    'place-order capture',
  ])
    expect(drawn.text).toContain(name);
  expect(drawn.text).toContain('critical path');
  const [trace] = JSON.parse((await ask('trace', order, '--json', ...where)).text).traces;
  const selfMs = trace.criticalPath.reduce((sum: number, each: { selfMs: number }) => sum + each.selfMs, 0);
  expect(selfMs).toBeCloseTo(trace.durationMs, 3);

  const lines = (await ask('logs', '--order', order, '--json', ...where)).text.trim().split('\n');
  const services = new Set(lines.map((line) => JSON.parse(line).service));
  expect([...services]).toEqual(expect.arrayContaining(['gateway', 'orders', 'inventory', 'payments']));
  expect((await ask('logs', '--trace', trace.traceId, '--service', 'payments', ...where)).text).toMatch(/authorize/);

  expect(await ask('trace', 'ord_unknown', ...where)).toMatchObject({
    code: 4,
    error: expect.stringContaining('No trace'),
  });
  expect(await ask('logs', '--level', 'loud', ...where)).toMatchObject({ code: 2 });
  expect(await ask('top', '--once', ...where)).toMatchObject({
    code: 4,
    error: expect.stringContaining('No Holdfast'),
  });
});
