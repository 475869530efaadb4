export { type Cache, type CacheOptions, createCache, type Life, type Loaded, type Read } from './cache.ts';
export { createMemoryStore } from './memory-store.ts';
export type { CacheStore, Kept } from './store.ts';
export { createValkeyStore } from './valkey-store.ts';
