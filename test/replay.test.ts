import { randomInt } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { systemWorld } from '#kit/runtime';
import { findFreePort } from '#kit/store/embedded';
import { createHttpShop, type ReplayResult, replay } from '#lab/replay';
import { createSession } from '../cli/session.ts';
import { newFolder, runCommand } from '../cli/testing.ts';
import { MONTH, RETAIL_HEADER } from '../lab/replay/testing/files.ts';
import { startWholeShop, type WholeShop } from './whole-shop.ts';

/** Invoices through the public door of the real system, and back: the books must balance, and say so when they don't. */

const admin = { email: 'owner@shop.example', password: 'seven brass lanterns' };
const quiet = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);

let shop: WholeShop;
let folder: string;
beforeAll(async () => {
  shop = await startWholeShop({ admin });
});
afterAll(() => shop?.stop());

function inputFile(content: string): string {
  folder = newFolder();
  const path = join(folder, 'month.csv');
  writeFileSync(path, content);
  return path;
}

const replayTo = (origin: string, ...files: string[]) => commandTo('replay', origin, files);
const importTo = (origin: string, ...files: string[]) => commandTo('import', origin, files);

/** The command as a user runs it, signed in as the shop's owner. */
function commandTo(command: string, origin: string, files: readonly string[]) {
  vi.stubEnv('HOLDFAST_EMAIL', admin.email);
  vi.stubEnv('HOLDFAST_PASSWORD', admin.password);
  const run = runCommand(command, '--json', '--url', origin, '--data-dir', folder, ...files);
  vi.unstubAllEnvs();
  return run;
}

async function replayHere(path: string): Promise<ReplayResult> {
  const session = createSession({ origin: shop.origin, ...admin, clock: world.clock });
  const sleep = (delayMs: number) => world.timers.sleep(delayMs);
  const api = createHttpShop({ origin: shop.origin, tokens: session, clock: world.clock, sleep });
  try {
    return await replay({ paths: [path], shop: api, world });
  } finally {
    await api.close();
    await session.close();
  }
}

