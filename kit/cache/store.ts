/** What a store keeps for a key. */
export interface Kept {
  /** JSON. */
  readonly text: string;
  /** Until it goes. No clock of another machine is looked at. */
  readonly leftMs: number;
}

/** Where cached values are. A store may forget anything at any time; it never answers what was purged before it was asked. */
export interface CacheStore {
  get(key: string): Promise<Kept | undefined>;
  /** `lifeMs` above 0. Values can be purged by any of their tags. */
  set(key: string, text: string, lifeMs: number, tags: readonly string[]): Promise<void>;
  delete(key: string): Promise<void>;
  purge(tags: readonly string[]): Promise<void>;
}
