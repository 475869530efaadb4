import { expect, test } from 'vitest';
import type { TraceEvent } from '../trace.ts';
import { scriptJson } from './html.ts';
import { lanesOf, pageData, suspectsIn } from './page-data.ts';

const call = { kind: 'message', from: 'shoppers', node: 'orders-1', text: 'orders.place' } as const;
const events: readonly TraceEvent[] = [
  { atMs: 0, kind: 'node', node: 'orders-1', text: 'starts (1)' },
  { ...call, atMs: 2, sentAtMs: 1, about: ['op-3', 'ord_A'] },
  { atMs: 3, kind: 'sql', node: 'db-orders', from: 'orders-1', text: '80 1' },
  { atMs: 4, kind: 'client', node: 'shoppers', text: '#3 place: 201', about: ['op-3', 'ord_A'] },
  { atMs: 5, kind: 'node', node: 'orders-1', text: 'crashes: killed' },
  { atMs: 6, kind: 'fault', node: 'db-orders', text: 'is away for 2 ms', untilMs: 8 },
  { atMs: 7, kind: 'node', node: 'orders-1', text: 'starts (2)' },
  { atMs: 8, kind: 'fault', node: '', text: 'everything is put right' },
  { atMs: 9, kind: 'check', node: '', text: 'VIOLATED an accepted order is never lost: ord_A is gone' },
  { atMs: 9, kind: 'check', node: 'orders', text: 'customer_order (…)' },
];

test('people stand on the left, databases on the right, the world outside last', () => {
  const outside: TraceEvent = { atMs: 1, kind: 'provider', node: 'provider', from: 'payments-2', text: 'capture' };
  expect(lanesOf([...events.slice(0, -1), outside])).toEqual([
    'shoppers',
    'orders-1',
    'payments-2',
    'db-orders',
    'provider',
  ]);
});

test('a page has every event but the rows of tables, and tells when nodes were away', () => {
  const {
    lanes,
    events: drawn,
    lives,
    orders,
    suspects,
    left,
  } = pageData(events, [
    { check: 'an accepted order is never lost', detail: 'ord_A was acknowledged (operation 3) and is gone' },
  ]);
  expect(drawn).toHaveLength(events.length - 1);
  expect(left).toBe(0);
  expect(orders).toEqual([{ id: 'ord_A', name: '#3 ord_A' }]);
  expect(suspects).toEqual(['ord_A', 'op-3']);
  const away = lives
    .filter(({ state }) => state === 'down')
    .map(({ lane, fromMs, toMs }) => [lanes[lane], fromMs, toMs]);
  expect(away).toEqual([
    ['orders-1', 5, 7],
    ['db-orders', 6, 8],
  ]);
});

test('what a violation names can be followed: orders, requests, and the requests behind keys', () => {
  expect(suspectsIn('place-7 was answered with ord_A and with ord_B')).toEqual(['ord_A', 'ord_B', 'op-7']);
  expect(suspectsIn('operation 12 (refund) has no end')).toEqual(['op-12']);
  expect(suspectsIn('SKU-1: 2 sold')).toEqual([]);
});

test('no text of a run can end the element that carries it', () => {
  expect(scriptJson('</script><!--')).not.toContain('<');
});
