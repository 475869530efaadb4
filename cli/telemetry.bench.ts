/**
 * What being watched costs: orders.get through the gateway and a service of the same process, with telemetry and
 * without, turn about. The answer is ready-made, so everything else is as cheap as it will ever be and the ratio is the
 * worst. CPU time of the whole process, client included: on a busy machine the clock tells more about the neighbours.
 * Run: node cli/telemetry.bench.ts
 */
import { Agent, request } from 'undici';
import { orders } from '#contracts/orders';
import { createGateway } from '#edge/gateway';
import { createLocalTransport, implement } from '#kit/contract';
import { systemWorld } from '#kit/runtime';
import { createLog } from './log.ts';
import { observeServed, observeTransport, traceServer } from './observe.ts';
import { createProcessTelemetry } from './telemetry.ts';

const world = systemWorld(createLog('error'));
const order = { id: 'ord_01', state: 'confirmed', currency: 'EUR', totalMinor: 1_000, lines: [] };
const handlers = Object.fromEntries(
  Object.keys(orders.operations).map((name) => [name, async () => ({ status: 200, body: order })]),
);

/** The way of a request: from the gateway's transport to the service's handler and back; `ratio` undefined: unwatched. */
function wayOf(ratio: number | undefined) {
  const observed = ratio === undefined ? undefined : createProcessTelemetry(world, 'bench', { traceRatio: ratio });
  const telemetry = observed?.telemetry;
  const onServed = telemetry && observeServed(telemetry, world);
  const plain = implement(orders, handlers as never, { clock: world.clock, ...(onServed ? { onServed } : {}) });
  const local = createLocalTransport(world.timers);
  local.attach(telemetry ? traceServer(telemetry, plain) : plain);
  return { telemetry, transport: telemetry ? observeTransport(telemetry, 'gateway', local, world) : local };
}

async function overHttp(ratio: number | undefined) {
  const { telemetry, transport } = wayOf(ratio);
  const watched = telemetry ? { telemetry } : {};
  const gateway = createGateway({ world, transport, contracts: [orders], unready: async () => ({}), ...watched });
  await gateway.component.start?.();
  const agent = new Agent({ connections: 8 });
  const one = async () => {
    const { body } = await request(`${gateway.address}/orders/ord_01`, { dispatcher: agent });
    await body.dump();
  };
  const stop = async () => {
    await agent.close();
    await gateway.component.stop?.();
  };
  return { one, stop };
}

function byCall(ratio: number | undefined) {
  const { telemetry, transport } = wayOf(ratio);
  const { signal } = new AbortController();
  const fixed = {
    'holdfast-caller': 'anonymous:anonymous',
    'holdfast-correlation-id': 'cor_bench',
    'holdfast-step': '1',
    'holdfast-deadline-ms': '2000',
  };
  const message = { service: 'orders', operation: 'get', params: { orderId: 'ord_01' }, query: {} };
  const unwatched = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00';
  const one = async () => {
    // As the gateway does for each request.
    const span = telemetry?.span('GET /orders/{orderId}', undefined, undefined, 'server');
    await transport.send({ ...message, headers: { ...fixed, traceparent: span?.traceparent ?? unwatched } }, signal);
    span?.end();
  };
  return { one, stop: async () => {} };
}

interface Contestant {
  readonly one: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

const rounds = 24;
/** The first rounds warm the code up. */
const warmUp = 4;

/** Microseconds of CPU a request, and the median of the differences within each round, in which all take their turn. */
async function compare(title: string, count: number, contestants: Readonly<Record<string, Contestant>>): Promise<void> {
  const names = Object.keys(contestants);
  const costs = new Map<string, number[]>(names.map((name) => [name, []]));
  for (let round = -warmUp; round < rounds; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(turn + round + warmUp) % names.length] as string;
      const { one } = contestants[name] as Contestant;
      const before = process.cpuUsage();
      for (let done = 0; done < count; done += 8) await Promise.all(Array.from({ length: 8 }, one));
      const { user, system } = process.cpuUsage(before);
      if (round >= 0) costs.get(name)?.push((user + system) / count);
    }
  }
  for (const { stop } of Object.values(contestants)) await stop();
  const base = costs.get('without') as number[];
  console.log(title);
  for (const [name, own] of costs) {
    const more = median(own.map((cost, round) => cost - (base[round] as number))).toFixed(1);
    const ratio = median(own.map((cost, round) => cost / (base[round] as number))).toFixed(3);
    const compared = name === 'without' ? '' : `${more.padStart(6)} µs more, ratio ${ratio}`;
    console.log(`  ${name.padEnd(12)} ${median(own).toFixed(1).padStart(7)} µs ${compared}`);
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}

await compare('orders.get by calls within the process', 8_000, {
  without: byCall(undefined),
  unsampled: byCall(0),
  'sampled 5 %': byCall(0.05),
  'sampled all': byCall(1),
});
await compare('orders.get over HTTP through the gateway', 1_600, {
  without: await overHttp(undefined),
  unsampled: await overHttp(0),
  'sampled 5 %': await overHttp(0.05),
  'sampled all': await overHttp(1),
});
process.exit();
