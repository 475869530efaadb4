import { createApi, createSession } from '#api';
import { inventory } from '#contracts/inventory';
import { orders } from '#contracts/orders';
import { products } from '#contracts/products';
import { users } from '#contracts/users';
import { createRouter } from '#ui/router.svelte.ts';
import { pages } from './pages.ts';

export const router = createRouter(pages);
export const { href, go } = router;

export const session = createSession({ name: 'storefront' });

export const api = createApi({
  contracts: { products, inventory, orders, users },
  token: session.token,
  onTokenRefused: session.onTokenRefused,
});
