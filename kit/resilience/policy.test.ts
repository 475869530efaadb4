import { expect, test } from 'vitest';
import { createVirtualWorld, type VirtualWorld } from '#kit/runtime';
import { createBreaker } from './breaker.ts';
import { createRetryBudget } from './budget.ts';
import { createBulkhead } from './bulkhead.ts';
import type { Deadline } from './deadline.ts';
import { createPolicy, type PolicyEvent, type PolicyOptions } from './policy.ts';

const unavailable = { category: 'unavailable', retry: 'same-key' };

function setUp(options: Partial<PolicyOptions> = {}) {
  const w = createVirtualWorld({ seed: 1 });
  const events: PolicyEvent[] = [];
  const breaker = createBreaker({ clock: w.clock, name: 'stock' });
  const bulkhead = createBulkhead({ name: 'stock', concurrencyMax: 2, queueMax: 2 });
  const budget = createRetryBudget({ clock: w.clock });
  const policy = createPolicy({ ...w, breaker, bulkhead, budget, onEvent: (event) => events.push(event), ...options });
  return { w, policy, events, breaker, bulkhead };
}

/** Runs the world until the promise has settled, and says how. */
async function outcomeOf(w: VirtualWorld, promise: Promise<unknown>): Promise<unknown> {
  let outcome: unknown = 'pending';
  promise.then(
    (value) => {
      outcome = { value };
    },
    (error) => {
      outcome = { error };
    },
  );
  await w.runUntil(() => outcome !== 'pending', { withinMs: 120_000 }).catch(() => undefined);
  return outcome;
}

/** Work that fails so often and then answers. */
function failing(times: number, error: unknown) {
  const attempts: number[] = [];
  const work = async (_deadline: Deadline, attempt: number) => {
    attempts.push(attempt);
    if (attempts.length <= times) throw error;
    return 'fine';
  };
  return { work, attempts };
}

test('a call that goes well is made once and leaves nothing behind', async () => {
  const { w, policy, events, bulkhead } = setUp();
  const { work, attempts } = failing(0, unavailable);
  expect(await policy.run(work)).toBe('fine');
  expect(attempts).toEqual([1]);
  expect(events).toEqual([]);
  expect(w.pendingCount).toBe(0);
  expect(bulkhead.active).toBe(0);
});

test('a call that may be repeated is, until it goes well', async () => {
  const { w, policy, events } = setUp();
  const { work, attempts } = failing(2, unavailable);
  expect(await outcomeOf(w, policy.run(work))).toEqual({ value: 'fine' });
  expect(attempts).toEqual([1, 2, 3]);
  expect(events.map((event) => event.kind)).toEqual(['retry', 'retry']);
});

test('the last error is thrown when the attempts are used up', async () => {
  const { w, policy, events } = setUp();
  const { work, attempts } = failing(9, unavailable);
  expect(await outcomeOf(w, policy.run(work))).toEqual({ error: unavailable });
  expect(attempts).toHaveLength(3);
  expect(events.at(-1)).toMatchObject({ kind: 'gave-up', why: 'attempts' });
});

test('an error that repeating does not change is thrown at once', async () => {
  for (const error of [{ category: 'conflict', retry: 'never' }, new TypeError('bug')]) {
    const { w, policy } = setUp();
    const { work, attempts } = failing(9, error);
    expect(await outcomeOf(w, policy.run(work))).toEqual({ error });
    expect(attempts).toHaveLength(1);
    expect(w.clock.monotonicMs()).toBe(0);
  }
});

test('the advice to come back later is honoured, unless nobody waits that long', async () => {
  const later = { category: 'unavailable', retry: { afterMs: 700 } };
  const patient = setUp();
  const first = failing(1, later);
  expect(await outcomeOf(patient.w, patient.policy.run(first.work))).toEqual({ value: 'fine' });
  expect(patient.w.clock.monotonicMs()).toBeGreaterThanOrEqual(700);

  const hasty = setUp({ timeoutMs: 500 });
  const second = failing(1, later);
  expect(await outcomeOf(hasty.w, hasty.policy.run(second.work))).toEqual({ error: later });
  expect(hasty.w.clock.monotonicMs()).toBe(0);
  expect(hasty.events).toMatchObject([{ kind: 'gave-up', why: 'deadline' }]);
});

