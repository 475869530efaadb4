import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ReplayOptions, replay } from './replay.ts';
import { ShopUnavailable } from './retry.ts';
import { ShopError } from './shop-api.ts';
import { instantWorld, MONTH, RETAIL_HEADER, withDirectory, writeInput } from './testing/files.ts';
import { createMemoryShop, type MemoryShop } from './testing/memory-shop.ts';

/** Everything the shop knows, in an order that does not depend on who came first. */
function booksOf({ orders, returns, refunds, receipts, adjustments, entries, stock, products }: MemoryShop) {
  return [orders, returns, refunds, receipts, adjustments, entries, stock, products].map((map) =>
    [...map].sort(([left], [right]) => (left < right ? -1 : 1)),
  );
}

const soundBooks = withDirectory(async (directory) => {
  const shop = createMemoryShop();
  await replay({ paths: [await writeInput(directory, 'month.csv', MONTH)], shop, world: instantWorld() });
  return booksOf(shop);
});

async function withMonth<T>(work: (options: Omit<ReplayOptions, 'shop'>, directory: string) => Promise<T>): Promise<T> {
  return withDirectory(async (directory) => {
    const paths = [await writeInput(directory, 'month.csv', MONTH)];
    return work({ paths, world: instantWorld(), stateDirectory: join(directory, 'state') }, directory);
  });
}

test('a second replay of the same file changes nothing and balances again', async () => {
  await withMonth(async (options) => {
    const shop = createMemoryShop();
    for (const _run of [1, 2, 3]) {
      const { report } = await replay({ ...options, shop });
      expect(report?.mismatches).toEqual([]);
      expect(booksOf(shop)).toEqual(await soundBooks);
    }
  });
});

test('interrupted at any point and resumed, with lost requests and replies, the books come out the same', async () => {
  const expected = await soundBooks;
  const runs = fc.record({
    stops: fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 5 }),
    concurrency: fc.integer({ min: 1, max: 9 }),
    forget: fc.boolean(),
    lost: fc.array(fc.boolean(), { maxLength: 60 }),
    waits: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 10 }),
  });
  await fc.assert(
    fc.asyncProperty(runs, async ({ stops, concurrency, forget, lost, waits }) => {
      await withMonth(async ({ stateDirectory, ...options }) => {
        let calls = 0;
        let stop = { after: Number.POSITIVE_INFINITY, controller: new AbortController() };
        const shop = createMemoryShop({
          async around(when) {
            calls += 1;
            for (let turn = 0; turn < (waits[calls % waits.length] ?? 0); turn += 1) await Promise.resolve();
            if (calls >= stop.after) stop.controller.abort();
            if (lost[calls]) throw new ShopError(`the ${when === 'before' ? 'request' : 'reply'} was lost`, 'same-key');
          },
        });
        const kept = forget || stateDirectory === undefined ? {} : { stateDirectory };
        for (const after of [...stops, Number.POSITIVE_INFINITY]) {
          stop = { after: calls + after, controller: new AbortController() };
          const { signal } = stop.controller;
          const { interrupted, report } = await replay({ ...options, ...kept, shop, concurrency, signal });
          if (interrupted) continue;
          expect(report?.mismatches).toEqual([]);
        }
        expect(booksOf(shop)).toEqual(expected);
      });
    }),
    { numRuns: 60 },
  );
});

test('a killed run is continued where it was, not from the beginning', async () => {
  await withMonth(async (options) => {
    const controller = new AbortController();
    const shop = createMemoryShop({
      around: async (_when, _operation, key) => {
        if (key === '900006') controller.abort();
      },
    });
    const first = await replay({ ...options, shop, concurrency: 1, signal: controller.signal });
    expect(first).toMatchObject({ interrupted: true });
    const before = shop.writes;
    const second = await replay({ ...options, shop, concurrency: 1 });
    expect(second.skipped).toBeGreaterThan(5);
    expect(second.report?.ok).toBe(true);
    expect(shop.writes - before).toBeLessThan(before + 8);
    expect(booksOf(shop)).toEqual(await soundBooks);
  });
});

