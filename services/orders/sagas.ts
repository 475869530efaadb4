import type { inventory } from '#contracts/inventory';
import type { payments } from '#contracts/payments';
import { type CallContext, type Client, isProblem } from '#kit/contract';
import type { EventCause } from '#kit/messaging';
import type { Clock } from '#kit/runtime';
import {
  defineSaga,
  type Refusal,
  type SagaDefinition,
  type SagaRecord,
  type StepContext,
  type StepOutcome,
} from '#kit/saga';
import type { Change, Decision } from './model.ts';

/** What a saga needs to know to make calls on behalf of the request that began it. */
export interface Origin {
  readonly correlationId: string;
  readonly step: number;
  readonly traceparent?: string;
}

export interface PlaceOrderInput {
  readonly orderId: string;
  readonly goods: readonly { readonly sku: string; readonly quantity: number }[];
  readonly amountMinor: number;
  readonly currency: string;
  readonly method: string;
  readonly origin: Origin;
}

export interface ChangeOrderInput {
  readonly orderId: string;
  readonly changeId: string;
  readonly kind: Change['kind'];
  readonly refundMinor: number;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
  readonly sellable: boolean;
  readonly claim: { readonly scope: string; readonly key: string };
  readonly origin: Origin;
}

export interface OrderSagas {
  readonly placeOrder: SagaDefinition<PlaceOrderInput>;
  readonly cancelOrder: SagaDefinition<ChangeOrderInput>;
  readonly returnOrder: SagaDefinition<ChangeOrderInput>;
  readonly refundOrder: SagaDefinition<ChangeOrderInput>;
}

export interface OrderSagaOptions {
  readonly clock: Clock;
  readonly inventory: Client<typeof inventory>;
  readonly payments: Client<typeof payments>;
  /** Commits a decision with the saga's progress. */
  readonly decide: (input: PlaceOrderInput, decision: Decision, progress: SagaRecord) => Promise<void>;
  /** Commits the end of a change with the saga's progress. */
  readonly finish: (input: ChangeOrderInput, progress: SagaRecord) => Promise<void>;
  /** Whether people gave a saga up: it will never go on. */
  readonly isAbandoned: (sagaId: string) => Promise<boolean>;
}

/** A quarter of an hour, as long as a step before a pivot is given: pauses grow to 10 s and are half as long on average. */
const captureAttemptsMax = 200;

const done = (result?: unknown): StepOutcome => ({ done: result });

