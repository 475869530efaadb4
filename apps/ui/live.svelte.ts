import { type Loaded, loader } from './loader.svelte.ts';

/** What a page shows of something that it loads by itself. */
export interface Live<T> extends Pick<Loaded<T>, 'value' | 'error' | 'busy'> {
  /** When `value` came, by this browser's clock. */
  readonly atMs: number;
  again(): void;
}

type Load<T> = (signal: AbortSignal) => Promise<T>;
/** Nobody looks: looked again so often whether somebody does. */
const hiddenMs = 1_000;

/**
 * Loads when the component appears, whenever something that `prepare` reads has changed, and every `everyMs` while
 * somebody looks at the page. A later answer never gives way to an earlier one.
 */
export function live<T>(prepare: () => Load<T> | undefined, everyMs?: () => number | undefined): Live<T> {
  const loaded = loader<T>();
  let atMs = $state(0);
  let asked = $state(0);

  $effect(() => {
    void asked;
    const load = prepare();
    let isGone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    async function run(work: Load<T>): Promise<void> {
      await loaded.load(work);
      if (isGone) return;
      if (loaded.error === undefined) atMs = Date.now();
      const next = everyMs?.();
      if (next !== undefined) timer = setTimeout(() => turn(work), next);
    }
    function turn(work: Load<T>): void {
      if (document.visibilityState === 'visible') void run(work);
      else timer = setTimeout(() => turn(work), hiddenMs);
    }
    if (load) void run(load);
    return () => {
      isGone = true;
      clearTimeout(timer);
      loaded.cancel();
    };
  });

  return {
    get value() {
      return loaded.value;
    },
    get error() {
      return loaded.error;
    },
    get busy() {
      return loaded.busy;
    },
    get atMs() {
      return atMs;
    },
    again: () => {
      asked += 1;
    },
  };
}