test('progress made in other books, or half written, is not continued', async () => {
  await withMonth(async ({ stateDirectory, ...options }) => {
    const controller = new AbortController();
    const other = createMemoryShop({
      around: async () => controller.abort(),
    });
    const state = stateDirectory ?? '';
    await replay({ ...options, stateDirectory: state, shop: other, concurrency: 1, signal: controller.signal });
    const shop = { ...createMemoryShop(), booksId: async () => 'elsewhere' };
    expect(await replay({ ...options, stateDirectory: state, shop })).toMatchObject({
      skipped: 0,
      report: { ok: true },
    });
    await writeFile(join(state, 'replay-progress.json'), '{"planId":"x","done');
    expect(await replay({ ...options, stateDirectory: state, shop })).toMatchObject({
      skipped: 0,
      report: { ok: true },
    });
    await writeFile(join(state, 'replay-books.json.gz'), 'rubbish');
    await expect(replay({ ...options, stateDirectory: state, shop })).rejects.toThrow(/Remove it to go on/);
  });
});

test('a return waits for the sale it belongs to', async () => {
  await withMonth(async (options) => {
    let release: (() => void) | undefined;
    const order: string[] = [];
    const shop = createMemoryShop({
      async around(when, operation, key) {
        if (when === 'after' || !['order', 'return'].includes(operation)) return;
        if (key === '900006') {
          await new Promise<void>((resolve) => {
            release = resolve;
            setImmediate(() => setImmediate(() => release?.()));
          });
        }
        order.push(key);
      },
    });
    expect((await replay({ ...options, shop, concurrency: 64 })).report?.ok).toBe(true);
    expect(order.indexOf('C900007/900006')).toBeGreaterThan(order.indexOf('900006'));
    // Others did not wait.
    expect(order.indexOf('900012')).toBeLessThan(order.indexOf('900006'));
  });
});

test('never more operations are under way than asked for', async () => {
  await withMonth(async (options) => {
    let underWay = 0;
    let most = 0;
    const shop = createMemoryShop({
      async around(when) {
        underWay += when === 'before' ? 1 : -1;
        most = Math.max(most, underWay);
        await new Promise((resolve) => setImmediate(resolve));
      },
    });
    await replay({ ...options, shop, concurrency: 3 });
    expect(most).toBe(3);
  });
});

test('orders that are accepted but not decided are waited for', async () => {
  await withMonth(async (options) => {
    const shop = createMemoryShop({ decideLater: true });
    expect((await replay({ ...options, shop })).report?.mismatches).toEqual([]);
  });
});

test('an order that is never decided fails the reconciliation instead of hanging', async () => {
  await withMonth(async (options) => {
    const shop = createMemoryShop();
    const readOrders = shop.readOrders;
    shop.placeOrder = ((place) => async (operation) => {
      const answer = await place(operation);
      return operation.key === '900002' ? { state: 'received' } : answer;
    })(shop.placeOrder);
    shop.readOrders = async function* (keys) {
      for await (const order of readOrders(keys))
        yield order.key === '900002' ? { ...order, state: 'received' } : order;
    };
    const { report } = await replay({ ...options, shop });
    expect(report?.mismatches).toContainEqual(
      expect.objectContaining({ check: 'operations', subject: 'order 900002', actual: 'received' }),
    );
  });
});

test('an operation the shop refuses for good is named and the rest goes on; the next run tries it again', async () => {
  await withMonth(async (options) => {
    let refusing = true;
    const shop = createMemoryShop({
      around: async (_when, _operation, key) => {
        if (refusing && key === '900005') throw new ShopError('not today', 'never');
      },
    });
    const { report } = await replay({ ...options, shop });
    expect(report?.ok).toBe(false);
    expect(report?.mismatches).toContainEqual(
      expect.objectContaining({ check: 'failures', subject: 'order 900005', actual: 'not today' }),
    );
    refusing = false;
    expect((await replay({ ...options, shop })).report?.mismatches).toEqual([]);
    expect(booksOf(shop)).toEqual(await soundBooks);
  });
});

test('a shop that stays away ends the run with one error', async () => {
  await withMonth(async (options) => {
    const shop = createMemoryShop({
      around: async () => {
        throw new ShopError('connection refused', 'same-key');
      },
    });
    const running = replay({ ...options, shop, retry: { attemptsMax: 3 } });
    await expect(running).rejects.toThrow(ShopUnavailable);
    await expect(running).rejects.toThrow('gave up after 3 tries: connection refused');
  });
});

const line = (invoice: string, quantity: number, day: string, code = '10001') =>
  `${invoice},${code},THING,${quantity},${day} 10:00:00,2.00,501.0,France\n`;

