import { beforeAll, expect, test } from 'vitest';
import { readSystemBooks } from './books.ts';
import { type FileSums, mergeFileSums } from './file-sums.ts';
import { createInvoiceBooks } from './invoice.ts';
import { planOperations } from './plan.ts';
import { type CheckName, MISMATCHES_LISTED_MAX, reconcile } from './reconcile.ts';
import { replay } from './replay.ts';
import { surveyFiles } from './survey.ts';
import { createTally, type Tally, tallyInvoice, tallyOperation } from './tally.ts';
import { instantWorld, MONTH, withDirectory, writeInput } from './testing/files.ts';
import { createMemoryShop, type MemoryShop } from './testing/memory-shop.ts';

interface Settled {
  shop: MemoryShop;
  tally: Tally;
  file: FileSums;
}

/** A shop that holds the invented month, and both sides to compare it with; made anew for every planted fault. */
async function settled(): Promise<Settled> {
  return withDirectory(async (directory) => {
    const paths = [await writeInput(directory, 'month.csv', MONTH)];
    const shop = createMemoryShop();
    await replay({ paths, shop, world: instantWorld() });
    const { files } = await surveyFiles(paths);
    const tally = createTally();
    const books = createInvoiceBooks({ currency: 'GBP' });
    const onInvoice = (invoice: Parameters<typeof tallyInvoice>[1]) => tallyInvoice(tally, invoice);
    for await (const operation of planOperations({ files, books, currency: 'GBP', onInvoice })) {
      tallyOperation(tally, operation);
    }
    return { shop, tally, file: mergeFileSums(files.map(({ sums }) => sums)) };
  });
}

const first = <T>(map: ReadonlyMap<string, T>): T => [...map.values()][0] as T;

let sound: Awaited<ReturnType<typeof settled>>;
beforeAll(async () => {
  sound = await settled();
});

test('the invented month balances, line by line', async () => {
  const report = reconcile({ ...sound, books: await readSystemBooks(sound.shop, sound.tally) });
  expect(report.mismatches).toEqual([]);
  expect(report).toMatchObject({
    ok: true,
    lines: { read: 32, sold: 12, returned: 3, fees: 8, adjusted: 2, rejected: 7 },
    units: { conserved: true },
    payments: { balanced: true },
  });
  expect(report.rejects).toEqual({
    'bad-quantity': 1,
    'bad-date': 1,
    'bad-code': 1,
    'zero-quantity': 1,
    'negative-price': 1,
    'test-product': 1,
    'damaged-record': 1,
  });
  expect(Object.keys(report.money.byMonth)).toEqual(['2031-02', '2031-03', '2031-04', 'unknown']);
});

