import { afterEach, expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createOwnTime, type OwnTime } from './own-time.ts';

const { clock, timers, run } = virtual();
let time: OwnTime | undefined;
afterEach(() => time?.stop());

/** A virtual world whose process can be stopped: time goes on, and no timer fires. */
function virtual() {
  const world = createVirtualWorld({ seed: 1 });
  let stoodMs = 0;
  return {
    clock: { ...world.clock, monotonicMs: () => world.clock.monotonicMs() + stoodMs },
    timers: world.timers,
    run: { for: (ms: number) => world.advance(ms), stopped: (ms: number) => (stoodMs += ms) },
  };
}

test('a laboratory that was stopped for two minutes has none of its patience less for that', async () => {
  time = createOwnTime({ clock, timers });
  const startMs = time.ranMs();
  await run.for(10_000);
  run.stopped(120_000);
  await run.for(5_000);
  expect(time.ranMs() - startMs).toBe(15_000);
  expect(time.stoodStillMs()).toBe(120_000);
});

test('who is late as busy machines are has run', async () => {
  time = createOwnTime({ clock, timers });
  const startMs = time.ranMs();
  await run.for(1_000);
  run.stopped(1_500);
  await run.for(1_000);
  expect(time.ranMs() - startMs).toBe(3_500);
  expect(time.stoodStillMs()).toBe(0);
});
