import type { Valkey } from '#kit/valkey';
import type { CacheStore } from './store.ts';

/** A value, and in a set for each of its tags its key. The sets live as long as what they name. */
const setScript = `
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
for i = 2, #KEYS do
  redis.call('SADD', KEYS[i], KEYS[1])
  if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
end`;
const getScript = `return { redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1]) }`;
const purgeScript = `
for i = 1, #KEYS do
  for _, key in ipairs(redis.call('SMEMBERS', KEYS[i])) do redis.call('DEL', key) end
  redis.call('DEL', KEYS[i])
end`;

/** In Valkey or Redis, for all processes. The hash tag keeps a cluster's keys together, because purging needs them so. */
export function createValkeyStore({ valkey, prefix = '{cache}:' }: { valkey: Valkey; prefix?: string }): CacheStore {
  const [set, get, purge] = [valkey.script(setScript), valkey.script(getScript), valkey.script(purgeScript)];
  const nameOf = (key: string) => `${prefix}k:${key}`;
  const tagOf = (tag: string) => `${prefix}t:${tag}`;
  return {
    async get(key) {
      const [text, leftMs] = (await get([nameOf(key)], [])) as [string | null, number];
      return text === null || leftMs <= 0 ? undefined : { text, leftMs };
    },
    async set(key, text, lifeMs, tags) {
      await set([nameOf(key), ...tags.map(tagOf)], [text, String(Math.max(Math.ceil(lifeMs), 1))]);
    },
    delete: (key) => valkey.delete([nameOf(key)]),
    async purge(tags) {
      if (tags.length > 0) await purge(tags.map(tagOf), []);
    },
  };
}
