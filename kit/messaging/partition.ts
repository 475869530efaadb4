/**
 * Partitions of every outbox and topic. Fixed, because changing it would move keys to other partitions and so break
 * their order. 16 is as many consumers as one group can put to work on a topic; each costs a row here and there.
 */
export const partitionCount = 16;

/** The partition of a key: FNV-1a finished with MurmurHash3's mixer, over UTF-16 units. Never changes. */
export function partitionOf(key: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) % partitionCount;
}
