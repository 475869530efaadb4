import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createLoop, type Turn } from './loop.ts';

function setUp(outcomes: (Turn | Error)[], options: { turnMs?: number; shareMax?: number } = {}) {
  const { turnMs, ...rest } = options;
  const world = createVirtualWorld({ seed: 1, startMs: 0 });
  const turns: number[] = [];
  const loop = createLoop({
    name: 'test',
    clock: world.clock,
    timers: world.timers,
    random: world.random,
    log: world.log,
    pollMs: 1_000,
    ...rest,
    async turn() {
      turns.push(world.clock.monotonicMs());
      if (turnMs !== undefined) await world.timers.sleep(turnMs);
      const outcome = outcomes.shift() ?? 'idle';
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
  });
  return { world, loop, turns };
}

test('an idle loop looks once a period', async () => {
  const { world, loop, turns } = setUp([]);
  loop.start();
  await world.advance(3_500);
  expect(turns).toEqual([0, 1_000, 2_000, 3_000]);
});

test('a loop goes on while there is work, and comes back when it is told to', async () => {
  const { world, loop, turns } = setUp(['again', 'again', { afterMs: 7 }, 'idle']);
  loop.start();
  await world.advance(500);
  expect(turns).toEqual([0, 0, 0, 7]);
});

test('a wake-up makes an idle loop look at once', async () => {
  const { world, loop, turns } = setUp([]);
  loop.start();
  await world.advance(10);
  loop.wake();
  await world.advance(10);
  expect(turns).toEqual([0, 10]);
});

test('wake-ups during a turn are not lost: all of them together make one more turn, a moment later', async () => {
  const { world, loop, turns } = setUp([]);
  loop.start();
  loop.wake();
  await world.advance(5);
  loop.wake();
  loop.wake();
  await world.advance(100);
  expect(turns).toEqual([0, 10]);
});

test('a loop that has done all there was rests a moment, so that what comes meanwhile is one turn', async () => {
  const { world, loop, turns } = setUp([{ worked: 1 }, 'idle']);
  loop.start();
  await world.advance(4);
  loop.wake();
  await world.advance(4);
  loop.wake();
  await world.advance(100);
  expect(turns).toEqual([0, 10]);
});

test('work that nobody waits for takes its share of the time and no more, but never rests for long', async () => {
  const short = setUp(Array(20).fill({ worked: 16 }), { turnMs: 10, shareMax: 0.1 });
  short.loop.start();
  await short.world.advance(450);
  expect(short.turns).toEqual([0, 100, 200, 300, 400]);
  const long = setUp(Array(20).fill({ worked: 16 }), { turnMs: 200, shareMax: 0.1 });
  long.loop.start();
  await long.world.advance(1_500);
  expect(long.turns).toEqual([0, 700, 1_400]);
});

test('what comes alone is soon done: the fewer a turn was for, the shorter the rest after it', async () => {
  const { world, loop, turns } = setUp([{ worked: 1 }, { worked: 2 }, { worked: 8 }, { worked: 100 }], {
    ...{ turnMs: 10, shareMax: 0.1 },
  });
  loop.start();
  await world.advance(300);
  expect(turns).toEqual([0, 20, 41.25, 96.25, 196.25]);
});

test('a loop with a share still goes on at once while there is more than it could do', async () => {
  const { world, loop, turns } = setUp(['again', 'again', { worked: 16 }], { turnMs: 10, shareMax: 0.1 });
  loop.start();
  await world.advance(100);
  expect(turns).toEqual([0, 10, 20]);
});

test('errors are backed off from, also when woken, and say so in the log', async () => {
  const { world, loop, turns } = setUp([new Error('down'), new Error('down'), 'idle']);
  loop.start();
  await world.advance(1);
  loop.wake();
  await world.advance(49);
  expect(turns).toEqual([0]);
  await world.advance(700);
  expect(turns).toHaveLength(3);
  expect(world.lines.filter((line) => line.level === 'warn')).toMatchObject([
    { fields: { loop: 'test', failures: 1 } },
  ]);
});

test('a stopped loop has no turn under way and has no other', async () => {
  const { world, loop, turns } = setUp([]);
  loop.start();
  await loop.stop();
  loop.wake();
  await world.runUntilIdle();
  expect(turns).toEqual([0]);
});
