import { expect, test } from 'vitest';
import type { SpanView } from '#contracts/operators';
import { moved, partsOf, placeIn, rowsOf, stretchOf, stretchText, zoomed } from './trace.ts';

const span = (spanId: string, parentSpanId: string | undefined, startMs: number, endMs: number): SpanView => ({
  ...{ traceId: 't', spanId, name: `orders.${spanId}`, kind: 'internal', startMs, durationMs: endMs - startMs },
  ...{ attributes: {}, events: [], ...(parentSpanId === undefined ? {} : { parentSpanId }) },
});

test('the critical path is what the end had to wait for', () => {
  const rows = rowsOf([
    span('root', undefined, 0, 100),
    span('quick', 'root', 10, 20),
    span('slow', 'root', 10, 60),
    span('last', 'root', 60, 95),
    span('afterwards', 'root', 90, 400),
  ]);
  const critical = rows.filter(({ isCritical }) => isCritical).map(({ span: { spanId } }) => spanId);
  expect(critical).toEqual(['root', 'slow', 'last']);
});

test('children stand below their parent, and a span without a recorded parent at the margin', () => {
  const rows = rowsOf([span('b', 'a', 5, 6), span('a', undefined, 0, 10), span('lost', 'gone', 3, 4)]);
  expect(rows.map(({ span: { spanId }, depth }) => `${spanId} ${depth}`)).toEqual(['a 0', 'b 1', 'lost 0']);
});

test('work that comes minutes later is a part of its own, with an honest gap before it', () => {
  const late = [
    span('root', undefined, 0, 60),
    span('child', 'root', 10, 50),
    span('late', undefined, 180_000, 180_012),
  ];
  const rows = rowsOf(late);
  expect(partsOf(rows)).toEqual([
    { fromMs: 0, toMs: 60, spans: 2 },
    { fromMs: 180_000, toMs: 180_012, spans: 1 },
  ]);
  expect(partsOf(rowsOf([span('root', undefined, 0, 60), span('child', 'root', 50, 60)]))).toHaveLength(1);
});

test('what is shown stands in the address, stays within the trace, and is nothing where all is shown', () => {
  const totalMs = 1_000;
  expect(stretchOf('100-200.5', totalMs)).toEqual({ fromMs: 100, toMs: 200.5 });
  expect(stretchText({ fromMs: 100, toMs: 200.5 }, totalMs)).toBe('100-200.5');
  expect(stretchText(stretchOf('', totalMs), totalMs)).toBe('');
  for (const nonsense of ['200-100', 'a-b', '-1-5', '5'])
    expect(stretchText(stretchOf(nonsense, totalMs), totalMs)).toBe('');
  expect(stretchOf('900-5000', totalMs)).toEqual({ fromMs: 0, toMs: 1_000 });
  expect(zoomed({ fromMs: 0, toMs: 100 }, 0.5, totalMs)).toEqual({ fromMs: 25, toMs: 75 });
  expect(zoomed({ fromMs: 0, toMs: 100 }, 2, totalMs)).toEqual({ fromMs: 0, toMs: 200 });
  expect(moved({ fromMs: 900, toMs: 1_000 }, 1, totalMs)).toEqual({ fromMs: 900, toMs: 1_000 });
  expect(moved({ fromMs: 100, toMs: 200 }, -1, totalMs)).toEqual({ fromMs: 50, toMs: 150 });
});

test('what was zoomed in and out again by way of the address is the whole trace, however long that is', () => {
  for (let totalMs = 10; totalMs < 10.1; totalMs += 0.00013) {
    const half = zoomed(stretchOf('', totalMs), 0.5, totalMs);
    const again = zoomed(stretchOf(stretchText(half, totalMs), totalMs), 2, totalMs);
    expect(stretchText(again, totalMs)).toBe('');
  }
});

test('a bar is cut off at the ends of what is shown, and one outside says on which side it is', () => {
  const shown = { fromMs: 100, toMs: 200 };
  expect(placeIn(shown, 150, 25)).toMatchObject({ start: 50, width: 25, side: undefined });
  expect(placeIn(shown, 0, 1_000)).toMatchObject({ start: 0, width: 100, side: undefined });
  expect(placeIn(shown, 10, 20)).toMatchObject({ width: 0, side: 'before' });
  expect(placeIn(shown, 300, 20)).toMatchObject({ width: 0, side: 'after' });
});

test('a call that failed is the work of whoever made it, and no service of its own', () => {
  const failed = { ...span('call', 'root', 10, 50), name: 'call payments.authorize', error: 'no answer' };
  expect(rowsOf([span('root', undefined, 0, 60), failed]).map(({ service }) => service)).toEqual(['orders', 'orders']);
});
