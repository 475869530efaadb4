import { SvelteMap } from 'svelte/reactivity';

/** What failed after its page was shown already: told where it moves nothing (parts/notices.svelte). */
export interface LateFailure {
  readonly error: unknown;
  readonly what: string;
  readonly again: (() => void) | undefined;
}

/** By whoever tells; the newest last. */
export const lateFailures = new SvelteMap<string, LateFailure>();