test('in an outage retries add a fifth to the load, not two more for each call', async () => {
  const w = createVirtualWorld({ seed: 1 });
  const budget = createRetryBudget({ clock: w.clock, minPerSecond: 0 });
  const policy = createPolicy({ ...w, budget });
  let calls = 0;
  for (let i = 0; i < 1_000; i++) {
    w.timers.after(i, () => {
      policy
        .run(async () => {
          calls++;
          throw unavailable;
        })
        .catch(() => undefined);
    });
  }
  await w.runUntilIdle();
  expect(calls).toBe(1_200);
});

test('work that does not answer is given up at the deadline, and its signal aborted', async () => {
  const { w, policy, bulkhead } = setUp({ timeoutMs: 100 });
  let signal: AbortSignal | undefined;
  const run = policy.run((deadline) => {
    signal = deadline.signal;
    return new Promise(() => undefined);
  });
  expect(await outcomeOf(w, run)).toMatchObject({
    error: { category: 'timeout', code: 'resilience/deadline-exceeded' },
  });
  expect(w.clock.monotonicMs()).toBe(100);
  expect(signal?.aborted).toBe(true);
  expect(bulkhead.active).toBe(0);
  expect(w.pendingCount).toBe(0);
});

test('an attempt that does not answer leaves time for another', async () => {
  const { w, policy } = setUp({ timeoutMs: 5_000, attemptTimeoutMs: 2_000, backoff: { baseMs: 0 } });
  const signals: AbortSignal[] = [];
  const run = policy.run((deadline, attempt) => {
    signals.push(deadline.signal);
    return attempt === 1 ? new Promise(() => undefined) : Promise.resolve('from another instance');
  });
  expect(await outcomeOf(w, run)).toEqual({ value: 'from another instance' });
  expect(w.clock.monotonicMs()).toBe(2_000);
  expect(signals.map((signal) => signal.aborted)).toEqual([true, false]);
});

test('a caller that goes away stops the work, and the dependency is not blamed', async () => {
  const { w, policy, breaker } = setUp();
  for (let i = 0; i < 40; i++) {
    const caller = new AbortController();
    const run = policy.run((deadline) => w.timers.sleep(60_000, deadline.signal), {
      deadlineAtMs: w.clock.monotonicMs() + 30_000,
      signal: caller.signal,
    });
    w.timers.after(50, () => caller.abort(new Error('gone')));
    expect(await outcomeOf(w, run)).toMatchObject({ error: { message: 'gone' } });
  }
  expect(breaker.state.kind).toBe('closed');
});

test('a caller in a hurry does not open the breaker; a patient one does', async () => {
  for (const [budgetMs, kind] of [
    [10, 'closed'],
    [50, 'open'],
  ] as const) {
    const { w, policy, breaker } = setUp();
    for (let i = 0; i < 20; i++) {
      await outcomeOf(
        w,
        policy.run(() => new Promise(() => undefined), { deadlineAtMs: w.clock.monotonicMs() + budgetMs }),
      );
    }
    expect(breaker.state.kind).toBe(kind);
  }
});

test('nothing is called for a caller that waits no longer', async () => {
  const { policy } = setUp();
  const { work, attempts } = failing(0, unavailable);
  await expect(policy.run(work, { deadlineAtMs: -1 })).rejects.toMatchObject({ category: 'timeout' });
  expect(attempts).toEqual([]);
});

test('a dependency that fails is left alone, and tried again by itself', async () => {
  const { w, policy, breaker } = setUp({ attemptsMax: 1 });
  let healthy = false;
  let calls = 0;
  const work = async () => {
    calls++;
    if (!healthy) throw unavailable;
    return 'fine';
  };
  for (let i = 0; i < 30; i++) await outcomeOf(w, policy.run(work));
  expect(calls).toBe(20);
  expect(breaker.state.kind).toBe('open');
  healthy = true;
  await w.advance(30_000);
  expect(await outcomeOf(w, policy.run(work))).toEqual({ value: 'fine' });
  expect(breaker.state.kind).toBe('closed');
});

