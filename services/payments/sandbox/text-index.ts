/** Finds the payments that a text belongs to, in 16 bytes of plain numbers for each, whatever the length of the text. */
export interface TextIndex {
  add(text: string, ordinal: number): void;
  /** What may belong to the text, in the order it was added: texts can share a hash, so whoever asks compares. */
  of(text: string): number[];
}

const placesAtFirst = 1_024;
/** Beyond this share of taken places searches get long. */
const loadMax = 0.6;

/** Open addressing with linear probing (Knuth, The Art of Computer Programming 3, §6.4, algorithm L). Nothing is removed. */
export function createTextIndex(): TextIndex {
  let places = placesAtFirst;
  let hashes = new Int32Array(places);
  /** 0: free; else the ordinal and one. */
  let ordinals = new Uint32Array(places);
  let taken = 0;

  function put(hash: number, marked: number): void {
    let place = hash & (places - 1);
    while (ordinals[place] !== 0) place = (place + 1) & (places - 1);
    hashes[place] = hash;
    ordinals[place] = marked;
  }

  function grow(): void {
    const [oldHashes, oldOrdinals] = [hashes, ordinals];
    places *= 2;
    hashes = new Int32Array(places);
    ordinals = new Uint32Array(places);
    oldOrdinals.forEach((marked, place) => {
      if (marked !== 0) put(oldHashes[place] as number, marked);
    });
  }

  return {
    add(text, ordinal) {
      if (taken >= places * loadMax) grow();
      put(hashOf(text), ordinal + 1);
      taken += 1;
    },
    of(text) {
      const hash = hashOf(text);
      const found: number[] = [];
      for (let place = hash & (places - 1); ordinals[place] !== 0; place = (place + 1) & (places - 1)) {
        if (hashes[place] === hash) found.push((ordinals[place] as number) - 1);
      }
      return found.sort((a, b) => a - b);
    },
  };
}

/** FNV-1a over UTF-16 code units, 32 bits (Fowler, Noll, Vo). */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  // The low bits choose the place; the last characters alone must not.
  return hash ^ (hash >>> 15);
}
