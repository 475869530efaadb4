import { type Random, seededRandom, type World } from '#kit/runtime';
import { seedCatalogue } from '#services/products';
import type { TokenSource } from '../replay/index.ts';
import { createShopClient, type ShopClient, type ShopReply, type ShopRequest } from './shop-client.ts';

/** One call of one client, as the client lived it. Times are milliseconds since the run began. */
export interface Operation {
  readonly client: string;
  readonly kind: 'place' | 'read' | 'cancel' | 'receive' | 'look';
  /** The idempotency key, or what was read. */
  readonly subject: string;
  readonly body?: unknown;
  readonly startMs: number;
  readonly endMs: number;
  readonly reply: ShopReply;
}

export interface Workload {
  /** Resolves when the first order has been decided: from then on there is something to lose. */
  readonly underWay: Promise<void>;
  /** Lets the clients work until told to stop; resolves when their last calls have ended. */
  run(until: Promise<void>): Promise<void>;
  /** Repeats what has no final answer yet, until all have or time is up. Returns the keys that have none. */
  settle(patienceMs: number): Promise<string[]>;
  /** Places every order again under its key, once. */
  replay(): Promise<void>;
  readonly operations: readonly Operation[];
  /** Orders that were accepted, by key, and what was decided, once it was: `confirmed` or `refused`. */
  readonly accepted: ReadonlyMap<string, string | undefined>;
  close(): Promise<void>;
}

export interface WorkloadOptions {
  readonly origin: string;
  readonly seed: number;
  readonly world: World;
  readonly tokens: TokenSource;
  /** When the run began, on the monotonic clock. */
  readonly startedMs: number;
  /** Default 8. */
  readonly clients?: number;
  /** Average pause of a client between two calls. Default 60 ms. */
  readonly pauseMs?: number;
}

interface Wanted {
  readonly client: string;
  readonly key: string;
  readonly body: unknown;
}

/** More calls are not remembered: the run ends its work early. */
export const operationsMax = 200_000;
const skus = seedCatalogue.flatMap((product) => product.variants.map((variant) => variant.sku));
/** Few, so that orders meet at the same rows. */
const busySkus = skus.slice(0, 4);
const retryPauseMs = 150;
/** Then a client goes on to something else, and comes back to it when the faults are over. */
const attemptsMax = 5;

/**
 * Shoppers and a storekeeper at the public door. They behave as good clients do: whatever has no answer is repeated
 * under the same key. What each of them does is drawn from the seed.
 */
