/**
 * Carries operations out: several at once, never more than asked for, and each only after what it depends on. Reading
 * stops while all hands are busy, so a slow shop slows the file down instead of filling the memory.
 */
import type { Operation, ShopOperation } from './operations.ts';

export interface ExecuteOptions {
  /** Rejects for an operation that can't be done; `onFailure` then decides whether the rest goes on. */
  readonly perform: (operation: ShopOperation) => Promise<void>;
  /** Throws to stop everything. Without it the first failure does. */
  readonly onFailure: (operation: ShopOperation, error: unknown) => void;
  /** Operations under way at once. */
  readonly concurrency: number;
  /** Operations at the start of the stream that an earlier run has done: passed over. */
  readonly skip: number;
  /** Stops taking new operations; those under way end. */
  readonly signal?: AbortSignal;
  /** Called with the number of operations, from the start of the stream, that are all done. */
  readonly onDone?: (doneCount: number) => void;
}

export interface ExecuteResult {
  /** Operations from the start of the stream that are done without a gap: what a later run may skip. */
  readonly doneCount: number;
  /** The stream ended and nothing was left out. */
  readonly complete: boolean;
}

export async function executeOperations(
  operations: AsyncIterable<Operation>,
  { perform, onFailure, concurrency, skip, signal, onDone }: ExecuteOptions,
): Promise<ExecuteResult> {
  // A Set keeps the order of insertion, so the first index is the oldest operation still under way.
  const underWay = new Set<number>();
  const placing = new Map<string, Promise<void>>();
  let wake: (() => void) | undefined;
  let taken = 0;
  let stopped: { readonly error: unknown } | undefined;
  let firstGap = Number.POSITIVE_INFINITY;

  const doneCount = () => Math.min(firstGap, underWay.values().next().value ?? taken);
  const idleBelow = async (limit: number) => {
    while (underWay.size >= limit) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };

  async function run(operation: ShopOperation, index: number): Promise<void> {
    try {
      if (operation.type === 'return' || operation.type === 'refund') await placing.get(operation.orderKey);
      await perform(operation);
    } catch (error) {
      firstGap = Math.min(firstGap, index);
      try {
        onFailure(operation, error);
      } catch (fatal) {
        stopped ??= { error: fatal };
      }
    } finally {
      underWay.delete(index);
      if (operation.type === 'order') placing.delete(operation.key);
      onDone?.(doneCount());
      wake?.();
    }
  }

  let ended = false;
  const stopping = () => stopped !== undefined || signal?.aborted === true;
  try {
    for await (const operation of operations) {
      if (operation.type === 'barrier') await idleBelow(1);
      else await idleBelow(concurrency);
      if (stopping()) break;
      const index = taken;
      taken += 1;
      if (operation.type === 'barrier' || operation.type === 'reject' || index < skip) continue;
      underWay.add(index);
      const running = run(operation, index);
      if (operation.type === 'order') placing.set(operation.key, running);
    }
    ended = !stopping();
  } finally {
    await idleBelow(1);
  }
  if (stopped !== undefined) throw stopped.error;
  return { doneCount: doneCount(), complete: ended && firstGap === Number.POSITIVE_INFINITY };
}
