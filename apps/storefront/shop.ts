import { createApi } from '#api';
import { carts } from '#contracts/carts';
import { inventory } from '#contracts/inventory';
import { orders } from '#contracts/orders';
import { products } from '#contracts/products';
import { users } from '#contracts/users';
import { createRouter } from '#ui/router.svelte.ts';
import { pages } from './pages.ts';
import { session } from './state/session.svelte.ts';

export { session } from './state/session.svelte.ts';

export const router = createRouter(pages);
export const { href, go } = router;

/**
 * The shelf is the same for everybody, so it is asked for without a token: it can be looked at while nobody's token can be
 * renewed, does not wait for that after a reload, and may come from a cache at the edge.
 */
const shelf = createApi({ contracts: { products, inventory } });
const own = createApi({
  contracts: { carts, orders, users },
  token: session.token,
  onTokenRefused: session.onTokenRefused,
});
export const api = { ...shelf, ...own };
