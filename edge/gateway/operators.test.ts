import { expect, test } from 'vitest';
import { type EventEnvelope, type LogRecord, partitionOf, type ReadRange } from '#kit/messaging';
import { findEvents } from './operators.ts';

const hourMs = 3_600_000;
const startMs = Date.parse('2026-01-01T00:00:00Z');

/** One event a second of `others` keys, one of the wanted key at each of these seconds. */
function logOf(seconds: number, wanted: readonly number[]) {
  const key = 'ord_wanted';
  const partition = partitionOf(key);
  let reads = 0;
  const at = (offset: number): LogRecord => {
    const event = {
      subject: wanted.includes(offset) ? key : 'ord_other',
      time: new Date(startMs + offset * 1_000).toISOString(),
    } as EventEnvelope;
    return { topic: 'orders', partition, offset, event };
  };
  return {
    key,
    get reads() {
      return reads;
    },
    log: {
      bounds: async () => [{ topic: 'orders', partition, firstOffset: 0, nextOffset: seconds }],
      async read([range]: readonly ReadRange[], limit: number) {
        reads += 1;
        const from = range?.fromOffset ?? 0;
        return Array.from({ length: Math.max(0, Math.min(limit, seconds - from)) }, (_, i) => at(from + i));
      },
    },
  };
}

test('events of a key are found from a time on without reading what came long before', async () => {
  const house = logOf(1_000_000, [5, 900_000, 900_004]);
  const { found, complete } = await findEvents(house.log, 'orders', house.key, startMs + 900_000_000);
  expect(found.map(({ offset }) => offset)).toEqual([900_000, 900_004]);
  expect(complete).toBe(false);
  expect(house.reads).toBeLessThan(40);
});

test('an answer says whether all that there is was looked through', async () => {
  const house = logOf(100, [5, 99]);
  const { found, complete } = await findEvents(house.log, 'orders', house.key, startMs - hourMs);
  expect(found.map(({ offset }) => offset)).toEqual([5, 99]);
  expect(complete).toBe(true);
});
