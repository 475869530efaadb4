import type { Random } from './ports.ts';

/**
 * Reproducible randomness: the same seed and stream give the same numbers for ever. Streams of different names are
 * independent, so drawing one number more for the network doesn't change what the workload does.
 *
 * The generator is sfc32 (Doty-Humphrey, PractRand): 128 bits of state, passes PractRand and BigCrush, and needs only
 * 32-bit operations. It is not fit for secrets.
 */
export function seededRandom(seed: number | string, stream = ''): Random {
  const name = `${seed}/${stream}`;
  let a = hash(name, 0x9e3779b9);
  let b = hash(name, 0x243f6a88);
  let c = hash(name, 0xb7e15162);
  let counter = 1;

  function next32(): number {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  // Neighbouring seeds start far apart only after a dozen rounds (the author's advice).
  for (let i = 0; i < 12; i++) next32();

  return {
    // 53 bits, as Math.random gives.
    next: () => ((next32() >>> 5) * 67_108_864 + (next32() >>> 6)) / 9_007_199_254_740_992,
    bytes(size) {
      const bytes = new Uint8Array(size);
      let word = 0;
      for (let i = 0; i < size; i++) {
        word = i % 4 === 0 ? next32() : word >>> 8;
        bytes[i] = word;
      }
      return bytes;
    },
  };
}

/** FNV-1a with the finaliser of MurmurHash3: spreads a name over 32 bits. */
function hash(text: string, basis: number): number {
  let h = basis ^ text.length;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
