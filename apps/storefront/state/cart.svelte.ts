import { isApiProblem } from '#api';
import type { Cart, CartEdit, CartSettings, Checkout } from '#contracts/carts';
import { api, session } from '../shop.ts';
import { type Batch, enqueue, type KnownItem, movedInto, shownLines } from './cart-model.ts';
import { currency } from './currency.svelte.ts';
import { stored } from './stored.ts';

/** What the browser keeps of the cart, so that a reload or a lost network loses nothing. */
interface Kept {
  /** The cart at the server, once there is one. */
  readonly id?: string;
  /** Names the wish for a cart, so that a repeated wish is the same cart. */
  readonly createKey: string;
  readonly cart?: Cart;
  readonly batches: readonly Batch[];
  readonly known: Readonly<Record<string, KnownItem>>;
}

const file = stored<Kept>('cart');
const newKey = (): string => crypto.randomUUID();
const fresh = (): Kept => ({ createKey: newKey(), batches: [], known: {} });
/** Product data kept for lines; beyond that the oldest go. */
const knownMax = 300;
/** Clicks that follow each other closely travel together. */
const gatherMs = 120;
const retryMsMin = 1_000;
const retryMsMax = 30_000;

let kept = $state.raw<Kept>(file.read() ?? fresh());
let trouble = $state.raw<unknown>(undefined);
let timer: ReturnType<typeof setTimeout> | undefined;
let sending: Promise<void> | undefined;
let retryMs = retryMsMin;

const lines = $derived(shownLines(kept.cart, kept.batches, kept.known));
const underWay = $derived(kept.cart?.checkout);

function keep(change: Partial<Kept>): void {
  kept = { ...kept, ...change };
  file.write(kept);
}

/** What the server says of a cart that was left meanwhile, as by signing out, is not of the one at hand. */
function hear(of: Kept['createKey'], change: Partial<Kept>): void {
  if (kept.createKey === of) keep(change);
}

file.onElsewhere(() => {
  kept = file.read() ?? fresh();
});

function wake(afterMs: number): void {
  clearTimeout(timer);
  timer = setTimeout(() => void sync(), afterMs);
}

/** Sends what waits. One at a time, also among tabs: what one has sent the other need not. */
function sync(): Promise<void> {
  sending ??= locked(sendAll).finally(() => {
    sending = undefined;
  });
  return sending;
}

/** One call at a time, or an answer that is older than the one before it would be shown. */
function locked<T>(work: () => Promise<T>): Promise<T> {
  return navigator.locks ? (navigator.locks.request('holdfast.storefront.cart', work) as Promise<T>) : work();
}

async function sendAll(): Promise<void> {
  kept = file.read() ?? kept;
  try {
    while (kept.batches.length > 0) await sendNext();
    trouble = undefined;
    retryMs = retryMsMin;
  } catch (error) {
    trouble = error;
    // Without a connection the browser says when it is back; the timer is for everything else.
    wake(retryMs);
    retryMs = Math.min(retryMsMax, retryMs * 2);
  }
}

async function sendNext(): Promise<void> {
  const cartId = await ensureCart();
  const [next, ...others] = kept.batches;
  if (!next) return;
  keep({ batches: [{ ...next, isSent: true }, ...others] });
  const { createKey } = kept;
  const seen = kept.cart?.seen;
  try {
    const body = { edits: [...next.edits], ...(seen === undefined ? {} : { seen }) };
    const reply = await api.carts.edit({ params: { cartId }, body, key: next.key });
    hear(createKey, { cart: reply.body, batches: kept.batches.filter(({ key }) => key !== next.key) });
  } catch (error) {
    if (kept.createKey !== createKey) return;
    if (isApiProblem(error, 'carts/not-found')) startAnew();
    // What the server will never take is given up and said, rather than sent for ever.
    else if (isApiProblem(error) && !error.mayRepeat) {
      keep({ batches: kept.batches.filter(({ key }) => key !== next.key) });
      throw error;
    } else throw error;
  }
}

async function ensureCart(): Promise<string> {
  while (kept.id === undefined) {
    const { createKey } = kept;
    const { body } = await api.carts.create({ body: { currency: currency.current }, key: createKey });
    hear(createKey, { id: body.id, cart: body });
  }
  return kept.id;
}

