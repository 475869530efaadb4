import { expect, test } from 'vitest';
import { classifyInvoice, type Invoice } from './classify.ts';
import { adjustmentReason, kindOfCode } from './codes.ts';
import { countryCode } from './countries.ts';
import { createInvoiceBooks } from './invoice.ts';
import { parseRow, type RawRow, type Row } from './row.ts';

type Line = [code: string, quantity: number, unitPrice: string, change?: Partial<RawRow>];

let lineNumber = 0;

function invoice(number: string, lines: Line[], customer = '501', at = '2031-03-01 10:00:00'): Invoice {
  const rows = lines.map(([code, quantity, unitPrice, change]) => {
    lineNumber += 1;
    const text = { invoice: number, code, description: `NAME ${code}`, quantity: String(quantity), at, unitPrice };
    const more = { customer, country: 'France', kind: '', kindStated: false, fields: [] };
    return parseRow({ file: 'x', line: lineNumber, ...text, ...more, ...change }) as Row;
  });
  return { number, rows: rows as [Row, ...Row[]] };
}

const classesOf = (input: Invoice) => {
  const { rows, rejects } = classifyInvoice(input);
  return [...rows.map((line) => line.class), ...rejects.map((reject) => reject.reason)];
};

function planner() {
  const books = createInvoiceBooks({ currency: 'GBP' });
  return (input: Invoice) => books.operationsOf(classifyInvoice(input));
}

test('codes nobody has seen yet land on the right side', () => {
  for (const code of ['22386', '85123A', 'DCGS0076', 'DCGSSGIRL', 'SP1002', '15056BL']) {
    expect(kindOfCode(code)).toBe('goods');
  }
  expect(['POST', 'DOT', 'C2', 'C3'].map(kindOfCode)).toEqual(Array(4).fill('postage'));
  expect(['CRUK', 'B', 'GIFT_0001_20', 'TEST002', 'ADJUST2', 'WIDGET'].map(kindOfCode)).toEqual([
    'commission',
    'bad-debt',
    'voucher',
    'test',
    'correction',
    'other',
  ]);
});

test('a price of nothing is a gift beside a paid line or for a customer, and a correction otherwise', () => {
  const gift: Line = ['10001', 2, '0'];
  expect(classesOf(invoice('1', [gift, ['10002', 1, '1']], ''))).toEqual(['sold', 'sold']);
  expect(classesOf(invoice('1', [gift]))).toEqual(['sold']);
  expect(classesOf(invoice('1', [gift], ''))).toEqual(['adjusted']);
  expect(classesOf(invoice('1', [['10001', -2, '0']]))).toEqual(['adjusted']);
  expect(classesOf(invoice('C1', [['10001', -2, '0']]))).toEqual(['returned']);
});

test('what no rule can book is rejected by name', () => {
  expect(classesOf(invoice('1', [['10001', 1, '-2']]))).toEqual(['negative-price']);
  expect(classesOf(invoice('C1', [['10001', 1, '2']]))).toEqual(['positive-in-credit-note']);
  expect(classesOf(invoice('1', [['TEST001', 1, '2']]))).toEqual(['test-product']);
  const good: Line = ['10001', 1, '2'];
  expect(classesOf(invoice('1', [good, ['10001', 1, '2', { customer: '7' }]]))).toEqual(['sold', 'customer-differs']);
  expect(classesOf(invoice('1', [good, ['10001', 1, '2', { country: 'Spain' }]]))).toEqual(['sold', 'country-differs']);
  expect(classesOf(invoice('1', [['X', 1, '2', { kindStated: true, kind: 'nonsense' }]]))).toEqual(['bad-kind']);
  expect(classesOf(invoice('1', [['MUG', 1, '2', { kindStated: true }]]))).toEqual(['sold']);
});

test('an order keeps repeated lines apart and lets discounts reduce its total', () => {
  const [order] = planner()(
    invoice('1', [
      ['10001', 2, '1.5'],
      ['10001', 2, '1.5'],
      ['D', -1, '0.55'],
      ['POST', 1, '3'],
    ]),
  );
  expect(order).toMatchObject({ type: 'order', key: '1', totalMinor: 845, customer: '501', country: 'FR' });
  expect(
    order?.type === 'order' && order.lines.map((line) => [line.quantity, line.unitPriceText, line.totalMinor]),
  ).toEqual([
    [2, '1.5', 300],
    [2, '1.5', 300],
    [1, '-0.55', -55],
    [1, '3', 300],
  ]);
});

test('an order never has a negative total: its discounts are booked beside it', () => {
  const operations = planner()(
    invoice('1', [
      ['10001', 1, '1'],
      ['D', -1, '5'],
    ]),
  );
  expect(operations.map(({ type }) => type)).toEqual(['order', 'entries']);
  expect(operations).toMatchObject([{ totalMinor: 100 }, { totalMinor: -500 }]);
});

test('fees between the shop and others never enter an order', () => {
  const operations = planner()(invoice('A1', [['B', 1, '-11062.06']], ''));
  expect(operations).toMatchObject([{ type: 'entries', key: 'A1/entries', totalMinor: -1106206 }]);
  expect(planner()(invoice('2', [['AMAZONFEE', 1, '13.5']], ''))).toMatchObject([
    { type: 'entries', totalMinor: 1350 },
  ]);
});

