import type { Call } from './model.ts';

/** Which calls were taken, as a bit set with a short exact name. */
export interface Configuration {
  add(call: number): void;
  remove(call: number): void;
  /** The same for the same set, and for no other. */
  text(): string;
}

/**
 * Calls with an end are numbered by when they began, those without come last: so nearly all that was taken is a run of
 * full words at the front, which the name only counts. Exact, as a hash that met another would hide a legal order.
 */
export function createConfiguration(calls: readonly Call[]): Configuration {
  const isOpen = (place: number) => calls[place]?.endAt === Number.POSITIVE_INFINITY;
  const places = calls
    .map((_, place) => place)
    .sort((a, b) => Number(isOpen(a)) - Number(isOpen(b)) || (calls[a]?.startAt ?? 0) - (calls[b]?.startAt ?? 0));
  const bitOf = new Int32Array(calls.length);
  for (const [bit, place] of places.entries()) bitOf[place] = bit;
  const words = new Uint32Array((calls.length >> 5) + 1);
  let full = 0;
  let used = 0;

  return {
    add(call) {
      const bit = bitOf[call] as number;
      const word = bit >> 5;
      words[word] = ((words[word] as number) | (1 << (bit & 31))) >>> 0;
      if (word >= used) used = word + 1;
      while (words[full] === 0xffff_ffff) full += 1;
    },
    remove(call) {
      const bit = bitOf[call] as number;
      const word = bit >> 5;
      words[word] = ((words[word] as number) & ~(1 << (bit & 31))) >>> 0;
      if (word < full) full = word;
      while (used > 0 && words[used - 1] === 0) used -= 1;
    },
    text() {
      let text = String(full);
      for (let word = full; word < used; word++) text += `,${(words[word] as number).toString(36)}`;
      return text;
    },
  };
}