/** The cart is gone (it was another customer's, or too old): what was in it goes into a new one. */
function startAnew(): void {
  const batches = movedInto(lines, newKey);
  const { known } = kept;
  kept = { ...fresh(), known, batches };
  file.write(kept);
}

function change(edit: CartEdit): void {
  keep({ batches: enqueue(kept.batches, edit, newKey) });
  wake(gatherMs);
}

/** Brings the shown cart up to date: prices, stock, what other devices added. */
async function refresh(): Promise<void> {
  await sync();
  await locked(async () => {
    const { id, createKey } = kept;
    if (id === undefined) return;
    try {
      hear(createKey, { cart: (await api.carts.get({ params: { cartId: id } })).body });
    } catch (error) {
      if (!isApiProblem(error, 'carts/not-found')) throw error;
      if (kept.createKey === createKey) startAnew();
    }
  });
  // What was moved into a new cart.
  if (kept.batches.length > 0) await sync();
}

addEventListener('online', () => void sync());
addEventListener('visibilitychange', () => {
  if (!document.hidden && kept.batches.length > 0) wake(0);
});
if (kept.batches.length > 0) wake(0);

/**
 * The cart. What a shopper does shows at once and is kept in the browser; it reaches the server as soon as it can, each
 * change once (a batch of changes bears a key). Prices and totals are the server's.
 */
export const cart = {
  get lines() {
    return lines;
  },
  get count(): number {
    return lines.reduce((sum, { quantity }) => sum + quantity, 0);
  },
  /** The server's view: totals, notes, ways of shipping. It may be a moment behind `lines`. */
  get view(): Cart | undefined {
    return kept.cart;
  },
  /** A checkout that has not ended. What it orders is not among the lines; refused, it is again. */
  get underWay(): Checkout | undefined {
    return underWay;
  },
  /** The server's view has everything that is shown. */
  get isCurrent(): boolean {
    return kept.cart !== undefined && kept.batches.length === 0;
  },
  /** What kept the last attempt from reaching the server; it is tried again by itself. */
  get trouble(): unknown {
    return trouble;
  },
  itemOf: (sku: string): KnownItem | undefined => kept.known[sku],
  add(sku: string, quantity: number, item: KnownItem): void {
    const { [sku]: _, ...others } = kept.known;
    keep({ known: Object.fromEntries([...Object.entries(others).slice(1 - knownMax), [sku, item]]) });
    change({ kind: 'add', sku, quantity });
  },
  set: (sku: string, quantity: number): void => change({ kind: 'set', sku, quantity }),
  remove: (sku: string): void => change({ kind: 'remove', sku }),
  refresh,
  async configure(settings: CartSettings): Promise<void> {
    await sync();
    await locked(async () => {
      const cartId = await ensureCart();
      const { createKey } = kept;
      hear(createKey, { cart: (await api.carts.configure({ params: { cartId }, body: settings })).body });
    });
  },
  /** After signing in: what the guest had comes into the customer's cart. After signing out: an empty one. */
  async join(): Promise<void> {
    await sync();
    await locked(async () => {
      const { id, cart: view, createKey } = kept;
      if (id !== undefined && view?.customerId === undefined) {
        try {
          const { body } = await api.carts.join({ params: { cartId: id } });
          return hear(createKey, { id: body.id, cart: body });
        } catch (error) {
          if (!isApiProblem(error, 'carts/not-found')) throw error;
          // Somebody else signed in with it before: it is theirs.
          if (kept.createKey === createKey) cart.leave();
        }
      }
      const { createKey: mine } = kept;
      const { body } = await api.carts.create({ body: { currency: currency.current }, key: newKey() });
      hear(mine, { id: body.id, cart: body });
    });
  },
  leave(): void {
    kept = fresh();
    file.write(kept);
  },
  /** It was checked out: what is being bought is in sight no more. */
  async bought(): Promise<void> {
    await refresh().catch(() => {});
  },
};

currency.onChange((code) => {
  if (kept.id !== undefined) void cart.configure({ currency: code }).catch(() => {});
});

session.onSignedOut(() => cart.leave());
