// Ten calls a second to a dependency that fails for a while, in virtual time: retries, the breaker, recovery by itself.
import { createBreaker, createBulkhead, createPolicy, createRetryBudget } from '#kit/resilience';
import { createVirtualWorld } from '#kit/runtime';

const world = createVirtualWorld({ seed: 1 });
const { clock, timers } = world;
const seconds = () => `${(clock.monotonicMs() / 1_000).toFixed(1).padStart(5)} s`;

const policy = createPolicy({
  ...world,
  timeoutMs: 2_000,
  attemptTimeoutMs: 500,
  budget: createRetryBudget({ clock }),
  bulkhead: createBulkhead({ name: 'stock', concurrencyMax: 16 }),
  breaker: createBreaker({
    clock,
    name: 'stock',
    onChange: (to, from) => console.log(`${seconds()}  breaker ${from.kind} → ${to.kind}`),
  }),
});

let callCount = 0;
async function stockOf(sku: string): Promise<string> {
  callCount++;
  await timers.sleep(10);
  const broken = clock.monotonicMs() > 5_000 && clock.monotonicMs() < 40_000;
  if (broken) throw Object.assign(new Error('connection refused'), { category: 'unavailable', retry: 'same-key' });
  return `12 of ${sku}`;
}

const tally = new Map<string, number>();
timers.every(100, async () => {
  const answer = await policy.run(() => stockOf('tea')).catch((error: Error) => error.message);
  tally.set(answer, (tally.get(answer) ?? 0) + 1);
});

await world.advance(90_000);
console.log(tally, { callCount });
