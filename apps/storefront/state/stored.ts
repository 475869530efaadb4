/** Values that outlive the page, in the browser's storage. A value that can't be read counts as absent. */
export interface Stored<T> {
  read(): T | undefined;
  write(value: T): void;
  clear(): void;
  /** Calls back when another tab has changed it. */
  onElsewhere(changed: () => void): void;
}

export function stored<T>(name: string): Stored<T> {
  const key = `holdfast.storefront.${name}`;
  return {
    read() {
      try {
        const text = localStorage.getItem(key);
        return text === null ? undefined : (JSON.parse(text) as T);
      } catch {
        return undefined;
      }
    },
    write: (value) => localStorage.setItem(key, JSON.stringify(value)),
    clear: () => localStorage.removeItem(key),
    onElsewhere: (changed) => addEventListener('storage', (event) => event.key === key && changed()),
  };
}
