import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { type AdaptiveLimit, createAdaptiveLimit, type Priority } from './limit.ts';

/** A server that works on `capacity` requests at a time, each for `serviceMs`; more wait in line inside it. */
function createServer(capacity: number, serviceMs: number) {
  const world = createVirtualWorld({ seed: 1 });
  const { clock, timers } = world;
  const waiting: (() => void)[] = [];
  let working = 0;

  async function work(): Promise<void> {
    if (working >= capacity) await new Promise<void>((resolve) => waiting.push(resolve));
    else working += 1;
    await timers.sleep(serviceMs);
    const next = waiting.shift();
    if (next) next();
    else working -= 1;
  }

  /** So many clients that each ask again at once, or after 10 ms when they were refused. */
  function clients(limit: AdaptiveLimit, count: number, priority: Priority, tally = { served: 0, refused: 0 }) {
    for (let i = 0; i < count; i++) {
      const operation = `operation ${i % 4}`;
      void (async () => {
        for (;;) {
          if (!limit.enter(operation, priority)) {
            tally.refused += 1;
            await timers.sleep(10);
            continue;
          }
          const startMs = clock.monotonicMs();
          await work();
          tally.served += 1;
          limit.leave(operation, priority, clock.monotonicMs() - startMs, 'success');
        }
      })();
    }
    return tally;
  }
  return { world, clock, clients };
}

test('the limit falls when latency rises, and goodput stays at what the server can do', async () => {
  const { world, clock, clients } = createServer(20, 10);
  const limit = createAdaptiveLimit({ clock, initial: 400 });
  clients(limit, 10, 'normal');
  await world.advance(20_000);
  const tally = clients(limit, 390, 'normal');
  await world.advance(10_000);
  expect(limit.limit).toBeLessThan(100);
  tally.served = 0;
  await world.advance(10_000);
  // 20 at a time, 10 ms each: 2,000 a second, of which those that were there before take a part.
  expect(tally.served).toBeGreaterThan(0.8 * 20_000 * (390 / 400));
});

test('the limit grows while latency stays as it is', async () => {
  const { world, clock, clients } = createServer(1_000, 10);
  const limit = createAdaptiveLimit({ clock, initial: 20 });
  clients(limit, 200, 'normal');
  await world.advance(30_000);
  expect(limit.limit).toBeGreaterThan(180);
});

test('low priority is refused first, critical work last', async () => {
  const limit = createAdaptiveLimit({ clock: createVirtualWorld({ seed: 1 }).clock, initial: 100, limitMax: 150 });
  const fill = (priority: Priority) => {
    let count = 0;
    while (limit.enter(`operation ${count % 4}`, priority)) count += 1;
    return count;
  };
  expect([fill('low'), fill('normal'), fill('critical')]).toEqual([70, 30, 50]);
  expect(limit.refused).toBe(3);
});

test('an operation that waits for something slow leaves half of the places to the others; critical work is not held back', () => {
  const limit = createAdaptiveLimit({ clock: createVirtualWorld({ seed: 1 }).clock, initial: 100, limitMax: 150 });
  const fill = (operation: string, priority: Priority) => {
    let count = 0;
    while (limit.enter(operation, priority)) count += 1;
    return count;
  };
  expect([fill('far', 'normal'), fill('near', 'normal'), fill('far', 'critical')]).toEqual([50, 50, 50]);
  for (let i = 0; i < 60; i++) limit.leave('far', 'normal', 10, 'ignored');
  expect(fill('far', 'normal')).toBe(10);
});

test('slow critical work does not shrink the limit', async () => {
  const { world, clock } = createServer(1, 1);
  const limit = createAdaptiveLimit({ clock, initial: 100 });
  for (let i = 0; i < 1_000; i++) {
    limit.enter('buy', 'critical');
    await world.advance(5);
    limit.leave('buy', 'critical', i < 500 ? 10 : 5_000, 'success');
  }
  expect(limit.limit).toBe(100);
});

test('any history: the limit stays within its bounds and every place comes back', async () => {
  const step = fc.record({
    priority: fc.constantFrom<Priority>('critical', 'normal', 'low'),
    tookMs: fc.double({ min: 0, max: 10_000, noNaN: true }),
    outcome: fc.constantFrom('success' as const, 'dropped' as const, 'ignored' as const),
    waitMs: fc.nat(300),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 300 }), async (steps) => {
      const world = createVirtualWorld({ seed: 1 });
      const limit = createAdaptiveLimit({ clock: world.clock, initial: 50, limitMin: 5, limitMax: 60 });
      for (const { priority, tookMs, outcome, waitMs } of steps) {
        expect(limit.enter('any', priority)).toBe(true);
        await world.advance(waitMs);
        limit.leave('any', priority, tookMs, outcome);
        expect(limit.limit).toBeGreaterThanOrEqual(5);
        expect(limit.limit).toBeLessThanOrEqual(60);
      }
      expect(limit.active).toBe(0);
    }),
    { numRuns: 20 },
  );
});
