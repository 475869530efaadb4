import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createDeadline, deadlineFromHeader, sleepWithin, withinDeadline } from './deadline.ts';

const world = () => createVirtualWorld({ seed: 1 });
const never = () => new Promise<never>(() => undefined);

test('a deadline shrinks with time and is over at its end', async () => {
  const w = world();
  const deadline = createDeadline({ ...w, budgetMs: 100 });
  expect(deadline.remainingMs()).toBe(100);
  await w.advance(60);
  expect(deadline.remainingMs()).toBe(40);
  expect(deadline.over).toBe(false);
  await w.advance(50);
  expect(deadline.remainingMs()).toBe(0);
  expect(deadline.over).toBe(true);
  expect(() => deadline.check('the call')).toThrow(
    expect.objectContaining({ category: 'timeout', retry: 'same-key', status: 504 }),
  );
});

test('its signal aborts at the end with a timeout error, and never before', async () => {
  const w = world();
  const deadline = createDeadline({ ...w, budgetMs: 100 });
  const { signal } = deadline;
  await w.advance(99);
  expect(signal.aborted).toBe(false);
  await w.advance(1);
  expect(signal.aborted).toBe(true);
  expect(signal.reason).toMatchObject({ category: 'timeout', code: 'resilience/deadline-exceeded' });
});

test('a signal asked for after the end is aborted already', async () => {
  const w = world();
  const deadline = createDeadline({ ...w, budgetMs: 10 });
  await w.advance(20);
  deadline.onOver(() => undefined);
  await w.advance(0);
  expect(deadline.signal.aborted).toBe(true);
});

test('each hop leaves less to the next: the header is what is left minus the margin', async () => {
  const w = world();
  const gateway = createDeadline({ ...w, budgetMs: 1_000 });
  await w.advance(100.4);
  expect(gateway.nextHopMs()).toBe(879);
  const orders = deadlineFromHeader({
    ...w,
    header: String(gateway.nextHopMs()),
    defaultMs: 5_000,
    budgetMsMax: 60_000,
  });
  expect(orders.remainingMs()).toBe(879);
  expect(orders.nextHopMs(50)).toBe(829);
  await w.advance(870);
  expect(orders.nextHopMs()).toBe(0);
});

test('a missing, malformed or greedy header gets the default or the maximum', () => {
  const w = world();
  const remaining = (header: string | undefined) =>
    deadlineFromHeader({ ...w, header, defaultMs: 5_000, budgetMsMax: 60_000 }).remainingMs();
  expect(remaining(undefined)).toBe(5_000);
  for (const header of ['', 'soon', '-1', '1e9', 'NaN', 'Infinity', '9'.repeat(40)])
    expect(remaining(header)).toBe(5_000);
  expect(remaining('999999999')).toBe(60_000);
  expect(remaining('0')).toBe(0);
});

test('a part of the work ends with the whole, or sooner, and cancelling the part leaves the whole alone', async () => {
  const w = world();
  const whole = createDeadline({ ...w, budgetMs: 100 });
  const short = whole.shorten(30);
  const long = whole.shorten(1_000);
  const cancelled = whole.shorten(50);
  cancelled.cancel(new Error('not needed'));
  expect(cancelled.signal.reason).toMatchObject({ message: 'not needed' });
  const seen: string[] = [];
  short.onOver(() => seen.push(`short@${w.clock.monotonicMs()}`));
  long.onOver(() => seen.push(`long@${w.clock.monotonicMs()}`));
  whole.onOver(() => seen.push(`whole@${w.clock.monotonicMs()}`));
  await w.runUntilIdle();
  expect(seen.toSorted()).toEqual(['long@100', 'short@30', 'whole@100']);
});

test("a caller's signal and deadline bound the work", async () => {
  const w = world();
  const caller = new AbortController();
  const bound = { deadlineAtMs: w.clock.monotonicMs() + 40, signal: caller.signal };
  const first = createDeadline({ ...w, budgetMs: 100, bound });
  const second = createDeadline({ ...w, budgetMs: 100, bound });
  expect(first.remainingMs()).toBe(40);
  expect(first.signal.aborted).toBe(false);
  caller.abort(new Error('caller has gone'));
  expect(first.signal.reason).toMatchObject({ message: 'caller has gone' });
  expect(first.cancelled).toBe(true);
  expect(second.over).toBe(true);
  expect(() => second.check('the call')).toThrow('caller has gone');
});

test('work that has ended leaves no timer and no listener behind', async () => {
  const w = world();
  const caller = new AbortController();
  let reasons = 0;
  for (let i = 0; i < 100; i++) {
    const whole = createDeadline({ ...w, budgetMs: 5_000, bound: { deadlineAtMs: 9_000, signal: caller.signal } });
    const part = whole.shorten(1_000);
    part.onOver(() => reasons++);
    part.signal.addEventListener('abort', () => reasons++);
    part.end();
    whole.end();
  }
  expect(w.pendingCount).toBe(0);
  caller.abort();
  await w.advance(10_000);
  expect(reasons).toBe(0);
});

test('work that ignores its signal is not waited for, and what it still answers is dropped', async () => {
  const w = world();
  const deadline = createDeadline({ ...w, budgetMs: 50 });
  let outcome = 'waiting';
  withinDeadline(deadline, () => w.timers.sleep(80).then(() => Promise.reject(new Error('late')))).catch((error) => {
    outcome = `${error.category}@${w.clock.monotonicMs()}`;
  });
  await w.runUntilIdle();
  expect(outcome).toBe('timeout@50');
});

test('work is not even started when the time is over', async () => {
  const w = world();
  const deadline = createDeadline({ ...w, budgetMs: 50 });
  deadline.cancel(new Error('gone'));
  let started = false;
  const work = withinDeadline(deadline, () => {
    started = true;
    return never();
  });
  await expect(work).rejects.toThrow('gone');
  expect(started).toBe(false);
});

test('a sleep within a deadline ends by whichever is first, and leaves nothing behind', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(100), fc.integer({ min: 1, max: 100 }), async (sleepMs, budgetMs) => {
      const w = world();
      const deadline = createDeadline({ ...w, budgetMs });
      let endedAtMs = -1;
      let slept = false;
      sleepWithin(deadline, w.timers, sleepMs).then(
        () => {
          slept = true;
          endedAtMs = w.clock.monotonicMs();
        },
        () => {
          endedAtMs = w.clock.monotonicMs();
        },
      );
      await w.runUntilIdle();
      expect(endedAtMs).toBe(Math.min(sleepMs, budgetMs));
      if (sleepMs !== budgetMs) expect(slept).toBe(sleepMs < budgetMs);
      expect(w.pendingCount).toBe(0);
    }),
  );
});
