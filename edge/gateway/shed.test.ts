import { expect, test } from 'vitest';
import type { HttpRoute } from '#kit/contract';
import { createVirtualWorld, type Logger } from '#kit/runtime';
import { createDoorShedding } from './shed.ts';

const routeOf = (priority: 'low' | 'critical', service = 'shop'): HttpRoute =>
  ({ service, name: 'do', operation: { priority } }) as unknown as HttpRoute;

/** So many requests under way, none of which ends. */
function busyWith(active: number, activeMax = 100) {
  const shedding = createDoorShedding({ world: createVirtualWorld({ seed: 1 }), own: 'gateway', activeMax });
  for (let i = 0; i < active; i++) void shedding.counted(() => new Promise(() => {}));
  return shedding;
}

test('what is under way is bounded, whatever it is, and whoever looks how the gateway is gets an answer', () => {
  expect(busyWith(99).refusal(routeOf('low'), 'cor')).toBeUndefined();
  const refusal = busyWith(100).refusal(routeOf('critical'), 'cor');
  expect(refusal).toMatchObject({ status: 503, body: { code: 'mesh/overloaded' } });
  expect(refusal?.headers['retry-after']).toBe('1');
  expect(busyWith(100).refusal(routeOf('low', 'gateway'), 'cor')).toBeUndefined();
});

test('whoever has gone makes room', async () => {
  const shedding = busyWith(99);
  const last = shedding.counted(async () => {});
  expect(shedding.refusal(routeOf('critical'), 'cor')).toBeDefined();
  await last;
  expect(shedding.refusal(routeOf('critical'), 'cor')).toBeUndefined();
});

test('a flood of refusals is a line of log now and then, which says how many there were', async () => {
  const world = createVirtualWorld({ seed: 1 });
  const lines: unknown[] = [];
  const log: Logger = { ...world.log, warn: (_message, fields) => lines.push(fields), with: () => log };
  const shedding = createDoorShedding({ world: { ...world, log }, own: 'gateway', activeMax: 1 });
  for (let i = 0; i < 48; i++) void shedding.counted(() => new Promise(() => {}));
  const refuse = (times: number) => {
    for (let i = 0; i < times; i++) shedding.refusal(routeOf('low'), 'cor');
  };
  refuse(1_000);
  await world.advance(5_000);
  refuse(1);
  expect(lines).toMatchObject([{ refused: 1 }, { refused: 1_000 }]);
});
