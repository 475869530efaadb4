import type { Ids } from '#kit/runtime';
import type { Role } from './judge.ts';

/** What an answer tells, as far as deeds go on with it. */
interface Told {
  readonly id: string;
  readonly key: string;
  readonly code: string;
  readonly slug: string;
  readonly holder: string;
  readonly round: number;
  readonly refreshToken: string;
  readonly sessionId: string;
  readonly accessToken: string;
  readonly till: { readonly id: string };
  /** Absent where there are no prices or taxes for it. */
  readonly totals?: { readonly totalMinor: number };
  readonly items: readonly Told[];
}

export interface Request {
  readonly path?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: an admin. */
  readonly role?: Role;
  /** Of somebody else in that role. */
  readonly token?: string;
}

export interface Doer {
  /** Asks in the way the operation is described; keys and ETags are added. Throws when it is refused. */
  readonly ask: (operation: string, request?: Request) => Promise<Told>;
  readonly ids: Ids;
  /** Of something that is sold there. */
  readonly sku: string;
}

const at = '2026-03-01T10:00:00Z';
const password = 'a long walk by the sea';
const address = { name: 'Ada', line1: 'Quay 1', city: 'Kiel', postalCode: '24103', country: 'DE' };
const payment = { method: 'pm_card_visa' };

/**
 * What a shop does in a day, step by step: most operations need what an earlier one left (an order that is sent, a till that is
 * enrolled, the total of this cart), and drawn requests seldom come upon it.
 */