/** What goes wrong, and the check that must say so. */
const faults: [name: string, check: CheckName, plant: (settled: Settled) => void][] = [
  [
    'a line is classed twice',
    'lines',
    ({ tally }) => {
      tally.lines.sold += 1;
    },
  ],
  [
    'a line is read and forgotten',
    'lines',
    ({ file }) => {
      file.lines += 1;
    },
  ],
  [
    'a penny is missing in a month',
    'money-by-month',
    ({ file }) => {
      (file.byMonth.get('2031-03') ?? never()).minor += 1n;
    },
  ],
  [
    'a penny is missing in a country',
    'money-by-country',
    ({ file }) => {
      (file.byCountry.get('EIRE') ?? never()).minor -= 1n;
    },
  ],
  [
    'a sale is booked in the wrong month',
    'money-by-month',
    ({ shop }) => {
      first(shop.orders).occurredAt = '2031-04-01T00:00:00';
    },
  ],
  [
    'a sale is booked in the wrong country',
    'money-by-country',
    ({ shop }) => {
      first(shop.orders).country = 'DE';
    },
  ],
  [
    'goods are booked as a fee',
    'money-by-month',
    ({ shop }) => {
      const order = first(shop.orders);
      order.lines = order.lines.map((line) => ({ ...line, kind: 'fee' }));
    },
  ],
  ['an order is lost', 'operations', ({ shop }) => void shop.orders.delete('900005')],
  [
    'an order has another total',
    'operations',
    ({ shop }) => {
      first(shop.orders).totalMinor += 1;
    },
  ],
  [
    'an order was refused',
    'operations',
    ({ shop }) => {
      first(shop.orders).state = 'refused';
    },
  ],
  ['an order is there twice', 'operations', ({ shop }) => twice(shop, 'readOrders')],
  ['a return is lost', 'operations', ({ shop }) => void shop.returns.clear()],
  ['a return is there twice', 'operations', ({ shop }) => twice(shop, 'readReturns')],
  ['a refund is lost', 'operations', ({ shop }) => void shop.refunds.clear()],
  ['entries are lost', 'operations', ({ shop }) => void shop.entries.delete('C900009/entries')],
  ['an adjustment is lost', 'operations', ({ shop }) => void shop.adjustments.clear()],
  ['a receipt is lost', 'operations', ({ shop }) => void shop.receipts.clear()],
  [
    'a unit more was received',
    'units',
    ({ shop }) => {
      const [key, receipt] = [...shop.receipts][0] ?? never();
      shop.receipts.set(key, { ...receipt, lines: [...receipt.lines, { sku: '10001A', quantity: 1 }] });
    },
  ],
  [
    'a unit is sold and still on the shelf',
    'stock',
    ({ shop }) => {
      first(shop.stock).onHand += 1;
    },
  ],
  [
    'stock is negative',
    'stock',
    ({ shop }) => {
      first(shop.stock).onHand -= 100;
      first(shop.stock).sold += 100;
    },
  ],
  [
    'the stock was never moved',
    'stock',
    ({ shop }) => void Object.assign(first(shop.stock), { received: 0, onHand: 0, sold: 0, returned: 0, adjusted: 0 }),
  ],
  ['a SKU is unknown', 'stock', ({ shop }) => void shop.stock.clear()],
  [
    'a customer is charged twice',
    'payments',
    ({ shop }) => {
      first(shop.orders).capturedMinor *= 2;
    },
  ],
  [
    'a confirmed order was never charged',
    'payments',
    ({ shop }) => {
      first(shop.orders).capturedMinor = 0;
    },
  ],
  [
    'a refused order was charged',
    'payments',
    ({ shop }) => {
      first(shop.orders).state = 'refused';
    },
  ],
  [
    'a refund did not reach the provider',
    'payments',
    ({ shop }) => {
      (shop.orders.get('900006') ?? never()).refundedMinor = 0;
    },
  ],
  [
    'neither side knows of a refund',
    'payments',
    ({ shop }) => void Object.assign(shop.orders.get('900001') ?? never(), { refundedMinor: 0, returnedMinor: 0 }),
  ],
];

test.each(faults)('%s: %s fails', async (_name, check, plant) => {
  const broken = await settled();
  plant(broken);
  const report = reconcile({ ...broken, books: await readSystemBooks(broken.shop, broken.tally) });
  expect(report.ok).toBe(false);
  expect(report.mismatches.map((mismatch) => mismatch.check)).toContain(check);
  expect(report.mismatchCount).toBe(report.mismatches.length);
});

test('an operation that the shop refused is named', async () => {
  const failures = [{ key: 'order 1', message: 'no such product' }];
  const report = reconcile({ ...sound, books: await readSystemBooks(sound.shop, sound.tally), failures });
  expect(report).toMatchObject({
    ok: false,
    mismatches: [{ check: 'failures', subject: 'order 1', expected: 'done', actual: 'no such product' }],
  });
});

test('a report stays short however much is wrong, and still counts everything', async () => {
  const failures = Array.from({ length: 5_000 }, (_, index) => ({ key: `order ${index}`, message: 'no' }));
  const report = reconcile({ ...sound, books: await readSystemBooks(sound.shop, sound.tally), failures });
  expect(report.mismatches).toHaveLength(MISMATCHES_LISTED_MAX);
  expect(report.mismatchCount).toBe(5_000);
});

/** Makes one of the reading methods answer its first record twice. */
function twice(shop: MemoryShop, method: 'readOrders' | 'readReturns'): void {
  const original = shop[method] as (keys: ReadonlySet<string>) => AsyncIterable<never>;
  shop[method] = async function* (keys: ReadonlySet<string>) {
    let repeated = false;
    for await (const record of original(keys)) {
      yield record;
      if (!repeated) yield record;
      repeated = true;
    }
  };
}

function never(): never {
  throw new Error('the invented month has changed');
}
