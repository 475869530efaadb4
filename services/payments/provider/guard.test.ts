import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createTelemetry } from '#kit/telemetry';
import { isProviderError, lostError, ProviderError, refusalError } from './errors.ts';
import { createProviderGuard } from './guard.ts';

const openMs = 30_000;
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';

function setUp(bulkhead?: { readonly concurrencyMax: number; readonly queueMax: number }) {
  const world = createVirtualWorld({ seed: 1 });
  const telemetry = createTelemetry({ ...world, service: 'test' });
  const guard = createProviderGuard({
    ...world,
    name: 'acme',
    telemetry,
    breaker: { openMs },
    ...(bulkhead ? { bulkhead } : {}),
  });
  const caller = new AbortController();
  let calls = 0;
  /** Runs one call and gives back its answer or its error. */
  function run<T>(call: (signal: AbortSignal) => Promise<T>, budgetMs = 6_000): Promise<T | ProviderError> {
    const context = {
      deadlineAtMs: world.clock.monotonicMs() + budgetMs,
      signal: caller.signal,
      traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
    };
    const counted = (signal: AbortSignal) => {
      calls += 1;
      return call(signal);
    };
    return guard.run('authorize', context, counted).catch((error) => {
      if (isProviderError(error)) return error;
      throw error;
    });
  }
  return { world, caller, run, calls: () => calls, spans: () => telemetry.spans.trace(traceId) };
}

const fails = () => Promise.reject(lostError('timeout'));
const works = async () => ({ kind: 'authorized', providerRef: 'pi_secret', token: 'tok_secret' });

async function breakIt(run: (call: () => Promise<never>) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < 20; i++) await run(fails);
}

test('a provider that fails is left alone for a while: known not to be done, and never taken for a refusal', async () => {
  const { world, run, calls } = setUp();
  await breakIt(run);
  const before = calls();
  expect(await run(works)).toMatchObject({
    code: 'left_alone',
    outcome: 'not-done',
    category: 'unavailable',
    retry: { afterMs: openMs },
    message: expect.stringContaining('acme failed too often lately'),
  });
  expect(calls()).toBe(before);
  await world.advance(openMs);
  expect(await run(works)).toMatchObject({ kind: 'authorized' });
  expect(await run(works)).toMatchObject({ kind: 'authorized' });
  expect(world.lines.map(({ level, message, fields }) => [level, message, fields['state']])).toEqual([
    ['warn', 'breaker changed', 'open'],
    ['warn', 'breaker changed', 'half-open'],
    ['warn', 'breaker changed', 'closed'],
  ]);
});

test('what was sent ends as the adapter says: an unknown outcome stays one', async () => {
  const { run } = setUp();
  expect(await run(fails)).toMatchObject({ code: 'timeout', outcome: 'unknown', retry: 'same-key' });
});

test('a provider that answers is well, whatever it answers: refusals and declines never open the breaker', async () => {
  const { run } = setUp();
  const replay = { type: undefined, param: undefined, intentStatus: undefined, replayed: false };
  const refuses = () => Promise.reject(refusalError({ ...replay, status: 402, code: 'card_declined', message: 'no' }));
  for (let i = 0; i < 50; i++) expect(await run(refuses)).toMatchObject({ outcome: 'refused' });
  expect(await run(works)).toMatchObject({ kind: 'authorized' });
});

test('callers that leave or have no time say nothing of the provider, and without time nothing is sent', async () => {
  const { caller, run, calls } = setUp();
  for (let i = 0; i < 50; i++) await run(fails, 0);
  expect(calls()).toBe(0);
  caller.abort(new Error('gone'));
  for (let i = 0; i < 50; i++) expect(await run(fails)).toMatchObject({ code: 'aborted', outcome: 'not-done' });
  expect(calls()).toBe(0);
});

test('so many calls at a time, so many that wait, the rest are refused; who waits too long was never sent', async () => {
  const { world, run, calls } = setUp({ concurrencyMax: 1, queueMax: 1 });
  const { promise, resolve } = Promise.withResolvers<string>();
  const first = run(() => promise);
  const second = run(works, 1_000);
  await world.advance(1);
  expect(await run(works)).toMatchObject({ code: 'left_alone', outcome: 'not-done', category: 'unavailable' });
  await world.advance(1_000);
  expect(await second).toMatchObject({ code: 'aborted', outcome: 'not-done' });
  resolve('done');
  expect(await first).toBe('done');
  expect(calls()).toBe(1);
  expect(await run(works)).toMatchObject({ kind: 'authorized' });
});

test('a span tells the operation and the outcome, and nothing that belongs to the shopper or the provider', async () => {
  const { run, spans } = setUp();
  await run(works);
  await run(fails);
  await run(() => Promise.reject(new ProviderError({ ...fatal, message: 'sk_live_secret is no key' })));
  await run(async () => undefined);
  expect(spans().map(({ name, kind, attributes, error }) => [name, kind, attributes['outcome'], error])).toEqual([
    ['provider authorize', 'client', 'authorized', undefined],
    ['provider authorize', 'client', 'unknown', expect.stringContaining('timeout')],
    ['provider authorize', 'client', 'refused', undefined],
    ['provider authorize', 'client', 'not-found', undefined],
  ]);
  expect(JSON.stringify(spans())).not.toContain('secret');
});

const fatal = { code: 'credentials', outcome: 'refused', category: 'auth', retry: 'never' } as const;
