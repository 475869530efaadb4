import type { Clock, Database, Timers } from '#kit/runtime';
import { createBatchReader } from '#kit/store';
import { revisionOf, type SoldAs, soldAs } from './store.ts';

export interface ResolveCacheOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly database: Database;
  /** How old an answer may be. Longer saves reads, shorter shows a new price sooner. Default 1,000 ms; 0 asks each time. */
  readonly ageMsMax?: number;
  /** SKUs kept; of more the ones read longest ago go. About 400 bytes each. Default 20,000. */
  readonly entriesMax?: number;
}

export interface ResolveCache {
  readonly ageMsMax: number;
  /** What is known of these SKUs; those that nobody sells are left out. */
  get(skus: readonly string[]): Promise<Map<string, SoldAs>>;
  /** This instance has just changed something itself. */
  expire(): void;
}

/**
 * Orders ask for every line of every order, and of thousands of SKUs hardly one changes within a second. So what was read
 * stays good while the catalogue's revision is what it was, which one row tells, looked at once in `ageMsMax`: a price
 * is stale for no longer than that on any instance. SKUs that nobody sells are not kept: their number has no bound.
 */
export function createResolveCache(options: ResolveCacheOptions): ResolveCache {
  const { clock, timers, database, ageMsMax = 1_000, entriesMax = 20_000 } = options;
  const reader = createBatchReader<string, SoldAs>({
    name: 'products.resolve',
    timers,
    load: async (skus) => new Map((await soldAs(database, skus)).map((value) => [value.sku, value])),
  });
  // Of one revision, in the order of reading.
  const entries = new Map<string, SoldAs>();
  let revision: number | undefined;
  let goodUntilMs = Number.NEGATIVE_INFINITY;
  let changes = 0;
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    const startMs = clock.monotonicMs();
    const changesBefore = changes;
    const found = await revisionOf(database);
    if (found !== revision) entries.clear();
    revision = found;
    // One that a change of our own has overtaken may tell of before.
    if (changes === changesBefore) goodUntilMs = startMs + ageMsMax;
  }

  function keep(value: SoldAs): void {
    entries.delete(value.sku);
    entries.set(value.sku, value);
    if (entries.size > entriesMax) entries.delete(entries.keys().next().value as string);
  }

  return {
    ageMsMax,
    async get(skus) {
      const askedAtMs = clock.monotonicMs();
      while (goodUntilMs < askedAtMs) {
        looking ??= look().finally(() => {
          looking = undefined;
        });
        await looking;
      }
      const found = new Map<string, SoldAs>();
      const missing: string[] = [];
      for (const sku of new Set(skus)) {
        const value = entries.get(sku);
        if (value) found.set(sku, value);
        else missing.push(sku);
      }
      if (missing.length === 0) return found;
      const revisionBefore = revision;
      const read = await reader.getAll(missing);
      for (const sku of missing) {
        const value = read.get(sku);
        if (!value) continue;
        found.set(sku, value);
        // Read at this revision or a later one: good to answer with, and to keep until another one is seen.
        if (revision === revisionBefore) keep(value);
      }
      return found;
    },
    expire() {
      changes += 1;
      goodUntilMs = Number.NEGATIVE_INFINITY;
    },
  };
}
