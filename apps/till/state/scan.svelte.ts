import { type Code, readCode } from '../model/codes.ts';
import { createWedge } from '../model/wedge.ts';

/** Where scanned codes go: the page that is shown says what it does with them. */

let handler: ((code: Code, text: string) => void) | undefined;

/** For an effect: as long as it lives, codes are handed to `handle`. */
export function onScan(handle: (code: Code, text: string) => void): () => void {
  handler = handle;
  return () => {
    if (handler === handle) handler = undefined;
  };
}

export function scanned(text: string): void {
  handler?.(readCode(text), text);
}

/** Listens to scanners that type. What one has typed into a field is taken out of it again. */
export function listenToWedge(): () => void {
  const wedge = createWedge();
  let before: { field: HTMLInputElement; value: string } | undefined;
  let lastMs = Number.NEGATIVE_INFINITY;

  function press(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const { target, timeStamp } = event;
    // The first key of a burst may be a scanner’s: what was in the field before it is worth knowing.
    if (timeStamp - lastMs > burstGapMs) {
      before = target instanceof HTMLInputElement ? { field: target, value: target.value } : undefined;
    }
    lastMs = timeStamp;
    const code = wedge.press(event.key, timeStamp);
    if (code === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (before) {
      before.field.value = before.value;
      before.field.dispatchEvent(new InputEvent('input', { bubbles: true }));
    }
    scanned(code);
  }
  addEventListener('keydown', press, { capture: true });
  return () => removeEventListener('keydown', press, { capture: true });
}

const burstGapMs = 100;