export const deeds: readonly ((doer: Doer) => Promise<unknown>)[] = [
  async function sell({ ask, sku }) {
    const lines = [{ sku, quantity: 2 }];
    const { id: orderId } = await ask('orders.place', {
      body: { email: 'ada@example.com', currency: 'EUR', lines, payment, shippingAddress: address },
    });
    const path = { orderId };
    for (const look of ['orders.get', 'orders.follow', 'payments.get', 'payments.providerView'])
      await ask(look, { path });
    await ask('orders.inspectSaga', { path: { sagaId: orderId } });
    await ask('orders.fulfil', { path, body: { carrier: 'post' } });
    await ask('orders.complete', { path, body: {} });
    await ask('orders.return', { path, body: { lines: [{ sku, quantity: 1 }] } });
    await ask('orders.refund', { path, body: { amountMinor: 1 } });
  },
  async function callOff({ ask, sku }) {
    const lines = [{ sku, quantity: 1 }];
    const body = { email: 'ada@example.com', currency: 'EUR', lines, payment };
    const { id: orderId } = await ask('orders.place', { body });
    await ask('orders.cancel', { path: { orderId }, body: { reason: 'too late' } });
  },
  async function fillCart({ ask, sku }) {
    const role = 'anonymous';
    const { id: cartId } = await ask('carts.create', {
      role,
      body: { currency: 'EUR', destination: { country: 'DE' } },
    });
    const path = { cartId };
    await ask('carts.edit', { role, path, body: { edits: [{ kind: 'add', sku, quantity: 1 }] } });
    const { round, totals } = await ask('carts.configure', { role, path, body: { destination: { country: 'DE' } } });
    const totalMinor = totals?.totalMinor ?? 0;
    const body = { email: 'ada@example.com', shippingAddress: address, payment, seen: { totalMinor } };
    await ask('carts.checkout', { role, path: { cartId, round }, body });
    await ask('carts.getCheckout', { role, path: { cartId, round } });
  },
  async function joinCart({ ask, sku }) {
    const { id: cartId } = await ask('carts.create', { role: 'anonymous', body: { currency: 'EUR' } });
    const body = { edits: [{ kind: 'add', sku, quantity: 1 }] };
    await ask('carts.edit', { role: 'anonymous', path: { cartId }, body });
    await ask('carts.join', { role: 'customer', path: { cartId } });
  },
  async function setPrices({ ask, sku }) {
    // Of a country where nobody here buys.
    const taxes = { country: 'IS', name: 'VSK', included: true, rates: { standard: 240_000 } };
    await ask('carts.putTaxes', { body: taxes });
    await ask('carts.putTaxClass', { body: { sku, taxClass: 'standard' } });
    const rates = [{ countries: ['IS'], amounts: { EUR: 900 } }];
    await ask('carts.putShippingMethod', { body: { id: 'fuzz-ferry', name: 'Ferry', rates } });
    const path = { code: 'FUZZ10' };
    await ask('carts.putPromotion', {
      path,
      body: { name: 'Ten off', offer: { kind: 'percentage', ratePpm: 100_000 } },
    });
    await ask('carts.getPromotion', { path });
  },
  async function runTill({ ask, ids, sku }) {
    const made = await ask('tills.create', { body: { name: 'Quay', currency: 'EUR', country: 'DE' } });
    const path = { tillId: made.till.id };
    const { code } = await ask('tills.newCode', { path });
    const { key } = await ask('tills.enrol', { role: 'anonymous', body: { code, device: 'tablet' } });
    await ask('tills.restock', { path, body: { direction: 'in', lines: [{ sku, quantity: 2 }] } });
    const device = { role: 'anonymous', headers: { 'till-key': key } } as const;
    await ask('tills.pack', device);
    await ask('tills.catalogue', device);
    const [sessionId, saleId, charged] = [ids.next('tse'), ids.next('sal'), ids.next('sal')];
    const line = { sku, name: 'Rope', quantity: 1, unitPriceMinor: 1_000 };
    const sale = { lines: [line], discounts: [], totalMinor: 1_000, tenders: [{ kind: 'cash', amountMinor: 1_000 }] };
    const entries = [
      { seq: 1, sessionId, at, kind: 'open', cashier: 'Ada', floatMinor: 5_000 },
      { seq: 2, sessionId, at, kind: 'sale', saleId, ...sale },
    ];
    await ask('tills.record', { ...device, body: { entries } });
    await ask('tills.getSale', { path: { saleId } });
    await ask('tills.mailReceipt', { ...device, path: { saleId }, body: { email: 'ada@example.com' } });
    await ask('tills.sessions', { path });
    await ask('tills.report', { ...device, path: { ...path, sessionId } });
    await ask('tills.charge', { ...device, body: { saleId: charged, amountMinor: 500, method: payment.method } });
    await ask('tills.voidCharge', { ...device, path: { saleId: charged } });
    await ask('tills.change', { path, body: { name: 'Pier' } });
    await ask('tills.revoke', { path });
  },
  async function keepAccount({ ask, ids }) {
    const email = `${ids.next('fzz').toLowerCase()}@example.com`;
    const { id: userId } = await ask('users.register', { role: 'anonymous', body: { email, password } });
    const { accessToken: token, ...session } = await ask('users.signIn', {
      role: 'anonymous',
      body: { email, password },
    });
    const self = { role: 'customer', token } as const;
    const { id: addressId } = await ask('users.addAddress', { ...self, body: { address } });
    const path = { addressId };
    await ask('users.getAddress', { ...self, path });
    await ask('users.replaceAddress', { ...self, path, body: { address: { ...address, city: 'Bergen' } } });
    await ask('users.deleteAddress', { ...self, path });
    await ask('users.updateMe', { ...self, body: { name: 'Ada' } });
    const change = { currentPassword: password, newPassword: `${password} again` };
    await ask('users.changePassword', { ...self, body: change });
    for (const look of ['users.getUser', 'users.listUserSessions', 'users.listUserAddresses']) {
      await ask(look, { path: { userId } });
    }
    const { refreshToken } = await ask('users.refresh', {
      role: 'anonymous',
      body: { refreshToken: session.refreshToken },
    });
    await ask('users.endSession', { ...self, path: { sessionId: session.sessionId } });
    await ask('users.signOut', { role: 'anonymous', body: { refreshToken } });
    await ask('users.requestPasswordReset', { role: 'anonymous', body: { email } });
    await ask('users.endUserSessions', { path: { userId } });
  },
  async function listProduct({ ask, ids }) {
    const sku = ids.next('FZZ');
    const variants = [{ sku, options: {}, prices: [{ currency: 'EUR', amountMinor: 900 }] }];
    const body = { name: `Shackle ${sku}`, status: 'active', variants };
    const { id: productId, slug } = await ask('products.create', { body });
    await ask('products.get', { role: 'anonymous', path: { idOrSlug: slug } });
    await ask('products.change', { path: { productId }, body: { description: 'Steel' } });
    await ask('products.replace', { path: { productId }, body });
    await ask('inventory.receive', { body: { lines: [{ sku, quantity: 10 }] } });
    await ask('inventory.adjust', { body: { lines: [{ sku, change: -1 }], reason: 'damaged' } });
    await ask('inventory.takeStock', { body: { lines: [{ sku, counted: 8 }] } });
    const { items } = await ask('inventory.levels', { query: { sku } });
    const from = items[0]?.holder ?? '';
    await ask('inventory.transfer', { body: { from, to: 'fuzz', lines: [{ sku, quantity: 1 }] } });
    await ask('inventory.setAlarm', { path: { sku }, body: { lowAt: 3 } });
    await ask('products.archive', { path: { productId } });
  },
  async function lendKey({ ask }) {
    const { id: keyId } = await ask('gateway.createApiKey', { body: { name: 'fuzz', operations: ['orders.*'] } });
    await ask('gateway.revokeApiKey', { path: { keyId } });
  },
  async function keepBooks({ ask, ids }) {
    const lines = [{ kind: 'other', amountMinor: 100 }];
    const entries = [{ key: ids.next('fzz'), currency: 'EUR', occurredAt: at, lines }];
    await ask('payments.bookEntries', { body: { entries } });
  },
  async function tellOthers({ ask }) {
    const body = { url: 'https://example.com/hook', types: ['order.refunded'] };
    const { id: endpointId } = await ask('webhooks.createEndpoint', { body });
    const path = { endpointId };
    await ask('webhooks.getEndpoint', { path });
    const { id: deliveryId } = await ask('webhooks.test', { path });
    await ask('webhooks.getDelivery', { path: { deliveryId } });
    await ask('webhooks.showSecret', { path });
    await ask('webhooks.rotateSecret', { path, body: {} });
    await ask('webhooks.replayFailed', { path, body: { since: at } });
    await ask('webhooks.changeEndpoint', { path, body: { ...body, enabled: false } });
    await ask('webhooks.deleteEndpoint', { path });
  },
  async function lookAround({ ask }) {
    const path = { area: 'orders', name: 'not-found' };
    await ask('gateway.problem', { role: 'anonymous', path });
  },
  async function writeAgain({ ask }) {
    const { items } = await ask('notifications.list');
    const path = { notificationId: items[0]?.id ?? '' };
    await ask('notifications.get', { path });
    await ask('notifications.resend', { path });
  },
];
