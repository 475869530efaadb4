import type { Valkey } from '#kit/valkey';
import type { SharedSpending } from './shared.ts';

/**
 * The store's clock alone is looked at. Microseconds, as whole numbers: Lua's replies cut fractions. A key goes when its
 * time has passed.
 */
const addSpending = `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local ahead = {}
for i, key in ipairs(KEYS) do
  local till = math.max(tonumber(redis.call('GET', key) or '0'), now - tonumber(ARGV[2 * i])) + tonumber(ARGV[2 * i - 1])
  local left = math.max(till - now, 0)
  if left > 0 then redis.call('SET', key, string.format('%.0f', till), 'PX', math.ceil(left / 1000)) end
  ahead[i] = left
end
return ahead`;

/** Limiters anywhere share through Valkey or Redis: one round trip for all keys of a turn. */
export function createValkeySpending({
  valkey,
  prefix = '{limits}:',
}: {
  valkey: Valkey;
  prefix?: string;
}): SharedSpending {
  const run = valkey.script(addSpending);
  return {
    async add(spent) {
      const keys = spent.map(({ key }) => prefix + key);
      const amounts = spent.flatMap(({ spentMs, agoMs }) => [micros(spentMs), micros(agoMs)]);
      const ahead = (await run(keys, amounts)) as number[];
      return ahead.map((one) => one / 1_000);
    },
  };
}

const micros = (ms: number): string => String(Math.round(ms * 1_000));
