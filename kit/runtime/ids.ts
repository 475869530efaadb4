import type { Clock, Ids, Random } from './ports.ts';

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * Time-ordered ids in the layout of ULID (github.com/ulid/spec): ten characters of milliseconds, sixteen of chance.
 * Neighbouring inserts touch neighbouring index pages, and 80 random bits make a clash within one millisecond unlikely
 * at any rate this system reaches (1 in 10^16 for 10,000 ids).
 */
export function createIds(clock: Clock, random: Random): Ids {
  // Random bytes are drawn 64 ids at a time: a system call per id would cost more than the id.
  const poolSize = 16 * 64;
  let pool: Uint8Array = new Uint8Array(0);
  let used = 0;
  let timeMs = -1;
  let timePart = '';

  return {
    next(prefix) {
      const nowMs = clock.now();
      if (nowMs !== timeMs) {
        timeMs = nowMs;
        timePart = encodeTime(nowMs);
      }
      if (used + 16 > pool.length) {
        pool = random.bytes(poolSize);
        used = 0;
      }
      let chance = '';
      for (let i = 0; i < 16; i++) chance += alphabet[(pool[used + i] as number) & 31];
      used += 16;
      return `${prefix}_${timePart}${chance}`;
    },
  };
}

function encodeTime(timeMs: number): string {
  let rest = timeMs;
  let text = '';
  for (let i = 0; i < 10; i++) {
    text = alphabet[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
