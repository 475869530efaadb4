import type { Random } from '#kit/runtime';
import type { MicroOperation } from './transaction.ts';

export interface AppendWorkloadOptions {
  readonly random: Random;
  /** Keys at one time. Fewer: more contention. Default 4. */
  readonly keys?: number;
  /** A key is retired after so many appends, so that lists stay short. Default 32. */
  readonly appendsPerKeyMax?: number;
  /** Steps of one transaction, at least one. Default 4. */
  readonly stepsMax?: number;
}

export interface AppendWorkload {
  /** The next transaction to run: appends with values of their own, and reads to be filled in. */
  next(): MicroOperation[];
  /** Every key that was used: read them all at the end, so that nothing stays unseen. */
  readonly keys: readonly string[];
}

/** Transactions that append and read, drawn from a seed: what `checkTransactions` needs to find anomalies. */
export function createAppendWorkload(options: AppendWorkloadOptions): AppendWorkload {
  const { random, keys: width = 4, appendsPerKeyMax = 32, stepsMax = 4 } = options;
  const keys: string[] = [];
  const appended = new Map<string, number>();
  const below = (limit: number) => Math.floor(random.next() * limit);
  const fresh = (): string => {
    const key = `k${keys.length}`;
    keys.push(key);
    appended.set(key, 0);
    return key;
  };
  const live = Array.from({ length: width }, fresh);

  function step(): MicroOperation {
    const at = below(width);
    const key = live[at] as string;
    if (random.next() < 0.5) return ['read', key];
    const element = (appended.get(key) ?? 0) + 1;
    appended.set(key, element);
    if (element >= appendsPerKeyMax) live[at] = fresh();
    return ['append', key, element];
  }

  return { keys, next: () => Array.from({ length: 1 + below(stepsMax) }, step) };
}
