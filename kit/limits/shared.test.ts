import { describe, expect, test } from 'vitest';
import { createVirtualWorld, type Logger, systemWorld } from '#kit/runtime';
import { valkeyForTests } from '../valkey/testing/for-tests.ts';
import { valkeyProgram } from '../valkey/testing/server.ts';
import {
  createLimiter,
  createMemorySpending,
  createValkeySpending,
  type SharedSpending,
  shareSpending,
} from './index.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const real = systemWorld(quiet);

/** What every store of shared spending promises. */
function conformance(open: () => SharedSpending): void {
  test('sums what is spent, key by key, and answers how far ahead each is', async () => {
    const store = open();
    expect(await store.add([{ key: 'a', spentMs: 60_000, agoMs: 0 }])).toEqual([expect.closeTo(60_000)]);
    const [a = 0, b = 0] = await store.add([
      { key: 'a', spentMs: 30_000, agoMs: 0 },
      { key: 'b', spentMs: 1_500.5, agoMs: 0 },
    ]);
    expect(a).toBeGreaterThan(70_000);
    expect(a).toBeLessThanOrEqual(90_000);
    expect(b).toBeCloseTo(1_500.5);
    expect(await store.add([{ key: 'c', spentMs: 1_000, agoMs: 400 }])).toEqual([expect.closeTo(600)]);
    expect(await store.add([{ key: 'd', spentMs: 10, agoMs: 400 }])).toEqual([0]);
    expect(await store.add([])).toEqual([]);
  });

  test('what several spend at once is all counted', async () => {
    const store = open();
    await Promise.all(Array.from({ length: 50 }, () => store.add([{ key: 'many', spentMs: 10_000, agoMs: 0 }])));
    const [ahead = 0] = await store.add([{ key: 'many', spentMs: 0, agoMs: 0 }]);
    expect(ahead).toBeGreaterThan(400_000);
    expect(ahead).toBeLessThanOrEqual(500_000);
  });

  test('time pays back', async () => {
    const store = open();
    await store.add([{ key: 'brief', spentMs: 5, agoMs: 0 }]);
    await expect.poll(async () => (await store.add([{ key: 'brief', spentMs: 0, agoMs: 0 }]))[0]).toBe(0);
  });
}

describe('in memory', () => conformance(() => createMemorySpending({ clock: real.clock })));

describe.skipIf(!valkeyProgram)('in valkey or redis (skipped where neither is installed)', () => {
  const server = valkeyForTests(quiet);
  let opened = 0;
  conformance(() => createValkeySpending({ valkey: server.valkey, prefix: `{test${opened++}}:` }));

  test('two limiters over a real server let pass what one would, and each its part while it is away', async () => {
    const store = createValkeySpending({ valkey: server.valkey, prefix: '{pair}:' });
    const pair = [0, 1].map(() => {
      const sharing = shareSpending<'user'>({ ...real, log: quiet, store, syncMs: 5 });
      const instances = () => (sharing.connected ? 1 : 2);
      const limiter = createLimiter({
        ...real,
        policies: { user: { quota: 10, periodSec: 600 } },
        instances,
        ...sharing,
      });
      sharing.follow(limiter);
      return { sharing, limiter };
    });
    for (const { sharing } of pair) await sharing.component.start?.();
    const [one, two] = pair as [(typeof pair)[0], (typeof pair)[0]];
    for (let i = 0; i < 10; i++) expect(one.limiter.check('user', 'a').allowed).toBe(true);
    await expect.poll(() => two.limiter.check('user', 'a').allowed).toBe(true);
    await expect.poll(() => two.limiter.check('user', 'a').allowed).toBe(false);
    await server.stopServer();
    one.limiter.check('user', 'b');
    await expect.poll(() => one.sharing.connected).toBe(false);
    expect(one.limiter.look('user', 'c').remaining).toBe(4);
    await server.startServer();
    one.limiter.check('user', 'b');
    await expect.poll(() => one.sharing.connected).toBe(true);
    for (const { sharing } of pair) await sharing.component.stop?.();
  });
});

/** `count` limiters that share, asked as fast as they answer for `seconds` of virtual time. */
async function hammer(count: number, seconds: number) {
  const world = createVirtualWorld({ seed: 7 });
  const store = createMemorySpending(world);
  const rate = { quota: 1_000 };
  const gateways = Array.from({ length: count }, () => {
    const sharing = shareSpending<'user'>({ ...world, store, syncMs: 50 });
    const limiter = createLimiter({ ...world, policies: { user: rate }, onSpent: sharing.onSpent });
    sharing.follow(limiter);
    return { sharing, limiter };
  });
  for (const { sharing } of gateways) await sharing.component.start?.();
  let allowed = 0;
  let first = 0;
  for (let ms = 0; ms < seconds * 1_000; ms++) {
    for (const { limiter } of gateways) for (let i = 0; i < 5; i++) if (limiter.check('user', 'a').allowed) allowed++;
    if (ms === 49) first = allowed;
    await world.advance(1);
  }
  for (const { sharing } of gateways) await sharing.component.stop?.();
  return { allowed, first };
}

test('the error over several gateways is what the README states: none over time, a bounded overshoot once', async () => {
  const alone = await hammer(1, 20);
  expect(alone.allowed).toBeGreaterThanOrEqual(20_999);
  expect(alone.allowed).toBeLessThanOrEqual(21_001);
  for (const count of [2, 4]) {
    const { allowed, first } = await hammer(count, 20);
    const burst = 1_000;
    const overshootMax = (count - 1) * (burst + 50);
    expect(first).toBeLessThanOrEqual(burst + 50 + overshootMax);
    // 20 seconds later the overshoot has been paid back: what passed is burst + rate · time, and what one sync hides.
    expect(allowed).toBeGreaterThanOrEqual(21_000 - 60);
    expect(allowed).toBeLessThanOrEqual(21_000 + count * 60);
  }
});

test('limiters that do not share let pass as many times as much (the check can fail)', async () => {
  const world = createVirtualWorld({ seed: 7 });
  const two = [0, 1].map(() => createLimiter({ ...world, policies: { user: { quota: 1_000 } } }));
  let allowed = 0;
  for (let ms = 0; ms < 2_000; ms++) {
    for (const limiter of two) for (let i = 0; i < 5; i++) if (limiter.check('user', 'a').allowed) allowed++;
    await world.advance(1);
  }
  expect(allowed).toBeGreaterThan(5_900);
});
