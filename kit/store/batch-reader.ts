import type { Timers } from '#kit/runtime';
import { StoreOverloaded } from './errors.ts';

export interface BatchReaderOptions<Key, Value> {
  readonly name: string;
  readonly timers: Timers;
  /** Reads many keys at once; those that do not exist are left out. */
  readonly load: (keys: readonly Key[]) => Promise<ReadonlyMap<Key, Value>>;
  /** Keys in one read. Default 500. */
  readonly batchMax?: number;
  /** Reads that may wait; one more is refused with `StoreOverloaded`. Default 5,000. */
  readonly waitingMax?: number;
}

/**
 * Group commit's sister: single reads that come while one is under way go together in the next one. An idle reader
 * starts at once. A key is read at or after the moment it was asked for, never remembered.
 */
export interface BatchReader<Key, Value> {
  get(key: Key): Promise<Value | undefined>;
  getAll(keys: readonly Key[]): Promise<ReadonlyMap<Key, Value>>;
}

interface Waiting<Key, Value> {
  readonly keys: readonly Key[];
  readonly resolve: (values: ReadonlyMap<Key, Value>) => void;
  readonly reject: (error: unknown) => void;
}

export function createBatchReader<Key, Value>(options: BatchReaderOptions<Key, Value>): BatchReader<Key, Value> {
  const { name, timers, load, batchMax = 500, waitingMax = 5_000 } = options;
  let queue: Waiting<Key, Value>[] = [];
  let busy = false;

  function schedule(): void {
    if (busy || queue.length === 0) return;
    busy = true;
    timers.soon(() => void readNext());
  }

  async function readNext(): Promise<void> {
    const batch = takeBatch();
    try {
      const values = await load([...new Set(batch.flatMap((waiting) => waiting.keys))]);
      for (const waiting of batch) waiting.resolve(values);
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    }
    busy = false;
    schedule();
  }

  function takeBatch(): Waiting<Key, Value>[] {
    let keys = 0;
    let count = 0;
    while (count < queue.length && (count === 0 || keys < batchMax)) {
      keys += queue[count]?.keys.length ?? 0;
      count += 1;
    }
    const batch = queue.slice(0, count);
    queue = queue.slice(count);
    return batch;
  }

  function getAll(keys: readonly Key[]): Promise<ReadonlyMap<Key, Value>> {
    if (queue.length >= waitingMax) return Promise.reject(new StoreOverloaded(name));
    return new Promise((resolve, reject) => {
      queue.push({ keys, resolve, reject });
      schedule();
    });
  }

  return { getAll, get: async (key) => (await getAll([key])).get(key) };
}
