import { readResult } from '#kit/idempotency';
import type { Clock, Database, Timers } from '#kit/runtime';
import type { OrderRecord } from './model.ts';

/** How often work is looked at that another instance does. */
const pollMs = 50;

export interface ClaimedKey {
  readonly scope: string;
  readonly key: string;
}

export type Outcome =
  | { readonly order: OrderRecord }
  | { readonly replay: { readonly status: number; readonly body: unknown } };

/**
 * Lets requests wait for the outcome of sagas: told at once where the saga runs in this process, by looking where it
 * runs elsewhere. What is looked for is the answer recorded under the request's key, never the order as it stands by
 * then: a second change may have come between, and all who ask with one key are told the same.
 */
export interface Answers {
  /** Announces that the saga will be run here. */
  expect(sagaId: string): void;
  /** The outcome is durable. `undefined`: this process no longer runs the saga, so the outcome has to be looked for. */
  settle(sagaId: string, order: OrderRecord | undefined): void;
  /** The outcome once the saga has decided it, or undefined when that takes longer than until `untilMs`. */
  wait(sagaId: string, claim: ClaimedKey, untilMs: number, signal: AbortSignal): Promise<Outcome | undefined>;
}

export function createAnswers(options: {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly database: Database;
}): Answers {
  const { clock, timers, database } = options;
  const expected = new Map<string, PromiseWithResolvers<OrderRecord | undefined>>();

  async function look(claim: ClaimedKey): Promise<Outcome | undefined> {
    const replay = await readResult(database, claim);
    return replay === undefined ? undefined : { replay: replay as { status: number; body: unknown } };
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
    async wait(sagaId, claim, untilMs, signal) {
      const leftMs = () => untilMs - clock.monotonicMs();
      const local = expected.get(sagaId);
      if (local) {
        const order = await within(local.promise, Math.max(0, leftMs()), signal);
        if (order) return { order };
      }
      // When time is up nothing is looked for once more: that takes as long as the database likes.
      while (!signal.aborted && leftMs() > 0) {
        const outcome = await within(look(claim), leftMs(), signal);
        if (outcome) return outcome;
        await timers.sleep(Math.max(0, Math.min(pollMs, leftMs())));
      }
      return undefined;
    },
  };
}
