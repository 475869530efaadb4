/**
 * Ids are a prefix and 26 letters in the layout of ULID (github.com/ulid/spec): ten of milliseconds since 1970, so that ids sort as
 * they were made, and sixteen of chance. The kit makes them for services (kit/runtime/ids.ts); this is for browsers, where it
 * does not run, and for whoever reads what is in one.
 */

/** Crockford's base 32: no I, L, O or U, which people take for others. */
export const idLetters = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

const timeLength = 10;
export const chanceLength = 16;

/** `chance`: at least sixteen bytes of it. */
export function makeId(prefix: string, nowMs: number, chance: Uint8Array): string {
  let rest = nowMs;
  let time = '';
  for (let i = 0; i < timeLength; i++) {
    time = idLetters[rest % 32] + time;
    rest = Math.floor(rest / 32);
  }
  const letters = [...chance.subarray(0, chanceLength)].map((byte) => idLetters[byte % 32]);
  return `${prefix}_${time}${letters.join('')}`;
}

/** Milliseconds since 1970; undefined of what is no id. */
export function idTimeMs(id: string): number | undefined {
  const letters = /_([0-9A-HJKMNP-TV-Z]{10})[0-9A-HJKMNP-TV-Z]{16}$/.exec(id)?.[1];
  return letters === undefined
    ? undefined
    : [...letters].reduce((sum, letter) => sum * 32 + idLetters.indexOf(letter), 0);
}
