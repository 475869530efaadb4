import { expect, test } from 'vitest';
import type { inventory } from '#contracts/inventory';
import { type payments, paymentsProblems } from '#contracts/payments';
import type { Client } from '#kit/contract';
import type { RemoteStep, StepContext } from '#kit/saga';
import { type ChangeOrderInput, defineOrderSagas } from './sagas.ts';

const orderId = `ord_${'0'.repeat(26)}`;
const input: ChangeOrderInput = {
  orderId,
  changeId: 'ref_1',
  kind: 'refund',
  refundMinor: 500,
  lines: [],
  sellable: true,
  claim: { scope: 'staff:usr_1', key: 'k' },
  origin: { correlationId: 'test', step: 0 },
};

/** The refund step, where payments answers every refund with `problem`, and people gave up the sagas `abandoned`. */
function refundStep(problem: Error, abandoned: readonly string[] = []): RemoteStep<ChangeOrderInput> {
  const sagas = defineOrderSagas({
    clock: { now: () => 0, monotonicMs: () => 0 },
    inventory: {} as Client<typeof inventory>,
    payments: { refund: () => Promise.reject(problem) } as unknown as Client<typeof payments>,
    decide: async () => {},
    finish: async () => {},
    isAbandoned: async (sagaId) => abandoned.includes(sagaId),
  });
  return sagas.refundOrder.steps[0] as RemoteStep<ChangeOrderInput>;
}

const attempt = (count: number): StepContext<ChangeOrderInput> => ({
  sagaId: 'ref_1',
  input,
  results: {},
  key: 'ref_1:refund',
  attempt: count,
  signal: new AbortController().signal,
  timeoutMs: 1_000,
});

test('a refund waits for a capture that is under way, and says after a while which saga people have to look at', async () => {
  const pending = paymentsProblems['capture-pending']({ detail: 'the payment is authorized' });
  const step = refundStep(pending);
  await expect(step.run(attempt(1))).rejects.toBe(pending);
  await expect(step.run(attempt(199))).rejects.toBe(pending);
  expect(await step.run(attempt(200))).toEqual({
    refused: {
      reason: 'payments/capture-pending',
      detail: `the payment is authorized: see that saga ${orderId} captures it (resume it), then resume ref_1`,
    },
  });
});

test('a refund does not wait for a capture that people gave up', async () => {
  const pending = paymentsProblems['capture-pending']({ detail: 'the payment is authorized' });
  expect(await refundStep(pending, [orderId]).run(attempt(1))).toEqual({
    refused: {
      reason: 'payments/capture-pending',
      detail:
        `the payment is authorized: nobody takes it any more, saga ${orderId} was abandoned. ` +
        'Give back by hand what came by hand, then abandon ref_1',
    },
  });
});

test('money that was never taken is no reason to wait: the saga gets the refusal as it is', async () => {
  const none = paymentsProblems['not-captured']({ detail: '500 to refund, 0 left' });
  await expect(refundStep(none).run(attempt(1))).rejects.toMatchObject({
    code: 'payments/not-captured',
    retry: 'never',
  });
});
