import type { Random } from '#kit/runtime';

/**
 * How far ahead each key has spent: one time a key, in 16 bytes a slot, without objects.
 *
 * A key is known by a seeded 64-bit hash, so that nobody outside can choose keys that collide; two keys of a million share
 * an entry with a chance of 3 in 10⁸. Each key has two buckets of eight slots to choose from and takes the emptier one
 * (Azar et al., _Balanced Allocations_, 1994), which fills the table to some two thirds before it has to grow. An entry
 * whose time has passed says nothing any more: its slot is free, so nothing is ever swept.
 */
export interface SpendTable {
  /** The slot of a key in a space of keys, taken for it if it has none. Valid until the next call. */
  find(space: number, key: string, nowMs: number): number;
  /** Times by slot: until when the key of the slot has spent. */
  readonly untilMs: (slot: number) => number;
  set(slot: number, untilMs: number): void;
  readonly sizeBytes: number;
  /** Entries that were given up for others although they still counted: 0 unless the table is full. */
  readonly forgotten: number;
}

export interface SpendTableOptions {
  readonly random: Random;
  /** Slots at first; a power of two. Default 4,096 (64 KiB). */
  readonly slots?: number;
  /**
   * Slots at most; a power of two. Default 2²¹: 32 MiB, some 1,300,000 keys that spend at the same moment. Beyond that the key
   * that has spent least is forgotten, which gives it its whole allowance back.
   */
  readonly slotsMax?: number;
}

const bucketSlots = 8;

export function createSpendTable({ random, slots = 4_096, slotsMax = 2 ** 21 }: SpendTableOptions): SpendTable {
  const seeds = new Uint32Array(random.bytes(8).slice().buffer);
  const [seedA = 0, seedB = 0] = seeds;
  let size = Math.min(slots, slotsMax);
  let prints = new Uint32Array(size * 2);
  let times = new Float64Array(size);
  let forgotten = 0;
  // Of the key that was hashed last: two numbers, without an object for each check.
  let printA = 0;
  let printB = 0;

  /** cyrb53 (bryc, public domain) with two seeds: two multiplications a character, no allocation. */
  function hash(space: number, key: string): void {
    let a = 0xdeadbeef ^ seedA ^ Math.imul(space + 1, 0x9e3779b1);
    let b = 0x41c6ce57 ^ seedB;
    for (let i = 0; i < key.length; i++) {
      const char = key.charCodeAt(i);
      a = Math.imul(a ^ char, 2_654_435_761);
      b = Math.imul(b ^ char, 1_597_334_677);
    }
    a = Math.imul(a ^ (a >>> 16), 2_246_822_507) ^ Math.imul(b ^ (b >>> 13), 3_266_489_909);
    b = Math.imul(b ^ (b >>> 16), 2_246_822_507) ^ Math.imul(a ^ (a >>> 13), 3_266_489_909);
    printA = a >>> 0;
    printB = b >>> 0;
  }

  /** Takes a slot for the fingerprint in one of its two buckets; -1 when all of them count still. */
  function place(nowMs: number): number {
    const mask = size - bucketSlots;
    const first = (printA * bucketSlots) & mask;
    const second = (printB * bucketSlots) & mask;
    let free = -1;
    let freeCount = 0;
    for (const bucket of first === second ? [first] : [first, second]) {
      let found = -1;
      let count = 0;
      for (let slot = bucket; slot < bucket + bucketSlots; slot++) {
        if ((times[slot] as number) > nowMs) continue;
        found = slot;
        count++;
      }
      if (count <= freeCount) continue;
      free = found;
      freeCount = count;
    }
    if (free >= 0) take(free);
    return free;
  }

  function take(slot: number): void {
    prints[slot * 2] = printA;
    prints[slot * 2 + 1] = printB;
    times[slot] = 0;
  }

  function grow(nowMs: number): void {
    const [oldPrints, oldTimes, oldSize] = [prints, times, size];
    const [a, b] = [printA, printB];
    size *= 2;
    prints = new Uint32Array(size * 2);
    times = new Float64Array(size);
    for (let slot = 0; slot < oldSize; slot++) {
      const untilMs = oldTimes[slot] as number;
      if (untilMs <= nowMs) continue;
      printA = oldPrints[slot * 2] as number;
      printB = oldPrints[slot * 2 + 1] as number;
      const placed = place(nowMs);
      if (placed >= 0) times[placed] = untilMs;
      else forgotten++;
    }
    printA = a;
    printB = b;
  }

  function forgetLeast(): number {
    const mask = size - bucketSlots;
    const first = (printA * bucketSlots) & mask;
    let least = first;
    for (let slot = first; slot < first + bucketSlots; slot++) {
      if ((times[slot] as number) < (times[least] as number)) least = slot;
    }
    forgotten++;
    take(least);
    return least;
  }

  function lookIn(bucket: number): number {
    for (let slot = bucket; slot < bucket + bucketSlots; slot++) {
      if (prints[slot * 2] === printA && prints[slot * 2 + 1] === printB) return slot;
    }
    return -1;
  }

  return {
    find(space, key, nowMs) {
      hash(space, key);
      const mask = size - bucketSlots;
      const known = lookIn((printA * bucketSlots) & mask);
      if (known >= 0) return known;
      const other = lookIn((printB * bucketSlots) & mask);
      if (other >= 0) return other;
      for (;;) {
        const placed = place(nowMs);
        if (placed >= 0) return placed;
        if (size >= slotsMax) return forgetLeast();
        grow(nowMs);
      }
    },
    untilMs: (slot) => times[slot] as number,
    set(slot, untilMs) {
      times[slot] = untilMs;
    },
    get sizeBytes() {
      return prints.byteLength + times.byteLength;
    },
    get forgotten() {
      return forgotten;
    },
  };
}