export function createWorkload(options: WorkloadOptions): Workload {
  const { origin, seed, world, tokens, startedMs, clients = 8, pauseMs = 60 } = options;
  const { clock, timers } = world;
  const underWay = Promise.withResolvers<void>();
  const operations: Operation[] = [];
  const accepted = new Map<string, string | undefined>();
  const wanted = new Map<string, Wanted>();
  const undecided = new Set<string>();
  const confirmed: string[] = [];
  const open: ShopClient[] = [];
  let stopped = false;

  async function call(
    shop: ShopClient,
    of: Pick<Operation, 'client' | 'kind' | 'subject'>,
    request: ShopRequest,
  ): Promise<ShopReply> {
    const startMs = clock.monotonicMs() - startedMs;
    const reply = await shop.call(request);
    const endMs = clock.monotonicMs() - startedMs;
    const body = request.body === undefined ? {} : { body: request.body };
    if (operations.length < operationsMax) operations.push({ ...of, ...body, startMs, endMs, reply });
    return reply;
  }

  async function place(shop: ShopClient, order: Wanted): Promise<void> {
    const { client, key, body } = order;
    const reply = await call(
      shop,
      { client, kind: 'place', subject: key },
      { method: 'POST', path: '/orders', key, body },
    );
    if (reply.kind !== 'answer' || (reply.status !== 201 && reply.status !== 202)) return;
    const { id, state } = reply.body as { id: string; state: string };
    accepted.set(key, reply.status === 201 ? state : accepted.get(key));
    if (reply.status !== 201) return;
    underWay.resolve();
    if (undecided.delete(key) && state === 'confirmed') confirmed.push(id);
  }

  async function placeUntilDecided(shop: ShopClient, order: Wanted): Promise<void> {
    wanted.set(order.key, order);
    undecided.add(order.key);
    for (let attempt = 0; undecided.has(order.key) && !stopped && attempt < attemptsMax; attempt++) {
      if (attempt > 0) await timers.sleep(retryPauseMs);
      await place(shop, order);
    }
  }

  async function live(index: number): Promise<void> {
    const client = `client-${index + 1}`;
    const random = seededRandom(seed, client);
    const shop = createShopClient(origin, clock);
    open.push(shop);
    const own: Wanted[] = [];
    for (let turn = 0; !stopped && operations.length < operationsMax; turn++) {
      const chance = random.next();
      const earlier = own[Math.floor(random.next() * own.length)];
      if (chance < 0.6 || !earlier) {
        const order = { client, key: `chaos-${seed}-${client}-${turn}`, body: drawOrder(random) };
        await placeUntilDecided(shop, order);
        own.push(order);
      } else if (chance < 0.7) await place(shop, earlier);
      else if (chance < 0.85) await readOrder(shop, client, random);
      else if (chance < 0.93) await readStock(shop, client, random);
      else if (chance < 0.97) await cancel(shop, client, random);
      else await receive(shop, client, turn, random);
      await timers.sleep(2 * pauseMs * random.next());
    }
  }

  async function readOrder(shop: ShopClient, client: string, random: Random): Promise<void> {
    const id = pick(random, confirmed);
    if (id) await call(shop, { client, kind: 'read', subject: id }, { method: 'GET', path: `/orders/${id}` });
  }

  async function readStock(shop: ShopClient, client: string, random: Random): Promise<void> {
    const sku = pick(random, busySkus) as string;
    await call(
      shop,
      { client, kind: 'look', subject: sku },
      { method: 'GET', path: `/inventory/availability?sku=${encodeURIComponent(sku)}` },
    );
  }

  async function cancel(shop: ShopClient, client: string, random: Random): Promise<void> {
    const id = pick(random, confirmed);
    if (!id) return;
    const request: ShopRequest = { method: 'POST', path: `/orders/${id}/cancel`, key: `cancel-${id}`, body: {} };
    await call(shop, { client, kind: 'cancel', subject: id }, request);
  }

  async function receive(shop: ShopClient, client: string, turn: number, random: Random): Promise<void> {
    const key = `receipt-${seed}-${client}-${turn}`;
    const body = { lines: [{ sku: pick(random, busySkus), quantity: 1 + Math.floor(random.next() * 20) }] };
    let token: string;
    try {
      token = await tokens.token();
    } catch {
      return;
    }
    const request: ShopRequest = { method: 'POST', path: '/inventory/receipts', key, token, body };
    const reply = await call(shop, { client, kind: 'receive', subject: key }, request);
    if (reply.kind === 'answer' && reply.status === 401) tokens.refused(token);
  }

  return {
    operations,
    accepted,
    underWay: underWay.promise,
    async run(until) {
      const lives = Promise.all(Array.from({ length: clients }, (_, index) => live(index)));
      await until;
      stopped = true;
      await lives;
    },
    async settle(patienceMs) {
      const untilMs = clock.monotonicMs() + patienceMs;
      const shops = open.slice(0, 4);
      while (undecided.size > 0 && clock.monotonicMs() < untilMs) {
        const keys = [...undecided];
        await inLanes(shops, keys, (shop, key) => place(shop, wanted.get(key) as Wanted));
        if (undecided.size > 0) await timers.sleep(retryPauseMs);
      }
      return [...undecided];
    },
    async replay() {
      await inLanes(open, [...wanted.values()], (shop, order) => place(shop, order));
    },
    async close() {
      await Promise.all(open.map((shop) => shop.close()));
    },
  };
}

/** Each lane takes the next item when it has done with one. */
async function inLanes<L, T>(
  lanes: readonly L[],
  items: readonly T[],
  work: (lane: L, item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  await Promise.all(
    lanes.map(async (lane) => {
      while (next < items.length) await work(lane, items[next++] as T);
    }),
  );
}

function drawOrder(random: Random): unknown {
  const count = random.next() < 0.7 ? 1 : 2;
  const chosen = new Set<string>();
  while (chosen.size < count) chosen.add(pick(random, busySkus) as string);
  // Some want more than there is, some have no money.
  const isGreedy = random.next() < 0.06;
  const isPoor = random.next() < 0.08;
  return {
    email: 'chaos@example.com',
    currency: 'EUR',
    lines: [...chosen].map((sku) => ({ sku, quantity: isGreedy ? 90_000 : 1 + Math.floor(random.next() * 3) })),
    payment: { method: isPoor ? 'pm_card_chargeDeclined' : 'pm_card_visa' },
  };
}

function pick<T>(random: Random, items: readonly T[]): T | undefined {
  return items[Math.floor(random.next() * items.length)];
}
