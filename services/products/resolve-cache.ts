import type { Clock, Database, Timers } from '#kit/runtime';
import { createBatchReader } from '#kit/store';
import { type SoldAs, soldAs } from './store.ts';

export interface ResolveCacheOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly database: Database;
  /** How old an answer may be. Longer saves reads, shorter shows a new price sooner. Default 1,000 ms; 0 turns it off. */
  readonly ageMsMax?: number;
  /** SKUs kept; of more the ones read longest ago go. About 400 bytes each. Default 20,000. */
  readonly entriesMax?: number;
}

export interface ResolveCache {
  readonly ageMsMax: number;
  /** What is known of these SKUs; those that nobody sells are left out. */
  get(skus: readonly string[]): Promise<Map<string, SoldAs>>;
  /** Forgets what this instance has just changed itself. */
  forget(skus: readonly string[]): void;
}

interface Entry {
  readonly value: SoldAs;
  readonly readAtMs: number;
}

/**
 * Orders ask for every line of every order: most ask for the same SKUs within the same second. An entry is as old as
 * the read that brought it, and is never kept past `ageMsMax`, so a price is stale for no longer than that on any
 * instance. SKUs that nobody sells are not kept: their number has no bound, and a new product should be sold at once.
 */
export function createResolveCache(options: ResolveCacheOptions): ResolveCache {
  const { clock, timers, database, ageMsMax = 1_000, entriesMax = 20_000 } = options;
  const reader = createBatchReader<string, SoldAs>({
    name: 'products.resolve',
    timers,
    load: async (skus) => new Map((await soldAs(database, skus)).map((value) => [value.sku, value])),
  });
  // In the order of reading, oldest first.
  const entries = new Map<string, Entry>();
  let changes = 0;

  return {
    ageMsMax,
    async get(skus) {
      const nowMs = clock.monotonicMs();
      const found = new Map<string, SoldAs>();
      const missing: string[] = [];
      for (const sku of new Set(skus)) {
        const entry = entries.get(sku);
        if (entry && nowMs - entry.readAtMs < ageMsMax) found.set(sku, entry.value);
        else missing.push(sku);
      }
      if (missing.length === 0) return found;
      const changesBefore = changes;
      const read = await reader.getAll(missing);
      for (const sku of missing) {
        const value = read.get(sku);
        if (!value) continue;
        found.set(sku, value);
        // A read that a change has overtaken may be of before: good enough to answer with, not to keep.
        if (changes !== changesBefore) continue;
        entries.delete(value.sku);
        entries.set(value.sku, { value, readAtMs: nowMs });
      }
      for (const sku of entries.keys()) {
        if (entries.size <= entriesMax) break;
        entries.delete(sku);
      }
      return found;
    },
    forget(skus) {
      changes += 1;
      for (const sku of skus) entries.delete(sku);
    },
  };
}