/** The workflows of an order, as data. What each step does to others it does by calls that can be repeated. */
export function defineOrderSagas(options: OrderSagaOptions): OrderSagas {
  const { clock, inventory, payments, decide, finish, isAbandoned } = options;

  function contextFor(step: StepContext<{ readonly origin: Origin }>): CallContext {
    const { correlationId, step: hop, traceparent } = step.input.origin;
    return {
      caller: { kind: 'service', id: 'orders' },
      correlationId,
      step: hop,
      traceparent,
      idempotencyKey: undefined,
      deadlineAtMs: clock.monotonicMs() + step.timeoutMs,
      signal: step.signal,
      headers: {},
    };
  }

  const placeOrder = defineSaga<PlaceOrderInput>({
    name: 'place-order',
    version: 1,
    pivot: 'confirm',
    steps: [
      {
        kind: 'remote',
        name: 'hold',
        async run(step) {
          const { orderId, goods } = step.input;
          if (goods.length === 0) return done();
          await inventory.hold({ key: step.key, body: { orderId, lines: [...goods] } }, contextFor(step));
          return done();
        },
        async compensate(step) {
          const { orderId, goods } = step.input;
          if (goods.length > 0)
            await inventory.release({ key: `${step.key}:undo`, params: { orderId } }, contextFor(step));
        },
      },
      {
        kind: 'remote',
        name: 'authorize',
        timeoutMs: 8_000,
        async run(step) {
          const { orderId, amountMinor, currency, method } = step.input;
          if (amountMinor === 0) return done();
          const body = { orderId, amountMinor, currency, method };
          await payments.authorize({ key: step.key, body }, contextFor(step));
          return done();
        },
        async compensate(step) {
          const { orderId, amountMinor } = step.input;
          if (amountMinor > 0) await payments.void({ key: `${step.key}:undo`, params: { orderId } }, contextFor(step));
        },
      },
      {
        kind: 'remote',
        // Before the pivot: a hold may have expired, and an order must not be confirmed on units that others have bought.
        name: 'commit-stock',
        async run(step) {
          const { orderId, goods } = step.input;
          if (goods.length > 0) await inventory.commit({ key: step.key, params: { orderId } }, contextFor(step));
          return done();
        },
      },
      {
        kind: 'local',
        name: 'confirm',
        async run(step, progress) {
          await decide(step.input, { confirmed: true }, progress);
          return done();
        },
      },
      {
        kind: 'remote',
        name: 'capture',
        timeoutMs: 8_000,
        async run(step) {
          const { orderId, amountMinor } = step.input;
          if (amountMinor > 0) await payments.capture({ key: step.key, params: { orderId } }, contextFor(step));
          return done();
        },
      },
    ],
    onRefused: (step, refusal, progress) => decide(step.input, { refused: reasonOf(refusal) }, progress),
  });

  /**
   * Money that a step gives back. A payment that is not captured yet will be: the refund waits for it, but not for ever.
   * Money that is not there, or that nobody will take any more, is a refusal at once. Either way the saga is stuck then,
   * with a reason that people can act on.
   */
  async function giveBack(step: StepContext<ChangeOrderInput>): Promise<StepOutcome> {
    const { orderId, changeId, refundMinor } = step.input;
    if (refundMinor === 0) return done();
    try {
      const body = { refundId: changeId, amountMinor: refundMinor };
      await payments.refund({ key: step.key, params: { orderId }, body }, contextFor(step));
      return done();
    } catch (error) {
      if (!isProblem(error) || error.code !== 'payments/capture-pending') throw error;
      const advice = await adviceOnCapture(step);
      if (advice === undefined) throw error;
      return { refused: { reason: error.code, detail: `${error.detail}: ${advice}` } };
    }
  }

  /** What people have to do before money that is not captured can be given back; undefined: nothing, it is on its way. */
  async function adviceOnCapture({
    sagaId,
    attempt,
    input,
  }: StepContext<ChangeOrderInput>): Promise<string | undefined> {
    const { orderId } = input;
    if (await isAbandoned(orderId)) {
      return `nobody takes it any more, saga ${orderId} was abandoned. Give back by hand what came by hand, then abandon ${sagaId}`;
    }
    if (attempt < captureAttemptsMax) return undefined;
    return `see that saga ${orderId} captures it (resume it), then resume ${sagaId}`;
  }

  const finishStep = {
    kind: 'local',
    name: 'finish',
    async run(step: StepContext<ChangeOrderInput>, progress: SagaRecord): Promise<StepOutcome> {
      await finish(step.input, progress);
      return done();
    },
  } as const;

  const cancelOrder = defineSaga<ChangeOrderInput>({
    name: 'cancel-order',
    version: 1,
    pivot: null,
    steps: [
      {
        kind: 'remote',
        name: 'give-money-back',
        timeoutMs: 8_000,
        async run(step) {
          const { orderId, refundMinor } = step.input;
          if (refundMinor > 0) await payments.void({ key: step.key, params: { orderId } }, contextFor(step));
          return done();
        },
      },
      {
        kind: 'remote',
        name: 'release-stock',
        async run(step) {
          const { orderId, lines } = step.input;
          if (lines.length > 0) await inventory.release({ key: step.key, params: { orderId } }, contextFor(step));
          return done();
        },
      },
      finishStep,
    ],
  });

  const returnOrder = defineSaga<ChangeOrderInput>({
    name: 'return-order',
    version: 1,
    pivot: null,
    steps: [
      {
        kind: 'remote',
        name: 'restock',
        async run(step) {
          const { orderId, changeId: returnId, lines, sellable } = step.input;
          await inventory.restock(
            { key: step.key, body: { returnId, orderId, lines: [...lines], sellable } },
            contextFor(step),
          );
          return done();
        },
      },
      { kind: 'remote', name: 'refund', timeoutMs: 8_000, run: giveBack },
      finishStep,
    ],
  });

  const refundOrder = defineSaga<ChangeOrderInput>({
    name: 'refund-order',
    version: 1,
    pivot: null,
    steps: [{ kind: 'remote', name: 'refund', timeoutMs: 8_000, run: giveBack }, finishStep],
  });

  return { placeOrder, cancelOrder, returnOrder, refundOrder };
}

function reasonOf(refusal: Refusal): { code: string; detail: string; data?: unknown } {
  return {
    code: refusal.reason,
    detail: refusal.detail ?? 'The order could not be completed.',
    ...(refusal.data === undefined ? {} : { data: refusal.data }),
  };
}

export function causeOf(origin: Origin): EventCause {
  return { correlationId: origin.correlationId, step: origin.step, traceparent: origin.traceparent };
}
