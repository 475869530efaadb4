import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { backoffMs } from './backoff.ts';
import { type BreakerState, createBreaker, type Outcome } from './breaker.ts';
import { createRetryBudget } from './budget.ts';
import { createBulkhead } from './bulkhead.ts';
import { createDeadline } from './deadline.ts';
import { categoryOf, isDependencyFailure, retryOf } from './errors.ts';
import { createLatencies } from './latencies.ts';

const world = () => createVirtualWorld({ seed: 1 });

test('errors are classified by what they carry; those that carry nothing are internal and final', () => {
  expect(categoryOf({ category: 'conflict' })).toBe('conflict');
  for (const odd of [undefined, null, 'x', 7, new TypeError('bug'), { category: 'weather' }]) {
    expect(categoryOf(odd)).toBe('internal');
    expect(retryOf(odd)).toBe('never');
  }
  expect(retryOf({ retry: { afterMs: 5 } })).toEqual({ afterMs: 5 });
  expect(retryOf({ retry: { afterMs: 'soon' } })).toBe('never');
  expect(
    ['input', 'auth', 'conflict', 'unavailable', 'timeout', 'internal'].filter((c) =>
      isDependencyFailure({ category: c }),
    ),
  ).toEqual(['unavailable', 'timeout', 'internal']);
});

test('backoff is uniform between 0 and an exponential bound with a cap', () => {
  const random = world().random;
  const error = { retry: 'same-key' };
  for (const [attempt, boundMs] of [
    [1, 50],
    [2, 100],
    [3, 200],
    [4, 300],
    [60, 300],
  ] as const) {
    const delays = Array.from(
      { length: 500 },
      () => backoffMs(error, attempt, random, { baseMs: 50, capMs: 300 }) as number,
    );
    expect(Math.max(...delays)).toBeLessThan(boundMs);
    expect(Math.max(...delays)).toBeGreaterThan(boundMs * 0.95);
    expect(Math.min(...delays)).toBeLessThan(boundMs * 0.05);
  }
  expect(backoffMs({ retry: 'never' }, 1, random)).toBeUndefined();
  expect(backoffMs({ retry: { afterMs: 1_000 } }, 1, random)).toBeGreaterThanOrEqual(1_000);
});

test('budget: retries are at most a fifth of the calls plus the reserve, in any window', async () => {
  const w = world();
  const budget = createRetryBudget({ clock: w.clock, minPerSecond: 0 });
  let granted = 0;
  for (let i = 0; i < 1_000; i++) {
    budget.deposit();
    if (budget.withdraw()) granted++;
  }
  expect(granted).toBe(200);
  expect(budget.balance).toBe(0);
});

test('budget: a rare caller has the reserve, and gets it back after the window', async () => {
  const w = world();
  const budget = createRetryBudget({ clock: w.clock, share: 0, minPerSecond: 2 });
  let granted = 0;
  while (budget.withdraw()) granted++;
  expect(granted).toBe(20);
  await w.advance(9_000);
  expect(budget.withdraw()).toBe(false);
  await w.advance(1_000);
  expect(budget.balance).toBe(20);
});

test('budget: unused credit expires, so an hour of health does not pay for a storm', async () => {
  const w = world();
  const budget = createRetryBudget({ clock: w.clock, minPerSecond: 0 });
  for (let i = 0; i < 100_000; i++) budget.deposit();
  await w.advance(10_000);
  expect(budget.balance).toBe(0);
});

