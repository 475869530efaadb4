import { expect, test } from 'vitest';
import { computeTotals, orderLinesOf } from '#contracts/pricing';
import {
  type Change,
  changeOf,
  checkBounds,
  finishChange,
  type OrderRecord,
  priceLines,
  startChange,
  totalOf,
} from './model.ts';
import { confirmedOrder } from './testing.ts';

const order = confirmedOrder;

const named = (changeId: string) => ({ changeId, key: changeId, reason: '', occurredAt: '2030-01-01T00:00:00Z' });

function carryOut(before: OrderRecord, change: Change): OrderRecord {
  return finishChange(startChange(before, change).order, change);
}

const partBack: Change = {
  ...named('ret_1'),
  kind: 'return',
  sellable: true,
  refundMinor: undefined,
  onlyUnsent: false,
  lines: [
    { sku: 'MUG', quantity: 1 },
    { sku: 'CUP', quantity: 1 },
  ],
};
const cancel: Change = { ...named('can_1'), kind: 'cancel' };

test('nothing goes back for a line of which more was taken off than it costs, and nothing comes in', () => {
  const [mugs, ...others] = order.lines;
  const lines = [{ ...(mugs as OrderRecord['lines'][number]), discountMinor: 90_000 }, ...others];
  const mugBack: Change = { ...partBack, lines: [{ sku: 'MUG', quantity: 2 }] };
  const started = startChange({ ...order, lines, refundedMinor: 500 }, mugBack);
  expect(started).toMatchObject({ refundMinor: 0, order: { refundedMinor: 500 } });
});

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
      onlyUnsent: false,
      lines: [{ sku: 'MUG', quantity }],
    };
    const { refundMinor } = startChange(current, change);
    current = carryOut(current, change);
    return refundMinor;
  });
  // 999 less a discount of 100, and 65 of tax on the rest: 964 for three.
  expect(refunds).toEqual([321, 643]);
});

test('a return gives back what staff say, or nothing: never less without a word', () => {
  const wanted = { ...partBack, refundMinor: 4_000 };
  expect(() => startChange(order, wanted)).toThrow('4000 to refund, 3990 left');
  expect(startChange(order, { ...partBack, refundMinor: 10 }).refundMinor).toBe(10);
  // By itself it gives back what was paid, and at most what is left of it.
  const refunded = carryOut(order, { ...named('ref_1'), kind: 'refund', amountMinor: 3_000 });
  expect(startChange(refunded, partBack).refundMinor).toBe(990);
});

test('an order keeps a thousand returns and refunds, and says so', () => {
  const refunds = Array.from({ length: 1_000 }, (_, i) => {
    return { refundId: `ref_${i}`, key: `k${i}`, state: 'done', amountMinor: 1, reason: '', occurredAt: '' } as const;
  });
  const many = { ...order, refunds, refundedMinor: 1_000 };
  expect(() => startChange(many, partBack)).toThrow('it has 1000 returns and refunds, and no more are kept');
  expect(startChange(many, cancel).order.state).toBe('cancelling');
});

test('what no hold and no payment could be of is refused with the place, before anything is kept', () => {
  const line = (quantity: number, totalMinor: number) => {
    return { kind: 'goods', sku: 'MUG', name: 'A mug', quantity, unitPriceMinor: 1, totalMinor } as const;
  };
  expect(() => checkBounds([line(1_000_000, 1), line(1, 1)])).toThrow(
    '/lines hold 1000001 units of MUG, more than 1000000',
  );
  expect(() => checkBounds([line(1, 1e12), line(1, 1)])).toThrow('/lines come to 1000000000001, more than');
  // Sums beyond what a double holds exactly never come about.
  expect(() => checkBounds([line(1, 1e18), line(1, -1e18)])).toThrow('/lines/0 comes to more than 1000000000000');
  checkBounds([line(1_000_000, 1e12)]);
});
