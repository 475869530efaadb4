import { expect, test } from 'vitest';
import { copiesConverge } from '#lab/checkers';
import type { Check } from './check.ts';
import { checks, isQuiet } from './checks.ts';
import type { Facts, LogFact } from './facts.ts';
import { lettersMatchEvents } from './letters-check.ts';
import { salesModels } from './sales.ts';

const data = {
  channel: 'web',
  totalMinor: 500,
  lines: [{ kind: 'goods', sku: 'A', name: 'A', quantity: 2, unitPriceMinor: 250, totalMinor: 500 }],
} as const;

const log: readonly LogFact[] = [
  { partition: 1, offset: 0, eventId: 'e1', type: 'order.received', orderId: 'ord_1', data },
  { partition: 1, offset: 1, eventId: 'e2', type: 'order.confirmed', orderId: 'ord_1', data },
];
const figures = {
  orders: 1,
  units: 2,
  grossMinor: 500,
  refundedMinor: 0,
  returnedUnits: 0,
  cancelledOrders: 0,
  refusedOrders: 0,
};

/** One order of two units: published, read, told of and counted. The other checks are tested in lab/checkers. */
const sound: Facts = {
  operations: [],
  orders: [
    {
      id: 'ord_1',
      state: 'confirmed',
      totalMinor: 500,
      refundedMinor: 0,
      lines: [{ sku: 'A', quantity: 2 }],
      scope: 'guest:a',
      businessKey: 'place-1',
    },
  ],
  sagas: [{ id: 'ord_1', orderId: 'ord_1', definition: 'place-order', status: 'completed', step: 5 }],
  outbox: [],
  log,
  applied: [
    { eventId: 'e1', orderId: 'ord_1' },
    { eventId: 'e2', orderId: 'ord_1' },
  ],
  views: [{ orderId: 'ord_1', state: 'confirmed' }],
  deadLetters: [],
  letters: [{ id: 'ntf_1', eventId: 'e2', template: 'order.confirmed', status: 'sent' }],
  mails: [{ messageId: 'ntf_1@shop', recipient: 'a@example.com', subject: 'Your order ord_1 is confirmed' }],
  givenUp: [],
  models: salesModels(log, figures, [{ sku: 'A', units: 2, returnedUnits: 0 }]),
  followers: { reader: true, notifications: true },
};

const found = (check: Check, change: Partial<Facts>): string[] => [...check.find({ ...sound, ...change })];

test('a sound run passes every check', () => {
  for (const check of checks) expect([check.name, ...check.find(sound)]).toEqual([check.name]);
  expect(isQuiet(sound)).toBe(true);
});

test('a run is not quiet while an event waits, or a reader is behind', () => {
  expect(isQuiet({ ...sound, outbox: sound.log })).toBe(false);
  expect(isQuiet({ ...sound, applied: [] })).toBe(false);
  expect(isQuiet({ ...sound, sagas: [{ id: 'ord_1', status: 'running' }] })).toBe(false);
  expect(isQuiet({ ...sound, letters: [] })).toBe(false);
});

test('a letter that was not written, written twice, not sent, or sent under two names is found', () => {
  const check = lettersMatchEvents;
  const [letter] = sound.letters as [(typeof sound.letters)[0]];
  const [mail] = sound.mails as [(typeof sound.mails)[0]];
  expect(found(check, { letters: [], mails: [] })).toHaveLength(1);
  expect(found(check, { letters: [{ ...letter, status: 'pending' }] })).toHaveLength(1);
  expect(found(check, { mails: [] })).toHaveLength(1);
  expect(found(check, { mails: [mail, mail] })).toEqual([]);
  const twin = { letters: [letter, { ...letter, id: 'ntf_2' }], mails: [mail, { ...mail, messageId: 'ntf_2@shop' }] };
  expect(found(check, twin)).toHaveLength(2);
  expect(
    found(check, { mails: [mail, { ...mail, messageId: 'ntf_9@shop', recipient: 'b@example.com' }] }),
  ).toHaveLength(1);
  expect(found(check, { letters: [letter, { ...letter, id: 'ntf_2', eventId: 'e9' }] })).toHaveLength(2);
  expect(found(check, { givenUp: ['e2'] })).toHaveLength(1);
});

test('figures that count an event twice, or not at all, are found', () => {
  const products = [{ sku: 'A', units: 2, returnedUnits: 0 }];
  const wrong = (...of: Parameters<typeof salesModels>) => found(copiesConverge, { models: salesModels(...of) }).length;
  expect(wrong(log, figures, products)).toBe(0);
  expect(wrong(log, { ...figures, orders: 2, units: 4, grossMinor: 1000 }, products)).toBe(1);
  expect(wrong(log, undefined, [])).toBe(2);
  expect(wrong(log, figures, [...products, { sku: 'B', units: 1, returnedUnits: 0 }])).toBe(1);
  const [, confirmed] = log as [LogFact, LogFact];
  const change = { ...data, refundMinor: 500 };
  const cancelled = { ...confirmed, offset: 2, eventId: 'e3', type: 'order.cancelled', data: change };
  expect(wrong([...log, cancelled], figures, products)).toBe(2);
});
