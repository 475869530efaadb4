import { createApi } from '#api';
import { tills } from '#contracts/tills';
import { createRouter } from '#ui/router.svelte.ts';
import { pages } from './pages.ts';

export const router = createRouter(pages);
export const { href, go } = router;

let deviceKey: string | undefined;
/** The secret with which this device proves itself from now on. */
export const proveWith = (key: string | undefined): void => {
  deviceKey = key;
};

export const api = createApi({
  contracts: { tills },
  fetch: (input, init) => {
    const headers = new Headers(init?.headers);
    if (deviceKey !== undefined) headers.set('till-key', deviceKey);
    return fetch(input, { ...init, headers });
  },
});
