/** A scanner types its keys faster than people do: less than this apart. */
export const gapMsMax = 100;
/** Shorter is somebody's fast typing. */
const lengthMin = 4;
const lengthMax = 80;

export interface Wedge {
  /**
   * Told every key that goes down, as `KeyboardEvent.key` names it. Answers with the code when Enter or Tab ends one that
   * came as from a scanner, else with undefined.
   */
  press(key: string, atMs: number): string | undefined;
}

/** Tells a bar code scanner, which pretends to be a keyboard, from people who type. */
export function createWedge(): Wedge {
  let typed = '';
  let lastMs = Number.NEGATIVE_INFINITY;
  return {
    press(key, atMs) {
      // For capitals a scanner holds Shift, which is a key of its own.
      if (key === 'Shift') return undefined;
      const isFast = atMs - lastMs < gapMsMax;
      lastMs = atMs;
      if (key === 'Enter' || key === 'Tab') {
        const code = isFast && typed.length >= lengthMin ? typed : undefined;
        typed = '';
        return code;
      }
      typed = key.length !== 1 ? '' : isFast ? typed + key : key;
      if (typed.length > lengthMax) typed = '';
      return undefined;
    },
  };
}
