import { expect, test } from 'vitest';
import { ordersProblems } from '#contracts/orders';
import { createVirtualWorld } from '#kit/runtime';
import { defineSaga, newSaga, type StepContext } from '#kit/saga';
import { createTelemetry } from '#kit/telemetry';
import { logByOrigin, measureSteps, traceSagas } from './observe.ts';
import type { OrderSagas, Origin } from './sagas.ts';

const world = createVirtualWorld({ seed: 1 });

/** A saga whose steps do as told, traced. */
function setUp(run: (context: StepContext<{ readonly origin: Origin }>) => Promise<{ done: unknown }>) {
  const telemetry = createTelemetry({ ...world, service: 'test', sampleRatio: 1 });
  const saga = defineSaga<{ readonly origin: Origin }>({
    name: 'place-order',
    version: 1,
    steps: [{ kind: 'remote', name: 'hold', run, compensate: async (context) => void (await run(context)) }],
  });
  const sagas = { placeOrder: saga, cancelOrder: saga, returnOrder: saga, refundOrder: saga } as unknown as OrderSagas;
  const [step] = traceSagas(telemetry, sagas).placeOrder.steps as unknown as typeof saga.steps;
  const root = telemetry.span('root', undefined);
  const origin: Origin = { correlationId: 'cor_1', step: 1, traceparent: root.traceparent };
  const context = { sagaId: 's', input: { origin }, attempt: 2, results: {}, key: 's:hold', timeoutMs: 1 };
  return { telemetry, saga, step, root, context: { ...context, signal: new AbortController().signal } };
}

test('each attempt at a step and its compensation is a span, and what it calls belongs to it', async () => {
  const seen: string[] = [];
  const { telemetry, step, root, context } = setUp(async ({ input }) => {
    seen.push(input.origin.traceparent ?? '');
    return { done: undefined };
  });
  if (step?.kind !== 'remote') throw new Error('the step has changed its kind');
  await step.run(context);
  await step.compensate?.(context);
  const spans = telemetry.spans.trace(root.traceId);
  expect(spans.map(({ name }) => name)).toEqual(['place-order hold', 'place-order hold compensation']);
  expect(spans[0]?.attributes).toMatchObject({ attempt: 2, step: 1, service: 'orders' });
  for (const [i, traceparent] of seen.entries()) expect(traceparent).toContain(spans[i]?.spanId);
});

test('a refusal is noted and no failure; anything else is one', async () => {
  const refusal = ordersProblems['unknown-sku']({ detail: 'no such thing' });
  for (const error of [refusal, new Error('away')]) {
    const { telemetry, step, root, context } = setUp(() => Promise.reject(error));
    if (step?.kind !== 'remote') throw new Error('the step has changed its kind');
    await expect(step.run(context)).rejects.toThrow(error.message);
    const [span] = telemetry.spans.trace(root.traceId);
    if (error === refusal) expect(span).toMatchObject({ error: undefined, attributes: { refused: refusal.code } });
    else expect(span?.error).toContain('away');
  }
});

test('lines of the engine about a saga carry correlation id, step and trace of the request that began it', () => {
  const { saga, context } = setUp(async () => ({ done: undefined }));
  const record = newSaga(saga, 'ord_1', context.input, 'own_1');
  const log = logByOrigin(world.log, (id) => (id === 'ord_1' ? record : undefined));
  log.warn('saga step failed', { saga: 'ord_1', step: 'hold', attempt: 3 });
  log.with({ a: 1 }).warn('lease renewal failed', { owner: 'own_1' });
  const [first, second] = world.lines.slice(-2);
  const traceId = context.input.origin.traceparent?.slice(3, 35);
  expect(first?.fields).toEqual({
    saga: 'ord_1',
    sagaStep: 'hold',
    attempt: 3,
    correlationId: 'cor_1',
    step: 1,
    traceId,
  });
  expect(second?.fields).toEqual({ a: 1, owner: 'own_1' });
});

test('steps are counted by how they end, and sagas under way are shown', async () => {
  const { telemetry, saga, context } = setUp(async () => ({ done: undefined }));
  const measure = measureSteps(telemetry, () => 7);
  const record = newSaga(saga, 'ord_1', context.input, 'own_1');
  measure(record, { step: 'hold', event: 'done', at: 0, durationMs: 12 });
  measure(record, { step: 'hold', event: 'taken-over', at: 0 });
  const page = await telemetry.metricsText();
  for (const line of [
    'holdfast_saga_steps_total{saga="place-order",step="hold",event="done"} 1',
    'holdfast_saga_step_duration_seconds_count{saga="place-order",step="hold",event="done"} 1',
    'holdfast_sagas_active{service="orders"} 7',
  ]) {
    expect(page).toContain(line);
  }
});