test('budget: whatever the pattern of calls, no window grants more than its share and twice the reserve', async () => {
  const pattern = fc.array(fc.tuple(fc.nat(2_000), fc.nat(30), fc.nat(30)), { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(pattern, async (steps) => {
      const w = world();
      const budget = createRetryBudget({ clock: w.clock, share: 0.2, minPerSecond: 1 });
      const calls: number[] = [];
      const retries: number[] = [];
      for (const [waitMs, callCount, tries] of steps) {
        await w.advance(waitMs);
        const nowMs = w.clock.monotonicMs();
        for (let i = 0; i < callCount; i++) {
          budget.deposit();
          calls.push(nowMs);
        }
        for (let i = 0; i < tries; i++) if (budget.withdraw()) retries.push(nowMs);
        const recent = (times: number[], windowMs: number) => times.filter((at) => at > nowMs - windowMs).length;
        expect(recent(retries, 9_000)).toBeLessThanOrEqual(recent(calls, 20_000) * 0.2 + 20);
      }
    }),
    { numRuns: 50 },
  );
});

function breakerWorld() {
  const w = world();
  const changes: string[] = [];
  const breaker = createBreaker({
    clock: w.clock,
    name: 'payments',
    onChange: (to, from) => changes.push(`${from.kind}>${to.kind}`),
  });
  const call = (outcome: Outcome) => breaker.leave(breaker.enter(), outcome);
  const open = () => {
    for (let i = 0; i < 20; i++) call('failure');
  };
  return { w, breaker, changes, call, open };
}

test('breaker: half of the calls failing opens it, once there are enough calls', () => {
  const { breaker, call } = breakerWorld();
  for (let i = 0; i < 19; i++) call('failure');
  expect(breaker.state.kind).toBe('closed');
  call('success');
  call('failure');
  expect(breaker.state).toMatchObject({ kind: 'open', failures: 20, calls: 21 });
});

test('breaker: fewer than half of the calls failing never opens it', () => {
  const { breaker, call } = breakerWorld();
  for (let i = 0; i < 500; i++) {
    call('success');
    call('success');
    call('failure');
    call('abandoned');
  }
  expect(breaker.state.kind).toBe('closed');
});

test('breaker: failures of more than ten seconds ago count for nothing', async () => {
  const { w, breaker, call } = breakerWorld();
  for (let i = 0; i < 19; i++) call('failure');
  await w.advance(3_600_000);
  call('failure');
  expect(breaker.state.kind).toBe('closed');
});

test('breaker: open refuses with the time left, then one probe decides', async () => {
  const { w, breaker, changes, call, open } = breakerWorld();
  open();
  expect(() => breaker.enter()).toThrow(
    expect.objectContaining({ category: 'unavailable', retry: { afterMs: 30_000 } }),
  );
  await w.advance(29_999);
  expect(() => breaker.enter()).toThrow(expect.objectContaining({ retry: { afterMs: 1 } }));
  await w.advance(1);
  const probe = breaker.enter();
  expect(breaker.state).toEqual({ kind: 'half-open', probing: true });
  expect(() => breaker.enter()).toThrow('payments failed too often');
  breaker.leave(probe, 'failure');
  expect(breaker.state.kind).toBe('open');
  await w.advance(30_000);
  call('success');
  expect(breaker.state.kind).toBe('closed');
  expect(changes).toEqual(['closed>open', 'open>half-open', 'half-open>open', 'open>half-open', 'half-open>closed']);
  // The window is clean: it takes as many failures again.
  for (let i = 0; i < 19; i++) call('failure');
  expect(breaker.state.kind).toBe('closed');
});

test('breaker: a probe that is abandoned makes way for the next', async () => {
  const { w, breaker, open } = breakerWorld();
  open();
  await w.advance(30_000);
  breaker.leave(breaker.enter(), 'abandoned');
  expect(breaker.state).toEqual({ kind: 'half-open', probing: false });
  breaker.leave(breaker.enter(), 'success');
  expect(breaker.state.kind).toBe('closed');
});

test('breaker: what a call from before says does not decide about now', async () => {
  const { w, breaker, open } = breakerWorld();
  const [slow1, slow2] = [breaker.enter(), breaker.enter()];
  open();
  breaker.leave(slow1, 'success');
  expect(breaker.state.kind).toBe('open');
  await w.advance(30_000);
  breaker.enter();
  breaker.leave(slow2, 'success');
  expect(breaker.state).toEqual({ kind: 'half-open', probing: true });
});

test('breaker: any history keeps to the state machine', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('enter' as const) }),
    fc.record({
      kind: fc.constant('leave' as const),
      index: fc.nat(5),
      outcome: fc.constantFrom<Outcome>('success', 'failure', 'failure', 'abandoned'),
    }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(10, 900, 5_000, 30_000) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 150 }), async (steps) => {
      const w = world();
      const states: BreakerState[] = [{ kind: 'closed' }];
      const breaker = createBreaker({ clock: w.clock, name: 'x', callsMin: 3, onChange: (to) => states.push(to) });
      const permits: number[] = [];
      let probes = 0;
      for (const s of steps) {
        if (s.kind === 'wait') await w.advance(s.ms);
        else if (s.kind === 'leave') {
          const [permit] = permits.splice(s.index % Math.max(1, permits.length), 1);
          if (permit !== undefined) breaker.leave(permit, s.outcome);
        } else {
          const before = breaker.state;
          try {
            permits.push(breaker.enter());
            if (before.kind === 'open') expect(w.clock.monotonicMs()).toBeGreaterThanOrEqual(before.untilMs);
            expect(before).not.toEqual({ kind: 'half-open', probing: true });
            if (breaker.state.kind === 'half-open') probes++;
          } catch (error) {
            expect(before.kind).not.toBe('closed');
            expect(error).toMatchObject({ category: 'unavailable' });
          }
        }
      }
      const legal = new Set(['closed>open', 'open>half-open', 'half-open>open', 'half-open>closed']);
      for (let i = 1; i < states.length; i++) expect(legal).toContain(`${states[i - 1]?.kind}>${states[i]?.kind}`);
      expect(probes).toBeGreaterThanOrEqual(states.filter((s) => s.kind === 'half-open').length);
    }),
  );
});