test('a return takes the most recent sale at the credited price that covers it whole', () => {
  const plan = planner();
  plan(invoice('1', [['10001', 10, '2']]));
  plan(invoice('2', [['10001', 10, '2']]));
  plan(invoice('3', [['10001', 2, '2']]));
  plan(invoice('4', [['10001', 10, '3']]));
  expect(plan(invoice('C5', [['10001', -5, '2']]))).toMatchObject([
    { type: 'return', key: 'C5/2', orderKey: '2', refundMinor: 1000, lines: [{ sku: '10001', quantity: 5 }] },
  ]);
});

test('a return is split over sales, then the rest is foreign', () => {
  const plan = planner();
  plan(invoice('1', [['10001', 3, '1.005']]));
  plan(invoice('2', [['10001', 4, '1.005']]));
  const operations = plan(invoice('C3', [['10001', -9, '1.005']]));
  expect(operations).toMatchObject([
    { type: 'return', orderKey: '2', lines: [{ quantity: 4 }], refundMinor: 402 },
    { type: 'return', orderKey: '1', lines: [{ quantity: 3 }], refundMinor: 302 },
    { type: 'adjust', key: 'C3/stock/foreign-return-in', reason: 'foreign-return', lines: [{ quantity: 2 }] },
    { type: 'entries', totalMinor: -200, lines: [{ kind: 'foreign-return', quantity: -2 }] },
  ]);
});

test('no sale gives back more units or money than it took', () => {
  const plan = planner();
  plan(
    invoice('1', [
      ['10001', 10, '1'],
      ['D', -1, '8'],
    ]),
  );
  // 10 units were sold, but only 2.00 was paid for the order.
  expect(plan(invoice('C2', [['10001', -3, '1']])).map(({ type }) => type)).toEqual(['adjust', 'entries']);
  expect(plan(invoice('C3', [['10001', -2, '1']])).map(({ type }) => type)).toEqual(['return']);
  expect(plan(invoice('C4', [['10001', -2, '1']])).map(({ type }) => type)).toEqual(['adjust', 'entries']);
});

test('a sale at a lower price, to somebody else or to nobody is no match', () => {
  const plan = planner();
  plan(invoice('1', [['10001', 9, '1']]));
  plan(invoice('2', [['10001', 9, '5']], '777'));
  plan(invoice('3', [['10001', 9, '5']], ''));
  expect(plan(invoice('C4', [['10001', -1, '2']])).map(({ type }) => type)).toEqual(['adjust', 'entries']);
  expect(plan(invoice('C5', [['10001', -1, '5']], '')).map(({ type }) => type)).toEqual(['adjust', 'entries']);
});

test('postage is refunded without goods', () => {
  const plan = planner();
  plan(invoice('1', [['POST', 2, '18']]));
  expect(plan(invoice('C2', [['POST', -1, '18']]))).toMatchObject([
    { type: 'refund', key: 'C2/1/refund', orderKey: '1', amountMinor: 1800 },
  ]);
});

test('the same invoice again is the same operations; with other rows it is another part', () => {
  const plan = planner();
  const first = plan(invoice('1', [['10001', 5, '2']]));
  const credit = plan(invoice('C2', [['10001', -5, '2']]));
  expect(plan(invoice('1', [['10001', 5, '2']]))).toEqual(first);
  expect(plan(invoice('C2', [['10001', -5, '2']]))).toEqual(credit);
  const [more] = plan(invoice('1', [['10002', 1, '2']]));
  expect(more?.key).toMatch(/^1~[0-9a-f]{12}$/);
});

test('decisions survive in the kept state, and sales of earlier months are found', () => {
  const before = createInvoiceBooks({ currency: 'GBP' });
  before.operationsOf(classifyInvoice(invoice('1', [['10001', 5, '2.004']])));
  const credit = before.operationsOf(classifyInvoice(invoice('C2', [['10001', -2, '2.004']])));
  const state = JSON.parse(JSON.stringify(before.state()));
  const after = createInvoiceBooks({ currency: 'GBP', state });
  expect(after.operationsOf(classifyInvoice(invoice('C2', [['10001', -2, '2.004']])))).toEqual(credit);
  expect(after.operationsOf(classifyInvoice(invoice('C3', [['10001', -3, '2.004']])))).toMatchObject([
    { type: 'return', orderKey: '1', lines: [{ quantity: 3 }] },
  ]);
  expect(after.operationsOf(classifyInvoice(invoice('C4', [['10001', -1, '2.004']])))[0]?.type).toBe('adjust');
});

test('a correction is named from its description', () => {
  const reasons = ['wet/rusty', 'Thrown away.', '?lost', 'MIA', 'check', ''].map((text) => adjustmentReason(text, -1));
  expect(reasons).toEqual(['damaged', 'damaged', 'lost', 'lost', 'correction', 'correction']);
  expect(adjustmentReason('Found', 3)).toBe('found');
  expect(adjustmentReason('damaged', 3)).toBe('correction');
});

test('countries are known by name, by code and by what shops write', () => {
  const names = [
    'United Kingdom',
    'EIRE',
    'Germany',
    'USA',
    'RSA',
    'Czech Republic',
    'fr',
    'Hong Kong',
    'Atlantis',
    '',
  ];
  expect(names.map(countryCode)).toEqual(['GB', 'IE', 'DE', 'US', 'ZA', 'CZ', 'FR', 'HK', 'ZZ', 'ZZ']);
});
