import { expect, test } from 'vitest';
import { byOrders, csvOf, filled } from './sales.ts';

const row = (key: string, currency: string, grossMinor: number) => ({
  ...{ key, currency, orders: 1, units: 1, grossMinor, refundedMinor: 0, netMinor: grossMinor },
  ...{ returnedUnits: 0, cancelledOrders: 0, refusedOrders: 0 },
});

test('hours without sales are there, and other currencies are not', () => {
  const from = '2026-01-01T00:00:00.000Z';
  const items = [row('2026-01-01T01:00:00Z', 'EUR', 500), row('2026-01-01T02:00:00Z', 'GBP', 900)];
  const rows = filled({ from, to: '2026-01-01T04:00:00.000Z', items }, 'EUR', 'hour');
  expect(rows.map(({ grossMinor }) => grossMinor)).toEqual([0, 500, 0, 0]);
});

test('a file keeps commas, quotes and lines apart, and no cell becomes a formula', () => {
  expect(csvOf([['a,b', 'say "hi"', 'two\nlines', -5, '=1+1', '-3.50']])).toBe(
    '"a,b","say ""hi""","two\nlines",-5,\'=1+1,-3.50\r\n',
  );
});

test('the currency of most orders comes first', () => {
  const hour = '2026-01-01T01:00:00Z';
  expect(byOrders([row(hour, 'AED', 900_000), row(hour, 'EUR', 1), row('2026-01-01T02:00:00Z', 'EUR', 1)])).toEqual([
    'EUR',
    'AED',
  ]);
});
