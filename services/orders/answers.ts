import type { Clock, Database, Timers } from '#kit/runtime';
import { inspectSaga, isEnded } from '#kit/saga';
import type { OrderRecord } from './model.ts';
import { readOrder } from './store.ts';

/** How often work is looked at that another instance does. */
const pollMs = 50;

/**
 * Lets requests wait for the outcome of sagas: told at once where the saga runs in this process, by looking where it
 * runs elsewhere. An order is placed by the saga of its own id; changes of it have sagas of theirs.
 */
export interface Answers {
  /** Announces that the saga will be run here. */
  expect(sagaId: string): void;
  /** The outcome is durable. `undefined`: this process no longer runs the saga, so the outcome has to be looked for. */
  settle(sagaId: string, order: OrderRecord | undefined): void;
  /** The order once the saga has decided it, or undefined when that takes longer than until `untilMs`. */
  wait(sagaId: string, orderId: string, untilMs: number, signal: AbortSignal): Promise<OrderRecord | undefined>;
}

export function createAnswers(options: {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly database: Database;
}): Answers {
  const { clock, timers, database } = options;
  const expected = new Map<string, PromiseWithResolvers<OrderRecord | undefined>>();

  async function look(sagaId: string, orderId: string): Promise<OrderRecord | undefined> {
    const found = await readOrder(database, orderId);
    if (!found) return undefined;
    if (sagaId === orderId) return found.order.state === 'received' ? undefined : found.order;
    const saga = await inspectSaga(database, sagaId);
    return saga && isEnded(saga) ? found.order : undefined;
  }

  /** `promise`, or undefined when time is up or the caller has gone. */
  function within<T>(promise: Promise<T>, waitMs: number, signal: AbortSignal): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const finish = (value: T | undefined) => {
        cancel();
        signal.removeEventListener('abort', onAbort);
        resolve(value);
      };
      const onAbort = () => finish(undefined);
      const cancel = timers.after(waitMs, onAbort);
      signal.addEventListener('abort', onAbort);
      promise.then(finish, reject);
    });
  }

  return {
    expect(sagaId) {
      expected.set(sagaId, Promise.withResolvers());
    },
    settle(sagaId, order) {
      expected.get(sagaId)?.resolve(order);
      expected.delete(sagaId);
    },
    async wait(sagaId, orderId, untilMs, signal) {
      const local = expected.get(sagaId);
      if (local) {
        const order = await within(local.promise, Math.max(0, untilMs - clock.monotonicMs()), signal);
        if (order) return order;
      }
      while (!signal.aborted) {
        const order = await look(sagaId, orderId);
        const leftMs = untilMs - clock.monotonicMs();
        if (order || leftMs <= 0) return order;
        await timers.sleep(Math.min(pollMs, leftMs));
      }
      return undefined;
    },
  };
}
