import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createLogger, createSegments, createTelemetry } from '#kit/telemetry';
import { newFolder } from '../testing.ts';
import { criticalPath } from './critical-path.ts';
import { findLines, findSpans, type KeptSpan, relatedTo } from './find.ts';
import { parseSince } from './since.ts';
import { renderWaterfall, tracesOf } from './waterfall.ts';

/** Two processes that keep what they log and record, as those of a shop do. */
async function shop() {
  const root = newFolder();
  const world = createVirtualWorld({ seed: 1, startMs: Date.UTC(2026, 0, 1, 12) });
  const processOf = (name: string) => {
    const kept = (kind: string) => createSegments({ ...world, folder: `${root}/${name}`, name: kind });
    const [logs, spansKept] = [kept('logs'), kept('spans')];
    const destination = { write: (line: string) => logs.append(line.trimEnd()) };
    const log = createLogger({ ...world, fields: { process: name }, destination });
    return {
      log: log.with({ service: name.replace(/-\d+$/, '') }),
      telemetry: createTelemetry({ ...world, service: 'holdfast', instance: name, sampleRatio: 1, spansKept }),
      flush: () => Promise.all([logs.flush(), spansKept.flush()]),
    };
  };
  const [gateway, orders] = [processOf('gateway'), processOf('orders-2')];

  async function placeOrder(orderId: string, correlationId: string): Promise<string> {
    const root = gateway.telemetry.span('POST /orders', undefined, { service: 'gateway' }, 'server');
    const inner = orders.telemetry.span('orders.place', root.traceparent, { service: 'orders' }, 'server');
    await world.advance(3);
    const step = orders.telemetry.span('place-order hold', inner, { service: 'orders', orderId, attempt: 2 });
    await world.advance(5);
    step.fail(new Error('no answer'));
    step.end();
    const { traceId } = root;
    orders.log.warn('saga step failed', { saga: orderId, correlationId, traceId, step: 1 });
    inner.end();
    await world.advance(1);
    root.end();
    gateway.log.info('request', { correlationId, traceId, step: 0, status: 201 });
    await Promise.all([gateway.flush(), orders.flush()]);
    return traceId;
  }
  return { root, world, gateway, orders, placeOrder };
}

test('by an order all lines and spans of its work are found, over all processes, and none of others', async () => {
  const { root, world, gateway, placeOrder } = await shop();
  const mine = await placeOrder('ord_1', 'cor_1');
  const other = await placeOrder('ord_11', 'cor_2');
  await world.advance(60_000);
  gateway.log.info('started', {});
  await gateway.flush();

  const related = relatedTo(root, 'ord_1');
  expect([...related.traceIds]).toEqual([mine]);
  expect([...related.correlationIds]).toEqual(['cor_1']);
  const anyOf = ['ord_1', mine, 'cor_1'];
  expect(findLines(root, { anyOf }).map(({ process, msg }) => [process, msg])).toEqual([
    ['orders-2', 'saga step failed'],
    ['gateway', 'request'],
  ]);
  expect(findSpans(root, related.traceIds).map(({ process, name }) => [process, name])).toEqual([
    ['gateway', 'POST /orders'],
    ['orders-2', 'orders.place'],
    ['orders-2', 'place-order hold'],
  ]);
  expect([...relatedTo(root, 'cor_2').traceIds]).toEqual([other]);
  expect([...relatedTo(root, other).correlationIds]).toEqual(['cor_2']);
  expect(findSpans(root, relatedTo(root, 'ord_2').traceIds)).toEqual([]);
});

test('lines are chosen by service, process, level and time, and all that is given must fit', async () => {
  const { root, world, gateway, placeOrder } = await shop();
  await placeOrder('ord_1', 'cor_1');
  await world.advance(60_000);
  const sinceMs = world.clock.now();
  gateway.log.error('broken', {});
  await gateway.flush();
  const found = (query: Parameters<typeof findLines>[1]) => findLines(root, query).map(({ msg }) => msg);
  expect(found({})).toEqual(['saga step failed', 'request', 'broken']);
  expect(found({ service: 'orders' })).toEqual(['saga step failed']);
  expect(found({ service: 'orders-2' })).toEqual(['saga step failed']);
  expect(found({ service: 'order' })).toEqual([]);
  expect(found({ level: 'warn' })).toEqual(['saga step failed', 'broken']);
  expect(found({ sinceMs })).toEqual(['broken']);
  expect(found({ sinceMs, service: 'orders' })).toEqual([]);
  expect(parseSince('10m', sinceMs)).toBe(sinceMs - 600_000);
  expect(parseSince('2026-01-01T12:00:00Z', 0)).toBe(Date.UTC(2026, 0, 1, 12));
  expect(() => parseSince('yesterday', 0)).toThrow('is no time');
});

