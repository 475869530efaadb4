import { createApi, createSession } from '#api';
import { analytics } from '#contracts/analytics';
import { assistant } from '#contracts/assistant';
import { carts } from '#contracts/carts';
import { gateway } from '#contracts/gateway';
import { inventory } from '#contracts/inventory';
import { notifications } from '#contracts/notifications';
import { operators } from '#contracts/operators';
import { orders } from '#contracts/orders';
import { payments } from '#contracts/payments';
import { products } from '#contracts/products';
import { tills } from '#contracts/tills';
import { users } from '#contracts/users';
import { webhooks } from '#contracts/webhooks';
import { createRouter } from '#ui/router.svelte.ts';
import { pages } from './pages.ts';

export const router = createRouter(pages);
export const { href, go } = router;

const listeners: (() => void)[] = [];
/** Told whenever somebody has signed in or out, in this tab or another. */
export const onSessionChange = (listener: () => void): void => void listeners.push(listener);

export const session = createSession({
  name: 'console',
  device: 'Console',
  onChange: () => {
    for (const listener of listeners) listener();
  },
});

export const contracts = {
  gateway,
  operators,
  users,
  products,
  inventory,
  orders,
  carts,
  payments,
  notifications,
  analytics,
  assistant,
  tills,
  webhooks,
};

export const api = createApi({
  ...{ contracts, client: 'console' },
  ...{ token: session.token, onTokenRefused: session.onTokenRefused },
});
