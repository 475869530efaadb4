import { expect, test } from 'vitest';
import { computeTotals, orderLinesOf } from '#contracts/pricing';
import { type Change, changeOf, finishChange, type OrderRecord, priceLines, startChange, totalOf } from './model.ts';

const order: OrderRecord = {
  id: 'ord_1',
  customerId: null,
  email: 'ada@example.org',
  channel: 'web',
  currency: 'EUR',
  totalMinor: 3_500,
  country: null,
  lines: [
    { kind: 'goods', sku: 'MUG', name: 'A mug', quantity: 2, unitPriceMinor: 500, totalMinor: 1_000 },
    { kind: 'goods', sku: 'CUP', name: 'A cup', quantity: 1, unitPriceMinor: 1_500, totalMinor: 1_500 },
    { kind: 'goods', sku: 'MUG', name: 'A mug', quantity: 2, unitPriceMinor: 500, totalMinor: 1_000 },
  ],
  shippingAddress: null,
  state: 'confirmed',
  reason: null,
  refundedMinor: 0,
  returns: [],
  refunds: [],
  cancellation: null,
  shipments: null,
  scope: 's',
  businessKey: 'k',
  placedAtMs: 0,
  hlc: null,
  decidedAtMs: 0,
};

const named = (changeId: string) => ({ changeId, key: changeId, reason: '', occurredAt: '2030-01-01T00:00:00Z' });

function carryOut(before: OrderRecord, change: Change): OrderRecord {
  return finishChange(startChange(before, change).order, change);
}

const partBack: Change = {
  ...named('ret_1'),
  kind: 'return',
  sellable: true,
  refundMinor: undefined,
  lines: [
    { sku: 'MUG', quantity: 1 },
    { sku: 'CUP', quantity: 1 },
  ],
};
const cancel: Change = { ...named('can_1'), kind: 'cancel' };

test('a cancellation brings back all goods, one entry a SKU', () => {
  expect(changeOf(carryOut(order, cancel), 'can_1').returned).toEqual([
    { sku: 'MUG', quantity: 4 },
    { sku: 'CUP', quantity: 1 },
  ]);
});

test('a cancellation after a return brings back the rest only', () => {
  const returned = carryOut(order, partBack);
  expect(changeOf(returned, 'ret_1').returned).toEqual(partBack.lines);
  const cancelled = carryOut(returned, cancel);
  expect(changeOf(cancelled, 'can_1')).toEqual({
    change: { key: 'can_1', occurredAt: '2030-01-01T00:00:00Z' },
    returned: [{ sku: 'MUG', quantity: 3 }],
  });
});

test('what comes back of a cart is worth what was paid for it: discounts off, taxes on, to the unit', () => {
  const totals = computeTotals({
    currency: 'USD',
    lines: [
      { sku: 'MUG', name: 'A mug', quantity: 3, unitPriceMinor: 333 },
      { sku: 'CUP', name: 'A cup', quantity: 1, unitPriceMinor: 1_500 },
    ],
    offers: [{ name: 'Ten off', off: { kind: 'percentage', ratePpm: 100_000 } }],
    taxes: { name: 'Sales tax', included: false, rates: { standard: 72_500 } },
  });
  const lines = priceLines(orderLinesOf(totals), new Map(), 'EUR');
  let current: OrderRecord = { ...order, currency: 'USD', lines, totalMinor: totalOf(lines) };
  expect(current.totalMinor).toBe(totals.totalMinor);
  const refunds = [1, 2].map((quantity, i) => {
    const change: Change = {
      ...named(`ret_${i}`),
      kind: 'return',
      sellable: true,
      refundMinor: undefined,
      lines: [{ sku: 'MUG', quantity }],
    };
    const { refundMinor } = startChange(current, change);
    current = carryOut(current, change);
    return refundMinor;
  });
  // 999 less a discount of 100, and 65 of tax on the rest: 964 for three.
  expect(refunds).toEqual([321, 643]);
});
