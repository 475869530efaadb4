import { expect, test } from 'vitest';
import type { SpanView } from '#contracts/operators';
import { rowsOf } from './trace.ts';

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
