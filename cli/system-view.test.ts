import { expect, test } from 'vitest';
import { systemWorld } from '#kit/runtime';
import { createTelemetry } from '#kit/telemetry';
import { observeTransport } from './observe.ts';
import { readingsOf, viewSystem } from './system-view.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);

async function measured(status: number) {
  const telemetry = createTelemetry({ ...world, service: 'test' });
  const answers = { send: async () => ({ status, headers: {} }) };
  const transport = observeTransport(telemetry, 'orders', answers, world);
  const request = { service: 'payments', operation: 'authorize', params: {}, query: {}, headers: {}, body: undefined };
  await transport.send(request, new AbortController().signal);
  return readingsOf('one', '2026-01-01T00:00:00.000Z', telemetry.metrics());
}

test('calls are summed over processes, by caller and callee, with those that failed', async () => {
  const view = await viewSystem({
    clock: world.clock,
    process: 'one',
    services: ['orders'],
    here: () => here,
    elsewhere: async () => [there],
    expected: () => [],
    unready: async () => ({}),
  });
  expect(view.edges).toMatchObject([{ caller: 'orders', callee: 'payments', calls: 2, failed: 1 }]);
  expect(view.edges[0]?.buckets.reduce((sum, count) => sum + count, 0)).toBe(2);
  expect(view.edges[0]?.buckets).toHaveLength(view.boundsSec.length + 1);
});

const here = await measured(200);
const there = await measured(503);

test('a process that does not answer is listed as not answering', async () => {
  const at = { address: '127.0.0.1:1', zone: 'a' };
  const view = await viewSystem({
    clock: world.clock,
    process: 'one',
    services: ['orders'],
    here: () => here,
    elsewhere: async () => [],
    expected: () => [
      { ...at, process: 'one', services: ['orders'] },
      { ...at, process: 'two', services: ['payments'] },
    ],
    unready: async () => ({ two: 'starting' }),
  });
  expect(view.processes.map(({ process, answering }) => [process, answering])).toEqual([
    ['one', true],
    ['two', false],
  ]);
});
