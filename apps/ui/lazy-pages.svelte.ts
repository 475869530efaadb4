import type { Component } from 'svelte';

// biome-ignore lint/suspicious/noExplicitAny: each page has properties of its own, which its pattern names.
type LazyPage = Component<any>;

/** Pages that are loaded when they are gone to. */
interface LazyPages {
  /** What is wanted, once it is loaded. */
  readonly page: LazyPage | undefined;
  /** It could not be loaded: most likely there is no connection. */
  readonly hasFailed: boolean;
  /** Loads the document anew, as happens by itself once there is a connection again. */
  again(): void;
}

type Loaders<Name extends string> = { readonly [Key in Name]: () => Promise<{ readonly default: LazyPage }> };

/** `wanted` reads which page it shall be; each is loaded once. */
export function lazyPages<Name extends string>(loaders: Loaders<Name>, wanted: () => Name | undefined): LazyPages {
  let loaded = $state.raw<Partial<Record<Name, LazyPage>>>({});
  let hasFailed = $state(false);
  const name = $derived(wanted());

  async function load(one: Name): Promise<void> {
    hasFailed = false;
    try {
      const { default: page } = await loaders[one]();
      loaded = { ...loaded, [one]: page };
    } catch {
      // Of another page, which nobody waits for any more.
      if (one === name) hasFailed = true;
    }
  }
  $effect(() => {
    if (name !== undefined && !loaded[name]) void load(name);
  });
  // Browsers remember that a module could not be loaded, and don't ask for it again in the same document.
  const again = () => location.reload();
  $effect(() => {
    if (!hasFailed || name === undefined || loaded[name]) return undefined;
    addEventListener('online', again);
    return () => removeEventListener('online', again);
  });

  return {
    get page() {
      return name === undefined ? undefined : loaded[name];
    },
    get hasFailed() {
      return hasFailed;
    },
    again,
  };
}
