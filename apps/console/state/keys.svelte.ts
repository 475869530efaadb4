import { go, href } from '../console.ts';

/** What a key does, for the page that `?` opens. Two keys are pressed one after the other. */
export const keys = [
  { keys: ['?'], does: 'Shows or hides these keys' },
  { keys: ['/'], does: 'Goes to the search field of the page' },
  { keys: ['j'], does: 'Next row' },
  { keys: ['k'], does: 'Row before' },
  { keys: ['Enter'], does: 'Opens the row' },
  { keys: ['u'], does: 'Up to the list that this is one of' },
  { keys: ['t'], does: 'Trace of the order' },
  { keys: ['+'], does: 'A trace nearer' },
  { keys: ['-'], does: 'A trace farther' },
  { keys: ['0'], does: 'The whole trace' },
  { keys: ['g', 'o'], does: 'Orders' },
  { keys: ['g', 'm'], does: 'Messages' },
  { keys: ['g', 's'], does: 'Stock' },
  { keys: ['g', 'y'], does: 'System' },
  { keys: ['g', 't'], does: 'Traces' },
  { keys: ['g', 'e'], does: 'Logs' },
  { keys: ['g', 'l'], does: 'Sales' },
  { keys: ['g', 'c'], does: 'Customers' },
  { keys: ['g', 'p'], does: 'Promotions' },
  { keys: ['g', 'a'], does: 'Audit' },
  { keys: ['g', 'w'], does: 'Webhooks' },
] as const;

const places = {
  o: 'orders',
  m: 'messages',
  s: 'stock',
  y: 'system',
  t: 'traces',
  e: 'logs',
  l: 'sales',
  c: 'customers',
  p: 'promotions',
  a: 'audit',
  w: 'webhooks',
} as const;
const storageKey = 'holdfast.console.keys';
/** Pressed for the button that says so. */
const zoomKeys: ReadonlySet<string> = new Set(['+', '-', '0']);
/** Between the two keys of a pair. */
const pairMs = 1_500;

let isOn = $state(localStorage.getItem(storageKey) !== 'off');
let isShown = $state(false);

/** Single keys get in the way of speech input, so they can be turned off (WCAG 2.1.4). */
export const shortcuts = {
  get isOn(): boolean {
    return isOn;
  },
  set isOn(on: boolean) {
    isOn = on;
    localStorage.setItem(storageKey, on ? 'on' : 'off');
  },
  get isShown(): boolean {
    return isShown;
  },
  set isShown(shown: boolean) {
    isShown = shown;
  },
};

/** Listens until the function it gives back is called. */
export function listen(): () => void {
  /** When `g` was pressed, until the key after it. */
  let goneToAtMs: number | undefined;
  function onKey(event: KeyboardEvent): void {
    const { key, target } = event;
    if (!isOn || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if ((target as Element).closest?.('input, textarea, select, [contenteditable]')) return;
    if (key === '?') shortcuts.isShown = !isShown;
    else if (document.querySelector('dialog[open]')) return;
    else if (goneToAtMs !== undefined && event.timeStamp - goneToAtMs < pairMs && Object.hasOwn(places, key)) {
      goneToAtMs = undefined;
      go(href(places[key as keyof typeof places]));
    } else if (key === 'g') goneToAtMs = event.timeStamp;
    else if (key === '/') document.querySelector<HTMLElement>('main [type=search]')?.focus();
    else if (key === 'j' || key === 'k') moveRow(key === 'j' ? 1 : -1);
    else if (key === 'u') document.querySelector<HTMLElement>('main .back a')?.click();
    else if (key === 't') document.querySelector<HTMLElement>('main [data-trace]')?.click();
    else if (zoomKeys.has(key)) document.querySelector<HTMLElement>(`main [data-key="${key}"]`)?.click();
    else return;
    event.preventDefault();
  }
  addEventListener('keydown', onKey);
  return () => removeEventListener('keydown', onKey);
}

function moveRow(by: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>('main [data-row]')];
  const now = rows.indexOf(document.activeElement as HTMLElement);
  const next = rows[Math.min(rows.length - 1, Math.max(0, now < 0 ? 0 : now + by))];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
}
