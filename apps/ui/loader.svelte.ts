/** What a page shows of something that it loads: waiting, there, or failed. While it is loaded anew the old stays. */
export interface Loaded<T> {
  readonly value: T | undefined;
  readonly error: unknown;
  readonly busy: boolean;
  /** Loads it (again). Whatever is still under way counts no more. */
  load(work: (signal: AbortSignal) => Promise<T>): Promise<void>;
  set(value: T): void;
  /** Whatever is under way counts no more. */
  cancel(): void;
}

/** For what is loaded when somebody does something; `live` loads by itself. */
export function loader<T>(): Loaded<T> {
  let value = $state.raw<T | undefined>();
  let error = $state.raw<unknown>();
  let busy = $state(false);
  let current: AbortController | undefined;
  return {
    get value() {
      return value;
    },
    get error() {
      return error;
    },
    get busy() {
      return busy;
    },
    async load(work) {
      current?.abort();
      const mine = new AbortController();
      current = mine;
      busy = true;
      try {
        const loaded = await work(mine.signal);
        if (current !== mine) return;
        value = loaded;
        error = undefined;
      } catch (failure) {
        if (current === mine) error = failure;
      } finally {
        if (current === mine) busy = false;
      }
    },
    cancel() {
      current?.abort();
      current = undefined;
      busy = false;
    },
    set(next) {
      value = next;
    },
  };
}
