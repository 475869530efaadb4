import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Fulfilment, fulfil } from './fulfil.ts';
import { finishChange, type OrderRecord, startChange } from './model.ts';
import { confirmedOrder } from './testing.ts';

const bought = { MUG: 4, CUP: 1 };
const order = confirmedOrder;

type Lines = readonly { readonly sku: string; readonly quantity: number }[];
let names = 0;
const named = () => {
  names += 1;
  return { key: `key-${names}`, occurredAt: '2030-01-01T00:00:00Z' };
};
const sending = (lines?: Lines): Fulfilment => {
  const { key, occurredAt } = named();
  const shipment = { shipmentId: `shp_${key}`, key, occurredAt, ...(lines ? { lines: [...lines] } : {}) };
  return { kind: 'fulfil', shipment };
};
const send = (from: OrderRecord, lines?: Lines) => fulfil(from, sending(lines));
const complete = (from: OrderRecord) => fulfil(from, { kind: 'complete', ...named() });
function giveBack(from: OrderRecord, lines: Lines, onlyUnsent = false): OrderRecord {
  const { key, occurredAt } = named();
  const common = { changeId: `ret_${key}`, key, occurredAt, reason: '' };
  const change = { kind: 'return', ...common, lines, sellable: true, refundMinor: undefined, onlyUnsent } as const;
  return finishChange(startChange(from, change).order, change);
}
const cancel = { kind: 'cancel', changeId: 'can_1', key: 'c', reason: '', occurredAt: '2030-01-01T00:00:00Z' } as const;
const unsentOf = (from: OrderRecord) => from.returns.flatMap(({ lines }) => lines.map(({ unsent }) => unsent));

test('an order is sent in parts, never more than was bought, and fulfilled with the last of them', () => {
  const part = send(order, [{ sku: 'MUG', quantity: 3 }]);
  expect(part).toMatchObject({ state: 'confirmed', shipments: [{ lines: [{ sku: 'MUG', quantity: 3 }] }] });
  const twoOfOne = [
    { sku: 'MUG', quantity: 1 },
    { sku: 'MUG', quantity: 1 },
  ];
  expect(() => send(part, twoOfOne)).toThrow('MUG: 0 left to send');
  expect(() => send(part, [{ sku: 'NONE', quantity: 1 }])).toThrow('NONE: 0 left to send');
  const whole = send(part);
  expect(whole.state).toBe('fulfilled');
  expect(whole.shipments?.[1]?.lines).toEqual([
    { sku: 'MUG', quantity: 1 },
    { sku: 'CUP', quantity: 1 },
  ]);
  expect(() => send(whole)).toThrow('the order is fulfilled');
});

test('what was sent can not be cancelled, and comes back by a return', () => {
  const part = send(order, [{ sku: 'CUP', quantity: 1 }]);
  expect(() => startChange(part, cancel)).toThrow('some of it was sent: take it back with a return');
  const back = giveBack(part, [{ sku: 'CUP', quantity: 1 }]);
  expect(back.state).toBe('confirmed');
  expect(unsentOf(back)).toEqual([0]);
});

test('units that come back before they were sent are not sent any more', () => {
  const part = send(order, [{ sku: 'MUG', quantity: 1 }]);
  const less = giveBack(part, [{ sku: 'MUG', quantity: 3 }]);
  expect(unsentOf(less)).toEqual([2]);
  expect(() => send(less, [{ sku: 'MUG', quantity: 2 }])).toThrow('MUG: 1 left to send');
  // The last unit to be sent comes back instead: nothing is left to send.
  const rest = send(less, [{ sku: 'MUG', quantity: 1 }]);
  expect(giveBack(rest, [{ sku: 'CUP', quantity: 1 }]).state).toBe('fulfilled');
});

test('customers take back only what was not sent: nobody has seen the rest come back', () => {
  const part = send(order, [{ sku: 'MUG', quantity: 3 }]);
  const less = giveBack(part, [{ sku: 'MUG', quantity: 1 }], true);
  expect(unsentOf(less)).toEqual([1]);
  expect(() => giveBack(less, [{ sku: 'MUG', quantity: 1 }], true)).toThrow(
    'MUG: 0 not sent; staff take back what was',
  );
  const sent = complete(send(less));
  expect(() => giveBack(sent, [{ sku: 'CUP', quantity: 1 }], true)).toThrow('CUP: 0 not sent');
  expect(unsentOf(giveBack(sent, [{ sku: 'MUG', quantity: 3 }]))).toEqual([1, 0]);
});

