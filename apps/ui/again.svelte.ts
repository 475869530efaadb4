import type { Loaded } from './loader.svelte.ts';
import { retryLater } from './retry.ts';

/**
 * Asks again, ever less often, for what a page gets on without: nothing says that it could not be loaded (`failure.svelte` does,
 * and asks by itself), so it would stay away until a reload.
 */
export function askAgain(loaded: Pick<Loaded<unknown>, 'error'>, load: () => void): void {
  let tries = 0;
  // Each failure is another object, so this runs after each.
  $effect(() => {
    if (loaded.error === undefined) {
      tries = 0;
      return undefined;
    }
    const callOff = retryLater(load, tries);
    tries += 1;
    return callOff;
  });
}
