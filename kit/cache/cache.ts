import type { Clock, Logger } from '#kit/runtime';
import type { CacheStore } from './store.ts';

export interface CacheOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly store: CacheStore;
}

export interface Life {
  /** Fresh for so long. */
  readonly ttlMs: number;
  /** And then for so long still an answer, while one caller's load brings the next, or while none can be had. Default 0. */
  readonly staleMs?: number;
}

export interface Loaded<T> {
  readonly value: T;
  readonly tags?: readonly string[];
  /** False: for whoever waits, and not for later. Default true. */
  readonly keep?: boolean;
}

export interface Read<T> {
  readonly value: T;
  readonly ageMs: number;
  readonly from: 'cache' | 'stale' | 'load';
}

export interface Cache {
  /** The value of a key: kept, or loaded once for all who ask meanwhile. Values are JSON. */
  read<T>(key: string, life: Life, load: () => Promise<Loaded<T>>): Promise<Read<T>>;
  /** Nothing with one of these tags is answered from now on, not even what is being loaded at this moment. */
  purge(tags: readonly string[]): Promise<void>;
  /** Loads under way. */
  readonly loading: number;
}

/** Purges remembered for loads under way. More tags at once count as a purge of everything. */
const purgesMax = 10_000;

interface Loading {
  readonly result: Promise<Loaded<unknown>>;
  readonly tagsPurged: Set<string>;
  allPurged: boolean;
}

/**
 * Read-through cache. A key is loaded by one caller while the others wait for it, so that what expires under load is asked for
 * once (no stampede); in its stale time it is answered at once and loaded beside. What was purged while it was loaded is not
 * kept: its load may have begun before the change. A store that is away costs a load, never an answer.
 */
export function createCache({ clock, log, store }: CacheOptions): Cache {
  const loads = new Map<string, Loading>();
  let storeIsAway = false;

  async function tryStore<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      const done = await work();
      storeIsAway = false;
      return done;
    } catch (error) {
      if (!storeIsAway) log.warn('the store of a cache is away, going on without it', { error });
      storeIsAway = true;
      return undefined;
    }
  }

  function loadOnce<T>(key: string, life: Life, load: () => Promise<Loaded<T>>): Promise<Loaded<T>> {
    const known = loads.get(key);
    if (known) return known.result as Promise<Loaded<T>>;
    const loading: Loading = {
      tagsPurged: new Set(),
      allPurged: false,
      result: run(),
    };
    async function run(): Promise<Loaded<T>> {
      try {
        const loaded = await load();
        await keep(key, life, loaded, loads.get(key));
        return loaded;
      } finally {
        loads.delete(key);
      }
    }
    loads.set(key, loading);
    return loading.result as Promise<Loaded<T>>;
  }

  async function keep(key: string, life: Life, loaded: Loaded<unknown>, loading: Loading | undefined): Promise<void> {
    const { tags = [] } = loaded;
    const isPurged = () => loading?.allPurged === true || tags.some((tag) => loading?.tagsPurged.has(tag));
    if (loaded.keep === false || isPurged()) return;
    const lifeMs = life.ttlMs + (life.staleMs ?? 0);
    await tryStore(() => store.set(key, JSON.stringify(loaded.value), lifeMs, tags));
    // Purged while it was on its way into the store.
    if (isPurged()) await tryStore(() => store.delete(key));
  }

  return {
    get loading() {
      return loads.size;
    },
    async read<T>(key: string, life: Life, load: () => Promise<Loaded<T>>): Promise<Read<T>> {
      const kept = await tryStore(() => store.get(key));
      if (kept) {
        const { ttlMs, staleMs = 0 } = life;
        const ageMs = Math.max(ttlMs + staleMs - kept.leftMs, 0);
        const isStale = ageMs >= ttlMs;
        if (isStale) {
          loadOnce(key, life, load).catch((error) => log.warn('a stale value can not be renewed', { error }));
        }
        return { value: JSON.parse(kept.text) as T, ageMs, from: isStale ? 'stale' : 'cache' };
      }
      const startMs = clock.monotonicMs();
      const { value } = await loadOnce(key, life, load);
      return { value, ageMs: clock.monotonicMs() - startMs, from: 'load' };
    },
    async purge(tags) {
      for (const loading of loads.values()) {
        if (loading.tagsPurged.size + tags.length > purgesMax) loading.allPurged = true;
        else for (const tag of tags) loading.tagsPurged.add(tag);
      }
      await tryStore(() => store.purge(tags));
    },
  };
}
