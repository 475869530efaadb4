import { expect, onTestFinished, test } from 'vitest';
import { analytics } from '#contracts/analytics';
import { implement, type ServiceServer } from '#kit/contract';
import { systemWorld, type Transport } from '#kit/runtime';
import { measureBatches, measureEvents } from '#kit/telemetry';
import { createLog } from './log.ts';
import { observeServed, observeTransport, traceServer } from './observe.ts';
import { createProcessTelemetry } from './telemetry.ts';

const world = systemWorld(createLog('error'));

function setUp(traceRatio = 1) {
  const observed = createProcessTelemetry(world, 'test', { traceRatio });
  onTestFinished(() => observed.component.stop?.());
  return observed;
}

test('everything that a process measures can stand on one page', async () => {
  const observed = setUp();
  const { telemetry, onCallEvent } = observed;
  measureBatches(telemetry, 'orders', () => 3)({ size: 2, durationMs: 4 });
  const events = measureEvents(telemetry);
  events.relayed({ source: 'orders', count: 2, durationMs: 1 });
  events.failed({ group: 'analytics', type: 'order.confirmed', final: true });
  onCallEvent('payments', { kind: 'breaker', operation: 'capture', state: 'open' });
  onCallEvent('payments', { kind: 'gave-up', why: 'budget', attempt: 1, error: undefined });
  const pool = { open: 4, idle: 1, waiting: 7, max: 8 };
  observed.watchPool({ name: 'orders', pool } as Parameters<typeof observed.watchPool>[0]);
  observed.sample({ name: 'holdfast_test_events', help: 'Asked for.', labels: ['source'] }, async () => [
    { labels: { source: 'orders' }, value: 5 },
  ]);
  observed.sample({ name: 'holdfast_broken_events', help: 'Never comes.' }, () => Promise.reject(new Error('away')));
  await observed.component.start?.();
  const lines = (await observed.metricsPage()).split('\n');
  for (const line of [
    'holdfast_batch_commit_commands_bucket{writer="orders",le="2"} 1',
    'holdfast_batch_waiting_commands{writer="orders"} 3',
    'holdfast_events_relayed_total{source="orders"} 2',
    'holdfast_event_failures_total{group="analytics",type="order.confirmed",final="true"} 1',
    'holdfast_breaker_state{callee="payments",operation="capture"} 2',
    'holdfast_call_events_total{callee="payments",event="gave-up-budget"} 1',
    'holdfast_pool_busy_connections{database="orders"} 3',
    'holdfast_pool_waiting_callers{database="orders"} 7',
    'holdfast_pool_saturation_ratio{database="orders"} 0.375',
    'holdfast_test_events{source="orders"} 5',
  ]) {
    expect(lines).toContain(line);
  }
  for (const name of ['nodejs_eventloop_lag_seconds{quantile="0.99"}', 'process_resident_memory_bytes']) {
    expect(lines.some((line) => line.startsWith(name))).toBe(true);
  }
});

/** Two services, one calling the other through an observed transport. */
function hops(observed: ReturnType<typeof setUp>, reply: () => Promise<unknown>) {
  const { telemetry } = observed;
  const seen: string[] = [];
  const handle = async (_input: unknown, context: { traceparent: string | undefined }) => {
    seen.push(context.traceparent ?? '');
    await reply();
    return { status: 200, body: {} };
  };
  const handlers = Object.fromEntries(Object.keys(analytics.operations).map((name) => [name, handle]));
  const server: ServiceServer = traceServer(
    telemetry,
    implement(analytics, handlers as never, { clock: world.clock, onServed: observeServed(telemetry, world) }),
  );
  const plain: Transport = { send: (request, signal) => server.handle(request, signal) };
  return { seen, transport: observeTransport(telemetry, 'orders', plain, world) };
}

const request = {
  service: 'analytics',
  operation: 'sales',
  params: {},
  query: {},
  headers: { 'holdfast-caller': 'service:orders', 'holdfast-step': '4', 'holdfast-correlation-id': 'cor_1' },
};

test('a call is a span at its caller and a child of it at its callee, and is counted at both ends', async () => {
  const observed = setUp();
  const { transport, seen } = hops(observed, async () => {});
  const root = observed.telemetry.span('root', undefined);
  const headers = { ...request.headers, traceparent: root.traceparent };
  const { status } = await transport.send({ ...request, headers }, new AbortController().signal);
  const outcome = `${Math.floor(status / 100)}xx`;
  const spans = observed.telemetry.spans.trace(root.traceId);
  expect(spans.map(({ name, kind }) => `${kind} ${name}`)).toEqual([
    'client call analytics.sales',
    'server analytics.sales',
  ]);
  expect(spans[1]?.parentSpanId).toBe(spans[0]?.spanId);
  expect(spans[1]?.attributes).toMatchObject({ step: 4, service: 'analytics' });
  for (const traceparent of seen) expect(traceparent).toContain(spans[1]?.spanId);
  const page = await observed.metricsPage();
  expect(page).toContain(
    `holdfast_calls_total{caller="orders",callee="analytics",operation="sales",outcome="${outcome}"} 1`,
  );
  expect(page).toContain(`holdfast_requests_total{service="analytics",operation="sales",status="${outcome}"} 1`);
});

test('a request that is not sampled is handed on as it is', async () => {
  const observed = setUp(0);
  let sent: unknown;
  const plain: Transport = {
    async send(message) {
      sent = message;
      return { status: 200, headers: {} };
    },
  };
  const transport = observeTransport(observed.telemetry, 'orders', plain, world);
  const headers = { ...request.headers, traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00' };
  const message = { ...request, headers };
  await transport.send(message, new AbortController().signal);
  expect(sent).toBe(message);
  expect(observed.telemetry.spans.recent()).toEqual([]);
});

test('a call without a reply is told with its category', async () => {
  const observed = setUp();
  const away: Transport = { send: () => Promise.reject(new Error('away')) };
  const transport = observeTransport(observed.telemetry, 'orders', away, world);
  await expect(transport.send(request, new AbortController().signal)).rejects.toThrow('away');
  expect(await observed.metricsPage()).toContain('outcome="failed"} 1');
  const [trace] = observed.telemetry.spans.recent();
  expect(trace).toMatchObject({ failed: true, name: 'call analytics.sales' });
});
