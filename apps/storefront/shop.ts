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

export const api = createApi({
  contracts: { products, inventory, carts, orders, users },
  token: session.token,
  onTokenRefused: session.onTokenRefused,
});
