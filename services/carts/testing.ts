import type { PromotionInput } from '#contracts/carts';
import type { inventory } from '#contracts/inventory';
import type { Order, orders, PlaceOrder } from '#contracts/orders';
import type { products } from '#contracts/products';
import { type Client, contractProblems } from '#kit/contract';
import { openTestDatabase } from '#kit/messaging/testing';
import { createIds, type Logger, type Reply, seededRandom, systemClock, systemTimers, type World } from '#kit/runtime';
import { type CartsOptions, cartsMigrations, createCarts } from './index.ts';

/** What the tests of this folder share: a carts service on a fresh database, and neighbours that do as they are told. */

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };

// biome-ignore lint/suspicious/noExplicitAny: tests read replies of every shape
export type AnyReply = Reply & { readonly body: any };

export interface Neighbours {
  readonly prices: Map<string, number>;
  readonly stock: Map<string, number>;
  /** Orders by business key, as orders has them. */
  readonly placed: Map<string, Order>;
  readonly requests: PlaceOrder[];
  productsUp: boolean;
  inventoryUp: boolean;
  ordersUp: boolean;
  /** The order is placed, but its answer doesn't come. */
  loseReplies: boolean;
  /** What becomes of an order. */
  decide: (order: PlaceOrder) => 'confirmed' | 'refused' | 'received';
}

export async function cartsForTest(options: Partial<CartsOptions> = {}) {
  const random = seededRandom(7);
  let offsetMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + offsetMs };
  const world: World = { clock, timers: systemTimers, random, ids: createIds(clock, random), log: silent };
  const database = await openTestDatabase(cartsMigrations);
  const neighbours: Neighbours = {
    prices: new Map([
      ['ROPE', 10_000],
      ['BOOK', 1_490],
    ]),
    stock: new Map([
      ['ROPE', 5],
      ['BOOK', 100],
    ]),
    placed: new Map(),
    requests: [],
    productsUp: true,
    inventoryUp: true,
    ordersUp: true,
    loseReplies: false,
    decide: () => 'confirmed',
  };
  const another = () =>
    createCarts({
      world,
      database,
      products: productsOf(neighbours),
      inventory: inventoryOf(neighbours),
      orders: ordersOf(neighbours, world),
      server: { checkReplies: true },
      lookAfterPeriodMs: 20,
      retryMs: 60,
      ...options,
    });
  const service = another();
  let keys = 0;
  function call(
    operation: string,
    request: {
      readonly as?: string;
      readonly params?: Record<string, string>;
      readonly body?: unknown;
      readonly key?: string;
      /** Default `*`: whatever is there. */
      readonly ifMatch?: string;
      readonly on?: typeof service;
    } = {},
  ): Promise<AnyReply> {
    const { as = 'anonymous:anonymous', params = {}, body, ifMatch = '*', on = service } = request;
    keys += 1;
    const headers = {
      ...{ 'holdfast-caller': as, 'idempotency-key': request.key ?? `key-${keys}` },
      'if-match': ifMatch,
    };
    return on.server.handle(
      { service: 'carts', operation, params, query: {}, headers, ...(body === undefined ? {} : { body }) },
      new AbortController().signal,
    ) as Promise<AnyReply>;
  }
  async function newCart(as = 'anonymous:anonymous', edits: readonly unknown[] = []): Promise<string> {
    const { body } = await call('create', { as, body: { currency: 'EUR', destination: { country: 'DE' } } });
    if (edits.length > 0) await call('edit', { as, params: { cartId: body.id }, body: { edits } });
    return body.id;
  }
  async function checkOut(cartId: string, totalMinor: number, more: Record<string, unknown> = {}): Promise<AnyReply> {
    const { as, round = 1, on, ...body } = more as { as?: string; round?: number; on?: typeof service };
    const wanted = { ...checkoutBody, seen: { totalMinor }, ...body };
    const params = { cartId, round: String(round) };
    return call('checkout', { params, body: wanted, ...(as ? { as } : {}), ...(on ? { on } : {}) });
  }
  async function promote(code: string, over: Partial<PromotionInput> = {}): Promise<void> {
    const body = { name: 'Ten off', offer: { kind: 'percentage', ratePpm: 100_000 }, ...over };
    const { status } = await call('putPromotion', { as: 'staff:usr_1', params: { code }, body });
    if (status !== 200) throw new Error(`the promotion ${code} was not taken`);
  }
  const advance = (ms: number) => {
    offsetMs += ms;
  };
  return { ...service, database, neighbours, world, another, call, newCart, checkOut, promote, advance };
}

