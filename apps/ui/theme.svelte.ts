export type Theme = 'system' | 'light' | 'dark';

const storageKey = 'holdfast.theme';
const themes: readonly Theme[] = ['system', 'light', 'dark'];

function read(): Theme {
  const kept = localStorage.getItem(storageKey) as Theme | null;
  return kept && themes.includes(kept) ? kept : 'system';
}

function show(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
}

let current = $state<Theme>(read());
show(current);

/** Light, dark, or as the device is set. Kept for the next visit, for all apps. */
export const theme = {
  get current(): Theme {
    return current;
  },
  /** The next of the three. */
  turn(): void {
    current = themes[(themes.indexOf(current) + 1) % themes.length] as Theme;
    localStorage.setItem(storageKey, current);
    show(current);
  },
};
