import { live } from './live.svelte.ts';

interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor?: string | undefined;
}

type LoadPage<First> = (cursor?: string, signal?: AbortSignal) => Promise<First>;

/** A list that comes page by page. */
export interface Pages<Item, First extends Page<Item> = Page<Item>> {
  /** The first page with whatever it tells besides; it stays while the list is loaded anew. */
  readonly first: First | undefined;
  /** The first page is there; before that nothing is known, not even that there is nothing. */
  readonly isLoaded: boolean;
  readonly items: readonly Item[];
  readonly hasMore: boolean;
  /** Of the first page. */
  readonly error: unknown;
  readonly isReloading: boolean;
  readonly moreBusy: boolean;
  /** Of the page that was asked for last. */
  readonly moreError: unknown;
  /** Loads the list anew, from its first page. */
  again(): void;
  loadMore(): Promise<void>;
}

/** As `live`: `prepare` reads what is asked for, and a change of it is another list, which begins at its first page. */
export function pages<Item, First extends Page<Item> = Page<Item>>(prepare: () => LoadPage<First>): Pages<Item, First> {
  const loadPage = $derived(prepare());
  const first = live(() => {
    const load = loadPage;
    return (signal) => load(undefined, signal);
  });
  let more = $state.raw<Page<Item> | undefined>();
  let moreBusy = $state(false);
  let moreError = $state.raw<unknown>();
  // Another first page is another list.
  $effect(() => {
    if (!first.value) return;
    more = undefined;
    moreError = undefined;
  });
  const items = $derived([...(first.value?.items ?? []), ...(more?.items ?? [])]);
  const nextCursor = $derived(more ? more.nextCursor : first.value?.nextCursor);

  return {
    get first() {
      return first.value;
    },
    get isLoaded() {
      return first.value !== undefined;
    },
    get items() {
      return items;
    },
    get hasMore() {
      return nextCursor !== undefined;
    },
    get error() {
      return first.error;
    },
    get isReloading() {
      return first.busy && first.value !== undefined;
    },
    get moreBusy() {
      return moreBusy;
    },
    get moreError() {
      return moreError;
    },
    again: first.again,
    async loadMore() {
      // While the first page is on its way, the cursor is of a list that goes.
      if (nextCursor === undefined || first.busy || moreBusy) return;
      const of = loadPage;
      const began = first.value;
      // The list may have become another one meanwhile.
      const isSame = () => loadPage === of && first.value === began;
      moreBusy = true;
      try {
        const next = await of(nextCursor);
        if (!isSame()) return;
        more = { ...next, items: [...(more?.items ?? []), ...next.items] };
        moreError = undefined;
      } catch (error) {
        if (isSame()) moreError = error;
      } finally {
        moreBusy = false;
      }
    },
  };
}
