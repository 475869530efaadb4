/**
 * What a policy costs per call when everything is healthy, on the system's own clock and timers.
 * Run: node kit/resilience/overhead.bench.ts
 */
import { createBreaker, createBulkhead, createPolicy, createRetryBudget, type PolicyOptions } from '#kit/resilience';
import { systemClock as clock, systemRandom as random, systemTimers as timers } from '#kit/runtime';

const callCount = 200_000;
/** Calls under way at a time, as on a busy server. */
const concurrency = 32;

const dependency = {
  clock,
  timers,
  random,
  budget: createRetryBudget({ clock }),
  breaker: createBreaker({ clock, name: 'dependency' }),
  bulkhead: createBulkhead({ name: 'dependency' }),
};

async function microsecondsPerCall(call: () => Promise<unknown>): Promise<number> {
  const startMs = clock.monotonicMs();
  const worker = async () => {
    for (let i = 0; i < callCount / concurrency; i++) await call();
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return ((clock.monotonicMs() - startMs) * 1_000) / callCount;
}

async function measure(name: string, call: () => Promise<unknown>): Promise<void> {
  const rounds: number[] = [];
  for (let round = 0; round < 5; round++) rounds.push(await microsecondsPerCall(call));
  console.log(`${name.padEnd(52)} ${rounds.sort((a, b) => a - b)[2]?.toFixed(2)} µs`);
}

const work = async () => 1;
const withPolicy = (options: Partial<PolicyOptions>) => createPolicy({ ...dependency, ...options });
const caller = new AbortController();
const bound = { deadlineAtMs: clock.monotonicMs() + 600_000, signal: caller.signal };

const plain = withPolicy({});
const withAttempts = withPolicy({ attemptTimeoutMs: 2_000 });
const hedging = withPolicy({ hedge: { delayMsMin: 50 } });

await measure('the call alone', work);
await measure('policy', () => plain.run(work));
await measure('policy, call takes the signal', () => plain.run(async (deadline) => deadline.signal.aborted));
await measure('policy, caller with deadline and signal', () => plain.run(work, bound));
await measure('policy, time-out per attempt', () => withAttempts.run(work));
await measure('policy, hedging', () => hedging.run(work));
