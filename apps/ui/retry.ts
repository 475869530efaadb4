const waitMsMin = 3_000;
const waitMsMax = 30_000;
/** Nobody looks: looked again so often whether somebody does. */
const hiddenMs = 1_000;

/**
 * How long to wait before try `tries` (from 0): longer each time, never less than `atLeastMs`. `chance` (0 to 1) spreads it by a
 * quarter either way, so that not all who wait come at once.
 */
export function waitMsOf(tries: number, atLeastMs: number, chance: number): number {
  const waitMs = Math.min(waitMsMax, waitMsMin * 2 ** Math.min(tries, 10));
  return Math.max(atLeastMs, waitMs * (0.75 + chance / 2));
}

/**
 * Calls `again` after a while, longer with each of the `tries` so far, or as soon as the browser has a connection again; never
 * while nobody looks at the page. Returns what calls it off.
 */
export function retryLater(again: () => void, tries: number, atLeastMs = 0): () => void {
  let timer = setTimeout(turn, waitMsOf(tries, atLeastMs, Math.random()));
  function turn(): void {
    if (document.visibilityState === 'visible') again();
    else timer = setTimeout(turn, hiddenMs);
  }
  addEventListener('online', again);
  return () => {
    clearTimeout(timer);
    removeEventListener('online', again);
  };
}
