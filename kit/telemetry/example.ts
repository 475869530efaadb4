// An order's trace over two services, its log lines and its metrics, in virtual time.
import { createVirtualWorld } from '#kit/runtime';
import { createLogger, createTelemetry, firstHop, hopFields, nextHop, renderTrace } from '#kit/telemetry';

const world = createVirtualWorld({ seed: 1 });
const { clock, timers } = world;
const log = createLogger({ clock, format: 'pretty', destination: { write: (line) => console.log(line.trimEnd()) } });
const telemetry = createTelemetry({ ...world, log, service: 'example', sampleRatio: 1 });
const served = telemetry.counter({
  name: 'requests_total',
  help: 'Requests served.',
  labels: ['operation', 'outcome'],
});

async function placeOrder() {
  const hop = firstHop(world.ids);
  const span = telemetry.span('POST /orders', undefined, { 'http.route': '/orders' }, 'server');
  log.with(hopFields(hop, span)).info('order received', { card: '4111 1111 1111 1111', headers: { cookie: 'sid=1' } });
  await timers.sleep(1.5);
  await holdStock(span.traceparent, nextHop(hop)).catch((error) => span.fail(error));
  served.add({ operation: 'place', outcome: 'refused' });
  span.end();
  return span.traceId;
}

async function holdStock(traceparent: string, hop: ReturnType<typeof nextHop>) {
  const span = telemetry.span('inventory.hold', traceparent, { lines: 3 }, 'server');
  await timers.sleep(4);
  const error = new Error('out of stock; asked with Bearer eyJhbGciOiJFZERTQSJ9.e30.c2ln');
  log.with(hopFields(hop, span)).warn('hold refused', { reason: error.message });
  span.fail(error);
  span.end();
  throw error;
}

const done = placeOrder();
await world.runUntilIdle();
console.log(`\n${renderTrace(telemetry.spans.trace(await done))}`);
console.log(await telemetry.metricsText());