test('an order is completed when nothing is left to send, and can still be returned afterwards', () => {
  expect(() => complete(order)).toThrow('5 units are still to be sent');
  const closed = complete(send(order));
  expect(closed.state).toBe('completed');
  expect(() => complete(closed)).toThrow('the order is completed');
  const back = giveBack(closed, [
    { sku: 'MUG', quantity: 4 },
    { sku: 'CUP', quantity: 1 },
  ]);
  expect(back).toMatchObject({ state: 'returned', refundedMinor: 3_500 });
});

test('a return that names a SKU twice gets no more than was bought', () => {
  const twice = [
    { sku: 'CUP', quantity: 1 },
    { sku: 'CUP', quantity: 1 },
  ];
  expect(() => giveBack(order, twice)).toThrow('CUP: 0 bought and not returned');
});

test('an order says no more after a hundred shipments', () => {
  const lines = order.lines.map((line) => ({ ...line, quantity: 1_000 }));
  let big: OrderRecord = { ...order, lines };
  for (let i = 0; i < 100; i++) big = send(big, [{ sku: 'MUG', quantity: 1 }]);
  expect(() => send(big)).toThrow('it has 100 shipments');
});

/* Each unit by itself, as somebody with a shelf and a list would know it. */
type Place = 'shelf' | 'customer' | 'back' | 'taken off';

const lines = fc.array(fc.record({ sku: fc.constantFrom('MUG', 'CUP'), quantity: fc.integer({ min: 1, max: 3 }) }), {
  minLength: 1,
  maxLength: 3,
});
const step = fc.oneof(
  fc.record({ kind: fc.constantFrom('send', 'return'), lines }),
  fc.record({ kind: fc.constantFrom('send-rest', 'complete', 'cancel') }),
);

test('whatever is sent, returned and closed in whatever order, every unit is in one place, and the state says which', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const units: Record<string, Place[]> = {
        MUG: Array(bought.MUG).fill('shelf'),
        CUP: Array(bought.CUP).fill('shelf'),
      };
      const all = () => Object.values(units).flat();
      const are = (place: Place) => all().filter((each) => each === place).length;
      function move(moved: Lines, from: readonly Place[], to: (from: Place) => Place): void {
        for (const { sku, quantity } of moved) {
          for (let i = 0; i < quantity; i++) {
            const place = from.find((each) => units[sku]?.includes(each)) as Place;
            units[sku]?.splice(units[sku].indexOf(place), 1, to(place));
          }
        }
      }
      let now = order;
      let refundedMinor = 0;
      for (const each of steps) {
        try {
          if (each.kind === 'send' && 'lines' in each) {
            now = send(now, each.lines);
            move(each.lines, ['shelf'], () => 'customer');
          } else if (each.kind === 'return' && 'lines' in each) {
            now = giveBack(now, each.lines);
            move(each.lines, ['customer', 'shelf'], (from) => (from === 'shelf' ? 'taken off' : 'back'));
            for (const { sku, quantity } of each.lines) refundedMinor += quantity * (sku === 'MUG' ? 500 : 1_500);
          } else if (each.kind === 'send-rest') {
            now = send(now);
            for (const sku of Object.keys(units))
              units[sku] = (units[sku] ?? []).map((at) => (at === 'shelf' ? 'customer' : at));
          } else if (each.kind === 'complete') now = complete(now);
          else if (each.kind === 'cancel') {
            startChange(now, cancel);
            expect(now.shipments).toBe(null);
          }
        } catch (error) {
          if ((error as { code?: string }).code !== 'orders/not-possible') throw error;
        }
        const sent = (now.shipments ?? []).flatMap((shipment) => shipment.lines);
        expect(sent.reduce((sum, { quantity }) => sum + quantity, 0)).toBe(are('customer') + are('back'));
        expect(unsentOf(now).reduce((sum: number, unsent = 0) => sum + unsent, 0)).toBe(are('taken off'));
        expect(now.refundedMinor).toBe(refundedMinor);
        const allBack = are('back') + are('taken off') === 5;
        if (allBack) expect(now.state).toBe('returned');
        else if (are('shelf') === 0) expect(['fulfilled', 'completed']).toContain(now.state);
        else expect(now.state).toBe('confirmed');
      }
    }),
    { numRuns: 500 },
  );
});