export const checkoutBody = {
  email: 'Ada@Example.org',
  shippingAddress: { name: 'Ada', line1: 'Street 1', city: 'Berlin', country: 'DE' },
  payment: { method: 'pm_card_visa' },
};

function productsOf(neighbours: Neighbours): Client<typeof products> {
  return {
    resolve: async ({ body }: { body: { skus: string[]; currency: string } }) => {
      if (!neighbours.productsUp) throw contractProblems.unavailable();
      const items = body.skus.flatMap((sku) => {
        const amountMinor = neighbours.prices.get(sku);
        const productId = 'prd_1';
        return amountMinor === undefined ? [] : [{ sku, productId, version: 1, name: sku, active: true, amountMinor }];
      });
      return { status: 200, body: { items, unknown: [], ageMsMax: 0 } };
    },
  } as unknown as Client<typeof products>;
}

function inventoryOf(neighbours: Neighbours): Client<typeof inventory> {
  return {
    availability: async ({ query }: { query: { sku: string[] } }) => {
      if (!neighbours.inventoryUp) throw contractProblems.unavailable();
      const items = query.sku.map((sku) => ({ sku, available: neighbours.stock.get(sku) ?? 0, version: 1 }));
      return { status: 200, body: { items } };
    },
  } as unknown as Client<typeof inventory>;
}

/** Keeps the promise of orders: one key is one order. */
function ordersOf(neighbours: Neighbours, { ids }: World): Client<typeof orders> {
  const { placed, requests } = neighbours;
  const texts = new Map<string, string>();
  const view = (order: Order) => {
    const decision = neighbours.decide(requests[0] as PlaceOrder);
    return { ...order, state: order.state === 'received' ? decision : order.state };
  };
  return {
    place: async ({ key, body }: { key: string; body: PlaceOrder }) => {
      if (!neighbours.ordersUp) throw contractProblems.unavailable();
      const known = placed.get(key);
      const text = JSON.stringify(body);
      if (known && texts.get(key) !== text) throw contractProblems['idempotency-key-reused']();
      texts.set(key, text);
      if (!known) {
        requests.push(body);
        const totalMinor = body.lines.reduce((sum, line) => sum + (line.totalMinor ?? 0), 0);
        if (totalMinor !== body.expectedTotalMinor) throw new Error('the lines do not sum to the total');
        const state = neighbours.decide(body);
        const order = { id: ids.next('ord'), businessKey: key, state, totalMinor, email: body.email };
        placed.set(key, {
          ...order,
          ...(state === 'refused' ? { reason: { code: 'payments/declined', detail: 'declined' } } : {}),
        } as Order);
      }
      if (neighbours.loseReplies) throw contractProblems.timeout();
      const order = view(placed.get(key) as Order);
      if (order.state === 'received') return { status: 202, body: { id: order.id, state: order.state } };
      return { status: 201, body: order };
    },
    get: async ({ params }: { params: { orderId: string } }) => {
      if (!neighbours.ordersUp) throw contractProblems.unavailable();
      const order = [...placed.values()].find(({ id }) => id === params.orderId);
      return { status: 200, body: view(order as Order) };
    },
    list: async ({ query }: { query: { businessKey: string } }) => {
      const found = placed.get(query.businessKey);
      return { status: 200, body: { items: found ? [found] : [] } };
    },
  } as unknown as Client<typeof orders>;
}
