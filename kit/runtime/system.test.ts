import { expect, test } from 'vitest';
import {
  createVirtualWorld,
  type Logger,
  sleepOn,
  systemClock,
  systemRandom,
  systemTimers,
  systemWorld,
} from './index.ts';

// The real clock and timers are what is tested here, so a few milliseconds do pass; nothing waits longer than it must.

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };

test('a sleep ends when its time has come', async () => {
  const world = createVirtualWorld({ seed: 1 });
  let isOver = false;
  void sleepOn(world.timers, 250).then(() => {
    isOver = true;
  });
  await world.advance(249);
  expect(isOver).toBe(false);
  await world.advance(1);
  expect(isOver).toBe(true);
});

test('what was due a moment ago is due next, and nobody is warned of it', async () => {
  const warnings: string[] = [];
  const onWarning = ({ name }: Error) => warnings.push(name);
  process.on('warning', onWarning);
  await new Promise<void>((resolve) => systemTimers.after(-2.5, resolve));
  // Warnings are told a turn later.
  await new Promise<void>((resolve) => systemTimers.soon(resolve));
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});

test('a sleep that is called off rejects at once with the reason and leaves no timer', async () => {
  const world = createVirtualWorld({ seed: 1 });
  const abort = new AbortController();
  const slept = sleepOn(world.timers, 60_000, abort.signal);
  const reason = new Error('no more');
  abort.abort(reason);
  await expect(slept).rejects.toBe(reason);
  expect(world.pendingCount).toBe(0);
});

test('a sleep under a signal that has aborted never begins', async () => {
  const world = createVirtualWorld({ seed: 1 });
  await expect(sleepOn(world.timers, 60_000, AbortSignal.abort('gone'))).rejects.toBe('gone');
  expect(world.pendingCount).toBe(0);
});

test('a sleep that has ended listens to its signal no longer', async () => {
  const world = createVirtualWorld({ seed: 1 });
  const abort = new AbortController();
  let listening = 0;
  const { addEventListener, removeEventListener } = abort.signal;
  abort.signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listening += 1;
    return addEventListener.apply(abort.signal, args);
  };
  abort.signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listening -= 1;
    return removeEventListener.apply(abort.signal, args);
  };
  const slept = sleepOn(world.timers, 5, abort.signal);
  expect(listening).toBe(1);
  await world.runUntilIdle();
  await slept;
  expect(listening).toBe(0);
});

test('a timer that was called off does not run, and calling off twice is harmless', async () => {
  const seen: string[] = [];
  const cancel = systemTimers.after(0, () => seen.push('called off'));
  cancel();
  cancel();
  await systemTimers.sleep(1);
  expect(seen).toEqual([]);
});

test('a delay that Node could not count does not fire at once', async () => {
  let fired = false;
  const cancel = systemTimers.after(2 ** 40, () => {
    fired = true;
  });
  await systemTimers.sleep(2);
  cancel();
  expect(fired).toBe(false);
});

test('a repeated task never overlaps itself: the next run waits for the one under way', async () => {
  let running = 0;
  let most = 0;
  const third = Promise.withResolvers<void>();
  let runs = 0;
  const cancel = systemTimers.every(1, async () => {
    running += 1;
    most = Math.max(most, running);
    await systemTimers.sleep(3);
    running -= 1;
    runs += 1;
    if (runs === 3) third.resolve();
  });
  await third.promise;
  cancel();
  expect(most).toBe(1);
});

test('a repeated task that calls itself off does not come back', async () => {
  let runs = 0;
  const first = Promise.withResolvers<void>();
  const cancel = systemTimers.every(1, async () => {
    runs += 1;
    cancel();
    first.resolve();
  });
  await first.promise;
  await systemTimers.sleep(5);
  expect(runs).toBe(1);
});

test('soon comes after the work of this turn', async () => {
  const seen: string[] = [];
  const soon = new Promise<void>((resolve) =>
    systemTimers.soon(() => {
      seen.push('soon');
      resolve();
    }),
  );
  seen.push('now');
  await Promise.resolve().then(() => seen.push('promise'));
  await soon;
  expect(seen).toEqual(['now', 'promise', 'soon']);
});

test('elapsed time never goes back, and wall time is in milliseconds since 1970', () => {
  let lastMs = systemClock.monotonicMs();
  for (let i = 0; i < 1_000; i++) {
    const nowMs = systemClock.monotonicMs();
    expect(nowMs).toBeGreaterThanOrEqual(lastMs);
    lastMs = nowMs;
  }
  expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000);
});

test('random bytes come in the size that was asked for, each time others', () => {
  const [a, b] = [systemRandom.bytes(32), systemRandom.bytes(32)];
  expect([a.length, b.length]).toEqual([32, 32]);
  expect(Buffer.from(a)).not.toEqual(Buffer.from(b));
  const number = systemRandom.next();
  expect(number >= 0 && number < 1).toBe(true);
});

test('the system world carries the logger that it was given', () => {
  const world = systemWorld(quiet);
  expect(world.log).toBe(quiet);
  expect(world.ids.next('ord')).toMatch(/^ord_[0-9A-Z]{26}$/);
});