test('a trace is drawn as a tree with its services, attempts and errors, and what held it up', async () => {
  const { root, placeOrder } = await shop();
  const traceId = await placeOrder('ord_1', 'cor_1');
  const [trace] = tracesOf(findSpans(root, new Set([traceId])));
  const text = renderWaterfall(trace as NonNullable<typeof trace>, { width: 140, paint: (_, plain) => plain });
  expect(text.replaceAll(traceId, 'TRACE').split('\n')).toEqual([
    'POST /orders  9.0 ms  2026-01-01T12:00:00.000Z',
    'trace TRACE  3 spans, 1 failed  gateway, orders',
    '',
    '     0.0      9.0 ms ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ POST /orders  gateway',
    '     0.0      8.0 ms ━━━━━━━━━━━━━━━━━━━━━━━━━━━      orders.place  orders in orders-2',
    '     3.0      5.0 ms           ━━━━━━━━━━━━━━━━━        place-order hold  orders in orders-2 attempt 2  ✗ Error: no answer',
    '',
    '━ critical path, by what took longest itself: place-order hold 5.0 ms (56 %), orders.place 3.0 ms (33 %), POST /orders 1.0 ms (11 %)',
  ]);
});

const span = (spanId: string, parentSpanId: string | undefined, startMs: number, endMs: number, kind = 'internal') =>
  ({
    traceId: 't',
    spanId,
    parentSpanId,
    startMs,
    durationMs: endMs - startMs,
    kind,
    name: spanId,
    attributes: {},
  }) as KeptSpan;

test('of calls side by side only the one that ends last holds the caller up; events and what comes later do not, what outlives it only until its end', () => {
  const spans = [
    span('root', undefined, 0, 100),
    span('quick', 'root', 10, 40),
    span('slow', 'root', 10, 80),
    span('event', 'root', 20, 95, 'consumer'),
    span('later', 'root', 120, 150),
    span('outlives', 'root', 90, 200),
  ];
  const path = criticalPath(spans[0] as KeptSpan, spans);
  expect(Object.fromEntries(path)).toEqual({ root: 20, slow: 70, outlives: 10 });
});

test('hops in front bear the name of the request: the path says whose, also where clocks differ by a millisecond', () => {
  const hop = (service: string, parent: string | undefined, startMs: number, endMs: number) => {
    const attributes = { service };
    return { ...span(service, parent, startMs, endMs, 'server'), name: 'POST /orders', attributes, process: service };
  };
  const spans = [
    hop('edge', undefined, 10, 20),
    hop('balancer', 'edge', 9.5, 18),
    hop('gateway', 'balancer', 10.5, 17),
  ];
  const [trace] = tracesOf(spans.toSorted((a, b) => a.startMs - b.startMs));
  const text = renderWaterfall(trace as NonNullable<typeof trace>, { width: 140, paint: (_, plain) => plain });
  expect(text.split('\n').slice(3)).toEqual([
    '     0.5     10.0 ms  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ POST /orders  edge',
    '     0.0      8.5 ms ━━━━━━━━━━━━━━━━━━━━━━━━         POST /orders  balancer',
    '     1.0      6.5 ms   ━━━━━━━━━━━━━━━━━━━              POST /orders  gateway',
    '',
    '━ critical path, by what took longest itself: POST /orders of gateway 6.5 ms (65 %), POST /orders of edge 2.0 ms (20 %), POST /orders of balancer 1.5 ms (15 %)',
  ]);
});

test('the times of a critical path sum up to the duration of its root, whatever the spans', () => {
  const tree = fc.array(
    fc.record({
      parent: fc.nat(20),
      startMs: fc.integer({ min: 0, max: 120 }),
      durationMs: fc.integer({ min: 0, max: 120 }),
    }),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(tree, (nodes) => {
      const spans = nodes.map(({ parent, startMs, durationMs }, i) =>
        span(String(i + 1), String(parent % (i + 1)), startMs, startMs + durationMs),
      );
      const root = span('0', undefined, 0, 100);
      const path = criticalPath(root, [root, ...spans]);
      const sum = [...path.values()].reduce((a, b) => a + b, 0);
      expect(sum).toBeCloseTo(100, 6);
      for (const ms of path.values()) expect(ms).toBeGreaterThanOrEqual(0);
    }),
  );
});

test('a circle of parents, which only a mistake can make, ends', () => {
  const spans = [span('a', 'b', 0, 10), span('b', 'a', 0, 10)];
  const [trace] = tracesOf(spans);
  expect(renderWaterfall(trace as NonNullable<typeof trace>, { width: 100, paint: (_, text) => text })).toContain('a');
});
