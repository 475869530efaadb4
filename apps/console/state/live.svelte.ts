/** What a page shows of something that it loads: waiting, there, or failed. While it is loaded anew the old stays. */
export interface Live<T> {
  readonly value: T | undefined;
  readonly error: unknown;
  readonly busy: boolean;
  /** When `value` came, by this browser's clock. */
  readonly atMs: number;
  again(): void;
}

type Load<T> = (signal: AbortSignal) => Promise<T>;

/**
 * Loads when the component appears, whenever something that `prepare` reads has changed, and every `everyMs` while
 * somebody looks at the page. A later answer never gives way to an earlier one.
 */
export function live<T>(prepare: () => Load<T> | undefined, everyMs?: () => number | undefined): Live<T> {
  let value = $state.raw<T | undefined>();
  let error = $state.raw<unknown>();
  let busy = $state(true);
  let atMs = $state(0);
  let asked = $state(0);

  $effect(() => {
    void asked;
    const load = prepare();
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    async function run(load: Load<T>): Promise<void> {
      busy = true;
      try {
        const loaded = await load(gone.signal);
        if (gone.signal.aborted) return;
        value = loaded;
        atMs = Date.now();
        error = undefined;
      } catch (failure) {
        if (gone.signal.aborted) return;
        error = failure;
      }
      busy = false;
      const next = everyMs?.();
      if (next !== undefined) timer = setTimeout(() => void turn(load), next);
    }
    function turn(load: Load<T>): void {
      if (document.visibilityState === 'visible') void run(load);
      else timer = setTimeout(() => turn(load), 1_000);
    }
    if (load) void run(load);
    else busy = false;
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
  });

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
    get atMs() {
      return atMs;
    },
    again: () => {
      asked += 1;
    },
  };
}