async function inDatabase<T extends object>(url: string | undefined, sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

const countOrders = `select count(*)::int as n from customer_order where channel = 'import'`;

test('every class of rows goes through the public API and balances; a repeat books nothing twice', {
  timeout: 240_000,
}, async () => {
  const path = inputFile(MONTH);
  const first = replayTo(shop.origin, path);
  expect(await first.ended, first.stdout() + first.stderr()).toBe(0);
  const report = JSON.parse(first.stdout());
  expect(report).toMatchObject({
    ok: true,
    lines: { read: 32, sold: 12, returned: 3, fees: 8, adjusted: 2, rejected: 7 },
    money: { differenceMinor: 0 },
    units: { conserved: true },
    payments: { balanced: true },
    ordersPerSec: expect.any(Number),
  });
  const again = replayTo(shop.origin, path);
  expect(await again.ended).toBe(0);
  expect(JSON.parse(again.stdout()).operations).toEqual(report.operations);
  expect(await inDatabase(shop.databases['orders'], countOrders)).toEqual([{ n: report.operations.orders }]);
});

test.each([
  [
    'money taken that no order knows',
    'payments',
    `update payment set captured_minor = captured_minor - 1
     where order_id = (select max(order_id) from payment where captured_minor > 1 and refunded_minor = 0)`,
    `update payment set captured_minor = amount_minor where status = 'captured'`,
    'payments',
  ],
  [
    'a unit that vanished from the shelf',
    'inventory',
    `update stock set sold = sold - 1, written_off = written_off + 1 where sku = '10001A'`,
    `update stock set sold = sold + 1, written_off = written_off - 1 where sku = '10001A'`,
    'stock',
  ],
  [
    'an order that became dearer',
    'orders',
    `update customer_order set total_minor = total_minor + 100 where business_key = '900005'`,
    `update customer_order set total_minor = total_minor - 100 where business_key = '900005'`,
    'operations',
  ],
])('%s is found', { timeout: 240_000 }, async (_what, service, plant, mend, check) => {
  const path = inputFile(MONTH);
  expect((await replayHere(path)).report?.mismatches).toEqual([]);
  await inDatabase(shop.databases[service], plant);
  const { report } = await replayHere(path);
  await inDatabase(shop.databases[service], mend);
  expect(report?.ok).toBe(false);
  expect(report?.mismatches.map((mismatch) => mismatch.check)).toContain(check);
  expect((await replayHere(path)).report?.ok, 'the books balance again once it is mended').toBe(true);
});

test('books that do not balance end the command with 5 and the differences', { timeout: 240_000 }, async () => {
  const path = inputFile(MONTH);
  await replayHere(path);
  const plant = (sign: string) =>
    inDatabase(
      shop.databases['inventory'],
      `update stock set sold = sold ${sign} 1, on_hand = on_hand - (${sign}1) where sku = '10005'`,
    );
  await plant('-');
  const run = replayTo(shop.origin, path);
  expect(await run.ended).toBe(5);
  await plant('+');
  expect(JSON.parse(run.stdout())).toMatchObject({ ok: false, mismatchCount: expect.any(Number) });
});

test('a token that is refused is replaced on the way', async () => {
  const session = createSession({ origin: shop.origin, ...admin, clock: world.clock });
  const good = await session.token();
  let asked = 0;
  const tokens = {
    token: async () => (++asked === 1 ? `${good.slice(0, -4)}AAAA` : session.token()),
    refused: vi.fn(),
  };
  const api = createHttpShop({ origin: shop.origin, tokens, clock: world.clock, sleep: async () => {} });
  expect(await api.booksId()).toMatch(/^[0-9a-f-]{36}$/);
  expect(tokens.refused).toHaveBeenCalledOnce();
  session.refused(good);
  expect(await session.token(), 'a refreshed one').not.toBe(good);
  await api.close();
  await session.close();
});

test('nobody there ends with 4, a wrong password with 3, a bad file with 2', { timeout: 240_000 }, async () => {
  const path = inputFile(MONTH);
  const nobody = replayTo(`http://127.0.0.1:${await findFreePort()}`, path);
  const badFile = replayTo(shop.origin, inputFile('a,b\n1,2\n'));
  vi.stubEnv('HOLDFAST_EMAIL', admin.email);
  vi.stubEnv('HOLDFAST_PASSWORD', 'nine brass lanterns');
  const stranger = runCommand('replay', '--url', shop.origin, '--data-dir', folder, path);
  vi.unstubAllEnvs();
  expect(await Promise.all([nobody.ended, badFile.ended, stranger.ended])).toEqual([4, 2, 3]);
  expect(nobody.stderr()).toMatch(/No Holdfast answers at .*: start it, or correct --url/);
  expect(stranger.stderr()).not.toContain('nine brass');
});

test('products, stock and invoices are imported together; a repeat changes nothing; bad lines are named', {
  timeout: 240_000,
}, async () => {
  const invoices = inputFile(`${RETAIL_HEADER}\n600001,PLATE-101,PLATE,2,2031-06-01 10:00:00,4.00,650,Spain\n`);
  const products = join(folder, 'catalogue.csv');
  writeFileSync(
    products,
    'sku,name,price,currency,category\nPLATE-101,Plate,4.20,GBP,kitchen\nPLATE-102,Bowl,much,GBP,\n',
  );
  const stock = join(folder, 'delivery.ndjson');
  writeFileSync(stock, '{"sku":"PLATE-101","quantity":50}\n{"sku":"PLATE-102","quantity":-1}\n');
  for (const made of [
    { created: 1, unchanged: 0 },
    { created: 0, unchanged: 1 },
  ]) {
    const run = importTo(shop.origin, invoices, stock, products);
    expect(await run.ended, run.stderr()).toBe(0);
    expect(JSON.parse(run.stdout())).toMatchObject({
      ok: true,
      lines: { read: 1, sold: 1 },
      products: { lines: 2, rejected: 1, ...made },
      stock: { lines: 2, units: 50, rejected: 1 },
    });
    const rejects = readFileSync(JSON.parse(run.stdout()).tableRejectsPath, 'utf8').trim().split('\n');
    expect(rejects.map((line) => JSON.parse(line))).toMatchObject([
      { file: products, line: 3, message: 'price "much"' },
      { file: stock, line: 2 },
    ]);
  }
  const level = `select received::int, sold::int from stock where sku = 'PLATE-101'`;
  // The delivery, and what the invoice needs.
  expect(await inDatabase(shop.databases['inventory'], level)).toEqual([{ received: 52, sold: 2 }]);
});

/** Many small invoices of a few customers, every eighth followed by a credit note that takes part of it back. */
function manyInvoices(first: number, count: number): string {
  const lines = [RETAIL_HEADER];
  for (let i = 0; i < count; i += 1) {
    const at = `2031-05-${String(1 + (i % 28)).padStart(2, '0')} 10:00:00`;
    const [invoice, customer] = [first + i, 600 + (i % 9)];
    for (let line = 0; line < 3; line += 1) {
      lines.push(
        `${invoice},2${String(line * 7 + (i % 7)).padStart(4, '0')},CUP,${1 + (i % 4)},${at},1.35,${customer},Spain`,
      );
    }
    if (i % 8 === 7) lines.push(`C${invoice}X,2${String(i % 7).padStart(4, '0')},CUP,-1,${at},1.35,${customer},Spain`);
  }
  return `${lines.join('\n')}\n`;
}

/** The database of a system that a command has started on a data directory, while it runs. */
async function ordersPlaced(dataDir: string): Promise<number> {
  try {
    const cluster = join(dataDir, 'postgres', 'cluster');
    const port = readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n')[3];
    const password = JSON.parse(readFileSync(join(dataDir, 'secrets.json'), 'utf8'))['role:holdfast_orders'];
    const url = `postgres://holdfast_orders:${password}@127.0.0.1:${port}/holdfast_orders`;
    const [row] = await inDatabase<{ n: number }>(url, countOrders);
    return row?.n ?? 0;
  } catch {
    // Not up yet.
    return 0;
  }
}

test('a replay with a system of its own goes on after kill -9 at any moment: nothing lost, nothing doubled', {
  timeout: 300_000,
}, async () => {
  const path = inputFile(manyInvoices(700_000, 400));
  const dataDir = join(folder, 'data');
  const at = randomInt(1, 400);
  const first = runCommand('replay', '--json', '--concurrency', '16', '--data-dir', dataDir, path);
  await vi.waitFor(async () => expect(await ordersPlaced(dataDir)).toBeGreaterThanOrEqual(at), {
    timeout: 240_000,
    interval: 5,
  });
  first.child.kill('SIGKILL');
  expect(await first.ended).toBe('SIGKILL');
  const second = runCommand('replay', '--json', '--data-dir', dataDir, path);
  expect(await second.ended, `at order ${at}: ${second.stdout()}${second.stderr()}`).toBe(0);
  expect(JSON.parse(second.stdout())).toMatchObject({
    ok: true,
    lines: { read: 1250, sold: 1200, returned: 50 },
    operations: { orders: 400, returns: 50 },
  });
});

test('Ctrl-C ends what is under way and says how to go on; the same command then does', {
  timeout: 300_000,
}, async () => {
  const path = inputFile(manyInvoices(800_000, 400));
  const at = randomInt(1, 350);
  const first = replayTo(shop.origin, path, '--concurrency', '8');
  const placed = `select count(*)::int as n from customer_order where business_key between '800000' and '899999'`;
  await vi.waitFor(
    async () => expect((await inDatabase<{ n: number }>(shop.databases['orders'], placed))[0]?.n).toBeGreaterThan(at),
    { timeout: 60_000, interval: 5 },
  );
  first.child.kill('SIGINT');
  expect(await first.ended, `at order ${at}`).toBe(1);
  expect(JSON.parse(first.stdout())).toMatchObject({ ok: false, interrupted: true });
  const second = replayTo(shop.origin, path);
  expect(await second.ended, `at order ${at}: ${second.stdout()}${second.stderr()}`).toBe(0);
  expect(JSON.parse(second.stdout())).toMatchObject({ ok: true, operations: { orders: 400, returns: 50 } });
});

const retailDirectory =
  process.env['HOLDFAST_RETAIL_DIR'] ?? join(import.meta.dirname, '../../shared/data/online-retail');
const realMonth = join(retailDirectory, '2010-12.csv.gz');
const hint = existsSync(realMonth) ? '' : ` (skipped: no ${realMonth}; set HOLDFAST_RETAIL_DIR)`;

test.skipIf(hint !== '')(`three hundred real invoices balance${hint}`, { timeout: 120_000 }, async () => {
  const [header, ...rows] = gunzipSync(readFileSync(realMonth)).toString().split('\n');
  const invoices = [...new Set(rows.map((row) => row.split(',', 1)[0]))].slice(0, 300);
  const wanted = new Set(invoices);
  const path = inputFile([header, ...rows.filter((row) => wanted.has(row.split(',', 1)[0]))].join('\n'));
  const { report } = await replayHere(path);
  expect(report?.mismatches).toEqual([]);
  expect(report?.operations.orders).toBeGreaterThan(200);
});