test('bulkhead: so many at a time, so many waiting in order, the rest refused at once with a hint', async () => {
  const w = world();
  const deadline = createDeadline({ ...w, budgetMs: 1_000 });
  const bulkhead = createBulkhead({ name: 'search', concurrencyMax: 2, queueMax: 2 });
  expect(bulkhead.enter(deadline)).toBeUndefined();
  expect(bulkhead.free).toBe(true);
  expect(bulkhead.enter(deadline)).toBeUndefined();
  const admitted: string[] = [];
  bulkhead.enter(deadline)?.then(() => admitted.push('first'));
  bulkhead.enter(deadline)?.then(() => admitted.push('second'));
  expect(() => bulkhead.enter(deadline)).toThrow(
    expect.objectContaining({ category: 'unavailable', status: 503, retry: { afterMs: expect.any(Number) } }),
  );
  bulkhead.leave(5);
  await w.advance(0);
  expect(admitted).toEqual(['first']);
  expect(bulkhead).toMatchObject({ active: 2, queued: 1, free: false });
  bulkhead.leave(5);
  bulkhead.leave(5);
  bulkhead.leave(5);
  await w.advance(0);
  expect(admitted).toEqual(['first', 'second']);
  expect(bulkhead).toMatchObject({ active: 0, queued: 0 });
});

test('bulkhead: who waits longer than the deadline gives up the place in the queue', async () => {
  const w = world();
  const bulkhead = createBulkhead({ name: 'search', concurrencyMax: 1, queueMax: 1 });
  bulkhead.enter(createDeadline({ ...w, budgetMs: 1_000 }));
  const waiting = bulkhead.enter(createDeadline({ ...w, budgetMs: 10 }));
  const refused = expect(waiting).rejects.toMatchObject({ category: 'timeout' });
  await w.advance(10);
  await refused;
  expect(bulkhead.queued).toBe(0);
  bulkhead.leave(10);
  expect(bulkhead.active).toBe(0);
});

test('bulkhead: the hint grows with the service time of the calls ahead', () => {
  const w = world();
  const deadline = createDeadline({ ...w, budgetMs: 1_000 });
  const bulkhead = createBulkhead({ name: 'search', concurrencyMax: 1, queueMax: 0 });
  const hint = () => {
    try {
      bulkhead.enter(deadline);
    } catch (error) {
      return (error as { retry: { afterMs: number } }).retry.afterMs;
    }
    throw new Error('was admitted');
  };
  bulkhead.enter(deadline);
  expect(hint()).toBe(10);
  for (let i = 0; i < 100; i++) {
    bulkhead.leave(500);
    bulkhead.enter(deadline);
  }
  expect(hint()).toBeGreaterThan(450);
});

test('latencies: the percentile is that of the recent calls, and unknown at first', () => {
  const latencies = createLatencies();
  for (let i = 0; i < 31; i++) latencies.record(5);
  expect(latencies.percentileMs).toBeUndefined();
  for (let i = 0; i < 1_000; i++) latencies.record(i % 100);
  expect(latencies.percentileMs).toBeGreaterThanOrEqual(92);
  expect(latencies.percentileMs).toBeLessThanOrEqual(97);
  for (let i = 0; i < 256; i++) latencies.record(1);
  expect(latencies.percentileMs).toBe(1);
});