test('refusals by the input do not open the breaker, nor do those of our own bulkhead', async () => {
  const { w, policy, breaker } = setUp({ attemptsMax: 1 });
  for (let i = 0; i < 50; i++) {
    await outcomeOf(
      w,
      policy.run(() => Promise.reject({ category: 'input', retry: 'never' })),
    );
  }
  const runs = Array.from({ length: 60 }, () => policy.run(() => w.timers.sleep(5)));
  const settled = Promise.allSettled(runs);
  await w.runUntilIdle();
  expect((await settled).filter((run) => run.status === 'rejected')).toHaveLength(56);
  expect(breaker.state.kind).toBe('closed');
});

test('never more calls at a time than the bulkhead has places', async () => {
  const { w, policy, bulkhead } = setUp();
  let running = 0;
  let runningMax = 0;
  const work = async () => {
    runningMax = Math.max(runningMax, ++running);
    await w.timers.sleep(1 + w.random.next() * 20);
    running--;
  };
  for (let i = 0; i < 200; i++) w.timers.after(i * 3, () => policy.run(work).catch(() => undefined));
  await w.runUntilIdle();
  expect(runningMax).toBe(2);
  expect(bulkhead).toMatchObject({ active: 0, queued: 0 });
});

test('a slow read gets a second try: the first answer counts and the loser is aborted', async () => {
  const { w, policy, events, breaker } = setUp({ hedge: {} });
  for (let i = 0; i < 64; i++)
    await outcomeOf(
      w,
      policy.run(() => w.timers.sleep(10)),
    );
  const startMs = w.clock.monotonicMs();
  const signals: AbortSignal[] = [];
  const run = policy.run(async (deadline) => {
    signals.push(deadline.signal);
    const number = signals.length;
    await w.timers.sleep(number === 1 ? 1_000 : 5, deadline.signal);
    return number;
  });
  expect(await outcomeOf(w, run)).toEqual({ value: 2 });
  expect(w.clock.monotonicMs() - startMs).toBe(16);
  expect(signals.map((signal) => signal.aborted)).toEqual([true, false]);
  expect(events).toEqual([{ kind: 'hedge' }, { kind: 'hedge-won' }]);
  expect(breaker.state.kind).toBe('closed');
  await w.advance(0);
  expect(w.pendingCount).toBe(0);
});

test('hedges stay within the budget and within the bulkhead', async () => {
  const broke = { deposit: () => undefined, withdraw: () => false, balance: 0 };
  const poor = setUp({ hedge: {}, budget: broke });
  for (let i = 0; i < 64; i++)
    await outcomeOf(
      poor.w,
      poor.policy.run(() => poor.w.timers.sleep(1)),
    );
  expect(
    await outcomeOf(
      poor.w,
      poor.policy.run(() => poor.w.timers.sleep(500)),
    ),
  ).toEqual({ value: undefined });
  expect(poor.events).toEqual([]);

  const full = setUp({ hedge: {} });
  for (let i = 0; i < 64; i++)
    await outcomeOf(
      full.w,
      full.policy.run(() => full.w.timers.sleep(1)),
    );
  const runs = [1, 2].map(() => full.policy.run(() => full.w.timers.sleep(500)));
  await outcomeOf(full.w, Promise.all(runs));
  expect(full.events).toEqual([]);
});

test('when both tries fail the call fails, and when one fails the other may still answer', async () => {
  for (const secondFails of [true, false]) {
    const { w, policy } = setUp({ hedge: {}, attemptsMax: 1 });
    for (let i = 0; i < 64; i++)
      await outcomeOf(
        w,
        policy.run(() => w.timers.sleep(10)),
      );
    let tries = 0;
    const run = policy.run(async () => {
      const number = ++tries;
      await w.timers.sleep(20);
      if (number === 1 || secondFails) throw unavailable;
      return 'second';
    });
    expect(await outcomeOf(w, run)).toEqual(secondFails ? { error: unavailable } : { value: 'second' });
    expect(tries).toBe(2);
  }
});

test('the same seed gives the same delays', async () => {
  const delays = async () => {
    const { w, policy, events } = setUp();
    await outcomeOf(w, policy.run(failing(2, unavailable).work));
    return events;
  };
  expect(await delays()).toEqual(await delays());
});
