import { beforeEach, describe, expect, test } from 'vitest';
import { createVirtualWorld, type Logger, systemWorld, type World } from '#kit/runtime';
import { valkeyForTests } from '../valkey/testing/for-tests.ts';
import { valkeyProgram } from '../valkey/testing/server.ts';
import { type Cache, type CacheStore, createCache, createMemoryStore, createValkeyStore } from './index.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const real = systemWorld(quiet);

/** What every store promises. */
function conformance(open: () => CacheStore): void {
  test('answers what was kept, and how much of its life is left', async () => {
    const store = open();
    expect(await store.get('a')).toBeUndefined();
    await store.set('a', '"ü"', 60_000, []);
    const kept = await store.get('a');
    expect(kept?.text).toBe('"ü"');
    expect(kept?.leftMs).toBeGreaterThan(50_000);
    expect(kept?.leftMs).toBeLessThanOrEqual(60_000);
    await store.delete('a');
    expect(await store.get('a')).toBeUndefined();
  });

  test('forgets what has lived its life', async () => {
    const store = open();
    await store.set('brief', '1', 5, ['t']);
    await expect.poll(() => store.get('brief')).toBeUndefined();
    await store.purge(['t']);
  });

  test('purges by each tag, and only what has it', async () => {
    const store = open();
    await store.set('a', '1', 60_000, ['x', 'y']);
    await store.set('b', '2', 60_000, ['y']);
    await store.set('c', '3', 60_000, []);
    await store.purge(['x', 'unknown']);
    expect([await store.get('a'), (await store.get('b'))?.text]).toEqual([undefined, '2']);
    await store.purge(['y']);
    expect([await store.get('b'), (await store.get('c'))?.text]).toEqual([undefined, '3']);
    await store.purge([]);
  });

  test('a value that is purged while it is loaded is not kept', async () => {
    const cache = createCache({ ...real, log: quiet, store: open() });
    const begun = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const life = { ttlMs: 60_000 };
    const reading = cache.read('a', life, async () => {
      begun.resolve();
      await go.promise;
      return { value: 'old', tags: ['a'] };
    });
    await begun.promise;
    await cache.purge(['a']);
    go.resolve();
    expect((await reading).value).toBe('old');
    const again = await cache.read('a', life, async () => ({ value: 'new', tags: ['a'] }));
    expect(again).toMatchObject({ value: 'new', from: 'load' });
    expect(await cache.read('a', life, async () => ({ value: 'newer' }))).toMatchObject({
      value: 'new',
      from: 'cache',
    });
  });
}

describe('in memory', () => conformance(() => createMemoryStore(real)));

describe.skipIf(!valkeyProgram)('in valkey or redis (skipped where neither is installed)', () => {
  const server = valkeyForTests(quiet);
  let opened = 0;
  conformance(() => createValkeyStore({ valkey: server.valkey, prefix: `{test${opened++}}:` }));

  test('while the server is away each read loads, and afterwards it is used again', async () => {
    const cache = createCache({ ...real, log: quiet, store: createValkeyStore({ valkey: server.valkey }) });
    let loads = 0;
    const read = () => cache.read('k', { ttlMs: 60_000 }, async () => ({ value: ++loads }));
    await read();
    expect((await read()).from).toBe('cache');
    await server.stopServer();
    expect((await read()).from).toBe('load');
    expect((await read()).from).toBe('load');
    await server.startServer();
    await expect.poll(async () => (await read()).from).toBe('cache');
  });
});

describe('read-through', () => {
  let world: World & { advance(ms: number): Promise<void> };
  let cache: Cache;
  let loads: number;
  beforeEach(() => {
    world = createVirtualWorld({ seed: 1 });
    cache = createCache({ ...world, store: createMemoryStore(world) });
    loads = 0;
  });
  const life = { ttlMs: 300_000, staleMs: 60_000 };
  const load = async () => ({ value: ++loads, tags: ['t'] });

  test('a hundred readers of a key that is not there cause one load', async () => {
    const all = await Promise.all(Array.from({ length: 100 }, () => cache.read('a', life, load)));
    expect(new Set(all.map(({ value }) => value))).toEqual(new Set([1]));
    expect([loads, cache.loading]).toEqual([1, 0]);
  });

  test('it is fresh for its time, then stale while one load brings the next, then gone', async () => {
    await cache.read('a', life, load);
    await world.advance(299_999);
    expect(await cache.read('a', life, load)).toEqual({ value: 1, ageMs: 299_999, from: 'cache' });
    await world.advance(1);
    const stale = await Promise.all([1, 2, 3].map(() => cache.read('a', life, load)));
    expect(stale.map(({ value, from }) => [value, from])).toEqual(Array(3).fill([1, 'stale']));
    expect(loads).toBe(2);
    expect(await cache.read('a', life, load)).toMatchObject({ value: 2, from: 'cache' });
    await world.advance(360_001);
    expect(await cache.read('a', life, load)).toMatchObject({ value: 3, from: 'load' });
  });

  test('while loads fail the stale value is the answer; without one the failure is', async () => {
    await cache.read('a', life, load);
    await world.advance(310_000);
    const fail = () => Promise.reject(new Error('away'));
    for (const _ of [1, 2]) expect(await cache.read('a', life, fail)).toMatchObject({ value: 1, from: 'stale' });
    await world.advance(60_000);
    await expect(cache.read('a', life, fail)).rejects.toThrow('away');
    expect(cache.loading).toBe(0);
  });

  test('what is not to be kept is loaded each time', async () => {
    const once = async () => ({ value: ++loads, keep: false });
    for (const _ of [1, 2]) await cache.read('a', life, once);
    expect(loads).toBe(2);
  });

  test('memory is bounded: what was used longest ago goes', async () => {
    const small = createMemoryStore({ ...world, sizeMax: 2_000 });
    for (const key of ['a', 'b', 'c']) await small.set(key, 'x'.repeat(400), 1_000, ['t']);
    await small.get('a');
    await small.set('d', 'x'.repeat(400), 1_000, []);
    expect(await small.get('b')).toBeUndefined();
    expect(await small.get('a')).toBeDefined();
    await small.set('huge', 'x'.repeat(3_000), 1_000, []);
    expect(await small.get('huge')).toBeUndefined();
  });
});
