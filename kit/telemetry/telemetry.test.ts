import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import {
  addProcessMetrics,
  createTelemetry,
  firstHop,
  formatTraceparent,
  hopFields,
  nextHop,
  noTelemetry,
  parseTraceparent,
  renderTrace,
  type TelemetryOptions,
} from './index.ts';

function setUp(options: Partial<TelemetryOptions> = {}) {
  const world = createVirtualWorld({ seed: 1, startMs: 1_000_000 });
  const telemetry = createTelemetry({ ...world, service: 'orders', sampleRatio: 1, ...options });
  return { world, telemetry };
}

const hex = (length: number) =>
  fc.array(fc.constantFrom(...'0123456789abcdef'), { minLength: length, maxLength: length }).map((d) => d.join(''));

test('traceparent: what is formatted is parsed, anything else begins a new trace', () => {
  fc.assert(
    fc.property(hex(32), hex(16), fc.boolean(), (traceId, spanId, sampled) => {
      fc.pre(!/^0+$/.test(traceId) && !/^0+$/.test(spanId));
      expect(parseTraceparent(formatTraceparent({ traceId, spanId, sampled }))).toEqual({ traceId, spanId, sampled });
    }),
  );
  const [trace, span] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];
  expect(parseTraceparent(`cc-${trace}-${span}-01-what-the-future-will-bring`)).toMatchObject({ sampled: true });
  for (const text of [
    '',
    `ff-${trace}-${span}-01`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace.toUpperCase()}-${span}-01`,
    `00-${trace}-${span}-01-more`,
    `cc-${trace}-${span}-01.more`,
    `00-${trace}-${span}`,
  ]) {
    expect(parseTraceparent(text), text).toBeUndefined();
  }
});

test('a trace reaches across services as one tree', async () => {
  const { world, telemetry } = setUp();
  const gateway = telemetry.span('POST /orders', undefined, { 'http.route': '/orders' }, 'server');
  await world.advance(2);
  const remote = telemetry.span('orders.place', gateway.traceparent, {}, 'server');
  const commit = telemetry.span('commit', remote, { rows: 4 });
  await world.advance(3.5);
  commit.event('flushed', { batch: 7 });
  commit.end();
  remote.fail(Object.assign(new Error('out of stock'), { category: 'conflict', code: 'inventory/out-of-stock' }));
  remote.end();
  gateway.end();
  const spans = telemetry.spans.trace(gateway.traceId);
  expect(spans.map(({ name, startMs, durationMs }) => ({ name, startMs, durationMs }))).toEqual([
    { name: 'POST /orders', startMs: 1_000_000, durationMs: 5.5 },
    { name: 'orders.place', startMs: 1_000_002, durationMs: 3.5 },
    { name: 'commit', startMs: 1_000_002, durationMs: 3.5 },
  ]);
  expect(spans[1]).toMatchObject({
    parentSpanId: spans[0]?.spanId,
    error: 'Error: out of stock',
    attributes: { 'error.category': 'conflict', 'error.type': 'inventory/out-of-stock' },
  });
  expect(spans[2]?.events).toEqual([{ name: 'flushed', atMs: 1_000_005.5, attributes: { batch: 7 } }]);
  expect(renderTrace(spans)).toBe(
    [
      '     0.0 ms      5.5 ms  POST /orders http.route=/orders',
      '     2.0 ms      3.5 ms    orders.place error.category=conflict error.type=inventory/out-of-stock  ✗ Error: out of stock',
      '     2.0 ms      3.5 ms      commit rows=4',
      '',
    ].join('\n'),
  );
  expect(telemetry.spans.recent()).toEqual([
    {
      traceId: gateway.traceId,
      name: 'POST /orders',
      startMs: 1_000_000,
      durationMs: 5.5,
      spanCount: 3,
      failed: true,
      services: [],
    },
  ]);
});

test('the decision to sample is made once, at the root, and kept everywhere', () => {
  const { telemetry } = setUp({ sampleRatio: 0.05 });
  let recording = 0;
  for (let i = 0; i < 10_000; i++) {
    const root = telemetry.span('root', undefined);
    const child = telemetry.span('child', root);
    const remote = telemetry.span('remote', child.traceparent);
    expect([child.recording, remote.recording]).toEqual([root.recording, root.recording]);
    expect(new Set([root.traceId, child.traceId, remote.traceId]).size).toBe(1);
    if (root.recording) recording++;
    for (const span of [remote, child, root]) span.end();
  }
  expect(recording).toBeGreaterThan(400);
  expect(recording).toBeLessThan(600);
});

test('a hop that waits for whoever is behind it to decide stands above that one, and records itself afterwards', async () => {
  const { world, telemetry } = setUp({ sampleRatio: 1 });
  const startMs = world.clock.monotonicMs();
  const hop = telemetry.newSpanId();
  await world.advance(2);
  const root = telemetry.span('POST /orders', { hop }, {}, 'server');
  await world.advance(3);
  root.end();
  const { traceId } = root;
  const attributes = { service: 'edge', note: 'Bearer hunter2hunter2' };
  const past = {
    traceId,
    spanId: hop,
    parentSpanId: undefined,
    name: 'POST /orders',
    kind: 'server' as const,
    startMs,
  };
  telemetry.record({ ...past, endMs: startMs + 6, attributes, error: new Error('status 502') });
  const [first, second] = telemetry.spans.trace(traceId);
  expect(first).toMatchObject({ spanId: hop, durationMs: 6, error: 'Error: status 502' });
  expect((second?.startMs ?? 0) - (first?.startMs ?? 0)).toBe(2);
  expect(second).toMatchObject({ parentSpanId: hop, durationMs: 3 });
  expect(JSON.stringify(first)).not.toContain('hunter2');
});

test('an unsampled span costs its children nothing: they are the same object', () => {
  const { telemetry } = setUp({ sampleRatio: 0 });
  const root = telemetry.span('root', undefined);
  const child = telemetry.span('child', root);
  expect(child).toBe(root);
  child.set('a', 1);
  child.event('b');
  child.fail(new Error('c'));
  child.end();
  expect(telemetry.spans.recent()).toEqual([]);
});

test('spans hold no secrets, and are bounded', () => {
  const { telemetry } = setUp();
  const span = telemetry.span('pay', undefined, { password: 'hunter2', url: 'https://a:hunter2@b/' });
  span.set('note', 'card 4111 1111 1111 1111');
  span.event('call', { authorization: 'Bearer hunter2' });
  span.fail(new Error('declined', { cause: new Error('Bearer hunter2') }));
  for (let i = 0; i < 1_000; i++) {
    span.set(`a${i}`, 'x'.repeat(10_000));
    span.event('again');
  }
  span.end();
  span.end();
  span.set('late', 1);
  const [record, ...others] = telemetry.spans.trace(span.traceId);
  expect(others).toEqual([]);
  const text = JSON.stringify(record);
  expect(text).not.toContain('hunter2');
  expect(text).not.toContain('4111 1111');
  expect(text.length).toBeLessThan(80_000);
});

test('the store keeps the last spans only', () => {
  const { telemetry } = setUp({ spansMax: 10 });
  for (let i = 0; i < 95; i++) telemetry.span(`span ${i}`, undefined).end();
  const recent = telemetry.spans.recent();
  expect(recent).toHaveLength(10);
  expect(
    recent
      .map((trace) => trace.name)
      .toSorted()
      .at(-1),
  ).toBe('span 94');
});

test('however much is traced aside, here or elsewhere, it pushes no other trace out, and is bounded itself', () => {
  const lines: string[] = [];
  const kept = { spansMax: 40, spansKept: { append: (line: string) => void lines.push(line) } };
  const [gateway, inventory] = [setUp(kept).telemetry, setUp(kept).telemetry];
  const order = gateway.span('POST /orders', undefined);
  inventory.span('inventory.hold', order.traceparent).end();
  order.end();
  for (let i = 0; i < 200; i++) {
    const look = gateway.span('GET /inventory/levels', { aside: true });
    inventory.span('inventory.levels', look.traceparent).end();
    look.end();
  }
  for (const { spans } of [gateway, inventory]) {
    expect(spans.trace(order.traceId)).toHaveLength(1);
    expect(spans.recent({ limit: 1_000 })).toHaveLength(11);
  }
  expect(lines.map((line) => JSON.parse(line).name)).toEqual(['inventory.hold', 'POST /orders']);
});

test('metrics come out in the format of Prometheus', async () => {
  const { telemetry } = setUp({ instance: 'orders-1' });
  const served = telemetry.counter({
    name: 'requests_total',
    help: 'Requests served.',
    labels: ['operation', 'outcome'],
  });
  const duration = telemetry.histogram({
    name: 'request_duration_seconds',
    help: 'How long they took.',
    labels: ['operation'],
    buckets: [0.01, 0.1],
  });
  telemetry.gauge({ name: 'queue_depth', help: 'Waiting.' }, () => 3);
  telemetry.gauge({ name: 'pool_size', help: 'By state.', labels: ['state'] }, () => [
    { labels: { state: 'idle' }, value: 2 },
  ]);
  served.add({ operation: 'place', outcome: 'ok' });
  const series = served.series({ operation: 'place', outcome: 'ok' });
  series.add(4);
  served.add({ operation: 'pl"ace\n', outcome: 'ok' }, 2);
  for (const seconds of [0.005, 0.01, 0.05, 7]) duration.observe({ operation: 'place' }, seconds);
  const text = await telemetry.metricsText();
  for (const line of [
    'target_info{service_name="orders",service_instance_id="orders-1"} 1',
    '# HELP requests_total Requests served.',
    '# TYPE requests_total counter',
    'requests_total{operation="place",outcome="ok"} 5',
    'requests_total{operation="pl\\"ace\\n",outcome="ok"} 2',
    '# TYPE request_duration_seconds histogram',
    'request_duration_seconds_count{operation="place"} 4',
    'request_duration_seconds_sum{operation="place"} 7.065',
    'request_duration_seconds_bucket{operation="place",le="0.01"} 2',
    'request_duration_seconds_bucket{operation="place",le="0.1"} 3',
    'request_duration_seconds_bucket{operation="place",le="+Inf"} 4',
    '# TYPE queue_depth gauge',
    'queue_depth 3',
    'pool_size{state="idle"} 2',
  ]) {
    expect(text.split('\n')).toContain(line);
  }
});

test('parts that read series of one gauge stand side by side, and one that starts anew takes its own place', async () => {
  const { telemetry } = setUp();
  const description = { name: 'writer_waiting', help: 'Commands.', labels: ['writer'] } as const;
  const register = (writer: string, value: number) =>
    telemetry.gauge(description, () => [{ labels: { writer }, value }]);
  register('orders', 1);
  register('stock', 2);
  register('orders', 3);
  const lines = (await telemetry.metricsText()).split('\n').filter((line) => line.startsWith('writer_waiting'));
  expect(lines).toEqual(['writer_waiting{writer="orders"} 3', 'writer_waiting{writer="stock"} 2']);
});

test('ids do not become labels: neither by name, nor by value, nor by number', async () => {
  const { telemetry } = setUp({ seriesMax: 5 });
  for (const label of ['user_id', 'id', 'email', 'trace', 'token', 'Bad']) {
    expect(() => telemetry.counter({ name: 'a_total', help: 'x', labels: [label] })).toThrow(label);
  }
  const counter = telemetry.counter({ name: 'orders_total', help: 'Orders.', labels: ['country'] });
  for (const country of [
    'ord_01J5A3K9QZ8X4T2V7M6N1P0RSW',
    '550e8400-e29b-41d4-a716-446655440000',
    '123456789',
    'x'.repeat(200),
  ]) {
    counter.add({ country });
  }
  for (let i = 0; i < 50; i++) counter.add({ country: `c${i}` });
  const lines = (await telemetry.metricsText()).split('\n').filter((line) => line.startsWith('orders_total{'));
  expect(lines).toHaveLength(5);
  expect(lines).toContain('orders_total{country="overflow"} 50');
});

test('metric names keep to the rules, and mean one thing', () => {
  const { telemetry } = setUp();
  for (const name of ['Requests_total', 'requests', 'requests-total', 'latency_ms_total', '2_total']) {
    expect(() => telemetry.counter({ name, help: 'x' }), name).toThrow('metric');
  }
  for (const name of ['duration', 'duration_ms', 'size_kb', 'x_total']) {
    expect(() => telemetry.histogram({ name, help: 'x' }), name).toThrow('metric');
  }
  expect(() => telemetry.histogram({ name: 'x_seconds', help: 'x', buckets: [1, 1] })).toThrow('ascend');
  const first = telemetry.counter({ name: 'x_total', help: 'x' });
  expect(telemetry.counter({ name: 'x_total', help: 'x' })).toBe(first);
  expect(() => telemetry.counter({ name: 'x_total', help: 'y' })).toThrow('another description');
});

test('counters never go down, and nonsense leaves no trace', async () => {
  const { telemetry } = setUp();
  const counter = telemetry.counter({ name: 'x_total', help: 'x' });
  const histogram = telemetry.histogram({ name: 'x_seconds', help: 'x' });
  for (const amount of [5, -1, Number.NaN]) counter.add({}, amount);
  for (const value of [1, Number.NaN, Number.POSITIVE_INFINITY]) histogram.observe({}, value);
  const text = await telemetry.metricsText();
  expect(text).toContain('\nx_total 5\n');
  expect(text).toContain('x_seconds_count 1');
});

test('the process itself is measured', async () => {
  const { telemetry } = setUp();
  addProcessMetrics(telemetry);
  expect(await telemetry.metricsText()).toMatch(/process_resident_memory_bytes \d{7,}/);
});

test('recorded traces are sent by OTLP over HTTP when an address is given, and what waits is sent at the end', async () => {
  const bodies: { headers: unknown; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      bodies.push({ headers: request.headers, body });
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`;
  const { telemetry } = setUp({ otlp: { url, headers: { 'x-tenant': 'shop' } } });
  try {
    await telemetry.start?.();
    const parent = telemetry.span('place', undefined, { 'order.lines': 3 }, 'server');
    const child = telemetry.span('commit', parent);
    child.fail(new Error('broken'));
    child.end();
    parent.end();
    await telemetry.stop?.();
    const [{ headers, body }] = bodies as [{ headers: Record<string, string>; body: string }];
    expect(headers['x-tenant']).toBe('shop');
    const { resource, scopeSpans } = JSON.parse(body).resourceSpans[0];
    expect(resource.attributes).toContainEqual({ key: 'service.name', value: { stringValue: 'orders' } });
    const [sentChild, sentParent] = scopeSpans[0].spans;
    expect(sentParent).toMatchObject({
      name: 'place',
      kind: 2,
      traceId: parent.traceId,
      startTimeUnixNano: '1000000000000',
    });
    expect(sentParent.attributes).toEqual([{ key: 'order.lines', value: { intValue: 3 } }]);
    expect(sentChild).toMatchObject({ parentSpanId: sentParent.spanId, status: { code: 2, message: 'Error: broken' } });
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test('a trace back end that is down does not keep the process from stopping', async () => {
  const { telemetry } = setUp({ otlp: { url: 'http://127.0.0.1:1/v1/traces', timeoutMs: 200 } });
  await telemetry.start?.();
  telemetry.span('x', undefined).end();
  await telemetry.stop?.();
});

test('without telemetry traces are passed on and nothing is measured', () => {
  const traceparent = formatTraceparent({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true });
  const span = noTelemetry.span('x', traceparent);
  expect([span.traceparent, span.traceId, span.recording]).toEqual([traceparent, 'a'.repeat(32), false]);
  expect(noTelemetry.span('y', span)).toBe(span);
  for (const root of [undefined, { hop: 'b'.repeat(16) }, { aside: true }]) {
    expect(noTelemetry.span('z', root)).toMatchObject({
      recording: false,
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
  }
  expect(parseTraceparent(noTelemetry.span('z', undefined).traceparent)).toMatchObject({ sampled: false });
  noTelemetry.counter({ name: 'x_total', help: 'x' }).add({});
  noTelemetry.histogram({ name: 'x_seconds', help: 'x' }).series({}).observe(1);
});

test('a hop is numbered, and a correlation id from outside is taken only if it is harmless', () => {
  const { ids } = createVirtualWorld({ seed: 1 });
  const hop = firstHop(ids);
  expect(hop).toEqual({ correlationId: expect.stringMatching(/^cor_/), step: 0 });
  expect(nextHop(nextHop(hop))).toEqual({ correlationId: hop.correlationId, step: 2 });
  expect(firstHop(ids, 'till-3:42').correlationId).toBe('till-3:42');
  for (const bad of ['', 'a b', 'x\n', 'é', 'x'.repeat(65)]) expect(firstHop(ids, bad).correlationId).toMatch(/^cor_/);
  const span = noTelemetry.span('x', undefined);
  expect(hopFields(hop, span)).toEqual({ ...hop, traceId: span.traceId });
});

test('the same seed gives the same ids', () => {
  const traceIds = () => {
    const { telemetry } = setUp();
    return Array.from({ length: 100 }, () => telemetry.span('x', undefined).traceparent);
  };
  expect(traceIds()).toEqual(traceIds());
  expect(new Set(traceIds()).size).toBe(100);
});