test('months replayed one after the other match returns like months replayed together', async () => {
  const march = `${RETAIL_HEADER}\n${line('1', 5, '2031-03-01')}${line('2', 4, '2031-03-02')}`;
  const april = `${RETAIL_HEADER}\n${line('3', 1, '2031-04-01')}${line('C4', -5, '2031-04-02')}`;
  await withDirectory(async (directory) => {
    const paths = [await writeInput(directory, 'b.csv', april), await writeInput(directory, 'a.csv', march)];
    const [aprilPath = '', marchPath = ''] = paths;
    const together = createMemoryShop();
    // The order of the arguments does not matter either.
    expect((await replay({ paths, shop: together, world: instantWorld() })).report?.mismatches).toEqual([]);
    const apart = createMemoryShop();
    const stateDirectory = join(directory, 'state');
    for (const path of [marchPath, aprilPath, marchPath, aprilPath]) {
      const { report } = await replay({ paths: [path], shop: apart, world: instantWorld(), stateDirectory });
      expect(report?.mismatches).toEqual([]);
    }
    expect(booksOf(apart)).toEqual(booksOf(together));
    expect([...apart.returns.keys()]).toEqual(['C4/1']);
  });
});

test('a file given twice is read once, and a year that contains a month books it once', async () => {
  const march = `${RETAIL_HEADER}\n${line('1', 5, '2031-03-01')}${line('C2', -1, '2031-03-02')}`;
  const year = `${march}${line('3', 2, '2031-04-01')}`;
  await withDirectory(async (directory) => {
    const paths = [await writeInput(directory, 'a.csv', march), await writeInput(directory, 'copy.csv', march)];
    paths.push(await writeInput(directory, 'year.csv', year));
    const shop = createMemoryShop();
    const { report, duplicateFiles } = await replay({ paths, shop, world: instantWorld() });
    expect(duplicateFiles).toEqual([paths[1]]);
    expect(report?.mismatches).toEqual([]);
    expect(report?.lines).toMatchObject({ read: 5, sold: 2, returned: 1, rejected: 2 });
    expect(report?.rejects).toEqual({ 'repeated-invoice': 2 });
    expect([...shop.orders.keys()]).toEqual(['1', '3']);
  });
});

test('an invoice that goes on in the next file is two orders, together or apart', async () => {
  const march = `${RETAIL_HEADER}\n${line('1', 5, '2031-03-31')}`;
  const april = `${RETAIL_HEADER}\n${line('1', 2, '2031-04-01', '10002')}`;
  await withDirectory(async (directory) => {
    const paths = [await writeInput(directory, 'a.csv', march), await writeInput(directory, 'b.csv', april)];
    const shop = createMemoryShop();
    const stateDirectory = join(directory, 'state');
    for (const files of [paths, paths.slice(1), paths.slice(0, 1)]) {
      const { report } = await replay({ paths: files, shop, world: instantWorld(), stateDirectory });
      expect(report?.mismatches).toEqual([]);
    }
    expect([...shop.orders.keys()]).toEqual(['1', expect.stringMatching(/^1~/)]);
  });
});

test('every rejected line is in the rejects file', async () => {
  await withMonth(async (options, directory) => {
    const rejectsPath = join(directory, 'rejects.ndjson');
    await replay({ ...options, shop: createMemoryShop(), rejectsPath });
    const rejects = (await readFile(rejectsPath, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((text) => JSON.parse(text));
    expect(rejects.map(({ line: number, reason }) => [number, reason])).toEqual([
      [24, 'bad-quantity'],
      [25, 'bad-date'],
      [26, 'bad-code'],
      [27, 'zero-quantity'],
      [28, 'negative-price'],
      [29, 'test-product'],
      [30, 'damaged-record'],
    ]);
  });
});

const retailDirectory =
  process.env['HOLDFAST_RETAIL_DIR'] ?? join(import.meta.dirname, '../../../shared/data/online-retail');
const retailHint = existsSync(retailDirectory) ? '' : ` (skipped: no ${retailDirectory}; set HOLDFAST_RETAIL_DIR)`;

test.skipIf(retailHint !== '')(
  `a real month balances to the penny and the unit${retailHint}`,
  async () => {
    const name =
      (await readdir(retailDirectory)).filter((file) => /\.csv(\.gz)?$/.test(file)).sort()[0] ?? 'no csv file';
    const shop = createMemoryShop();
    const { report } = await replay({ paths: [join(retailDirectory, name)], shop, world: instantWorld() });
    expect(report?.mismatches).toEqual([]);
    expect(report?.lines.read).toBeGreaterThan(1_000);
    expect(report?.money.differenceMinor).toBe(0);
  },
  60_000,
);
