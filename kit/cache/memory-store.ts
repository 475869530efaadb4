import type { Clock } from '#kit/runtime';
import type { CacheStore } from './store.ts';

interface Entry {
  readonly text: string;
  readonly untilMs: number;
  readonly tags: readonly string[];
}

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /** Characters of keys and values; beyond, what was used longest ago goes. Default 32 Mi. */
  readonly sizeMax?: number;
}

/** In this process. Least recently used goes first: a Map keeps the order of insertion. */
export function createMemoryStore({ clock, sizeMax = 32 * 1024 * 1024 }: MemoryStoreOptions): CacheStore {
  const entries = new Map<string, Entry>();
  const keysOf = new Map<string, Set<string>>();
  let size = 0;

  function remove(key: string): void {
    const entry = entries.get(key);
    if (!entry) return;
    entries.delete(key);
    size -= sizeOf(key, entry);
    for (const tag of entry.tags) {
      const keys = keysOf.get(tag);
      keys?.delete(key);
      if (keys?.size === 0) keysOf.delete(tag);
    }
  }

  return {
    async get(key) {
      const entry = entries.get(key);
      if (!entry) return undefined;
      const leftMs = entry.untilMs - clock.monotonicMs();
      if (leftMs <= 0) {
        remove(key);
        return undefined;
      }
      entries.delete(key);
      entries.set(key, entry);
      return { text: entry.text, leftMs };
    },
    async set(key, text, lifeMs, tags) {
      remove(key);
      const entry: Entry = { text, untilMs: clock.monotonicMs() + lifeMs, tags };
      entries.set(key, entry);
      size += sizeOf(key, entry);
      for (const tag of tags) {
        const keys = keysOf.get(tag);
        if (keys) keys.add(key);
        else keysOf.set(tag, new Set([key]));
      }
      for (const oldest of entries.keys()) {
        if (size <= sizeMax) break;
        remove(oldest);
      }
    },
    async delete(key) {
      remove(key);
    },
    async purge(tags) {
      for (const tag of tags) for (const key of [...(keysOf.get(tag) ?? [])]) remove(key);
    },
  };
}

const overhead = 200;
const sizeOf = (key: string, { text, tags }: Entry): number =>
  overhead + key.length + text.length + tags.reduce((sum, tag) => sum + tag.length, 0);
