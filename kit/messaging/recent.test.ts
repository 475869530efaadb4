import { expect, test } from 'vitest';
import type { EventEnvelope } from './envelope.ts';
import { createRecentEvents } from './recent.ts';

const texts = (...ids: number[]) => ids.map((id) => JSON.stringify({ id: String(id) } as Partial<EventEnvelope>));
const range = (fromOffset: number, partition = 0) => ({ topic: 't', partition, fromOffset });
const idsOf = (records: ReturnType<ReturnType<typeof createRecentEvents>['read']>) =>
  records?.map(({ offset, event }) => [offset, event.id]);

test('what was appended is read from where a reader stands', () => {
  const recent = createRecentEvents();
  recent.appended('t', 0, 5, texts(5, 6));
  recent.appended('t', 0, 7, texts(7));
  expect(idsOf(recent.read([range(6)], 10, 10))).toEqual([
    [6, '6'],
    [7, '7'],
  ]);
  expect(idsOf(recent.read([range(5)], 2, 10))).toHaveLength(2);
  expect(idsOf(recent.read([range(5)], 10, 1))).toHaveLength(1);
});

test('who has read all of it, or stands before it, has to ask the database', () => {
  const recent = createRecentEvents();
  expect(recent.read([range(0)], 10, 10)).toBeUndefined();
  recent.appended('t', 0, 5, texts(5));
  recent.appended('t', 1, 0, texts(0));
  expect(recent.read([range(6)], 10, 10)).toBeUndefined();
  expect(recent.read([range(4), range(0, 1)], 10, 10)).toBeUndefined();
});

test('what another process appended in between is never skipped', () => {
  const recent = createRecentEvents();
  recent.appended('t', 0, 0, texts(0));
  recent.appended('t', 0, 2, texts(2));
  expect(recent.read([range(1)], 10, 10)).toBeUndefined();
  expect(idsOf(recent.read([range(2)], 10, 10))).toEqual([[2, '2']]);
});

test('however much there is here, the database is asked every so often', () => {
  const recent = createRecentEvents();
  recent.appended('t', 0, 0, texts(0));
  const asked = Array.from({ length: 20 }, () => recent.read([range(0)], 10, 10) === undefined);
  expect(asked.filter(Boolean)).toHaveLength(2);
});

test('it keeps the newest of a partition, and a bounded length of text', () => {
  const recent = createRecentEvents();
  for (let offset = 0; offset < 100; offset++) recent.appended('t', 0, offset, texts(offset));
  expect(recent.read([range(35)], 10, 10)).toBeUndefined();
  expect(idsOf(recent.read([range(36)], 100, 100))).toHaveLength(64);
  // Also of what comes all at once, first of all.
  recent.appended('t', 3, 0, texts(...Array(100).keys()));
  expect(recent.read([range(35, 3)], 10, 10)).toBeUndefined();
  expect(idsOf(recent.read([range(36, 3)], 100, 100))?.[0]).toEqual([36, '36']);
  const long = JSON.stringify({ id: 'x'.repeat(3 * 2 ** 20) });
  recent.appended('t', 1, 0, [long]);
  recent.appended('t', 2, 0, [long]);
  expect(recent.read([range(0, 1)], 1, 1)).toBeUndefined();
  expect(recent.read([range(0, 2)], 1, 1)).toHaveLength(1);
});

test('what retention removed is forgotten', () => {
  const recent = createRecentEvents();
  recent.appended('t', 0, 0, texts(0));
  recent.forget();
  expect(recent.read([range(0)], 10, 10)).toBeUndefined();
});
