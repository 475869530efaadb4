import { type CartEdit, type CartSettings, cartsProblems, type Destination } from '#contracts/carts';
import {
  addUnits,
  type Dot,
  forgetOldest,
  merge,
  noLines,
  removeLine,
  removeSeen,
  replicasMax,
  type Seen,
  seeing,
  setUnits,
  unitsOf,
} from './lines.ts';
import type { CartRecord, CheckoutRecord } from './records.ts';

/** SKUs in a cart. More makes edits dearer: a cart is one row. */
const linesMax = 200;
const unitsMax = 1_000_000;

/** Who edits a cart: its database, one edit after the other. Named after the cart, so that carts which join differ. */
const replicaOf = (cart: CartRecord): string => cart.id;

export function newCart(
  id: string,
  customerId: string | null,
  settings: { readonly currency: string; readonly destination: Destination | null },
  nowMs: number,
): CartRecord {
  return {
    id,
    customerId,
    version: 1,
    round: 1,
    ...settings,
    shippingMethod: null,
    codes: [],
    lines: noLines,
    joinedInto: null,
    joinedBy: null,
    updatedAtMs: nowMs,
  };
}

function changed(cart: CartRecord, change: Partial<CartRecord>, nowMs: number): CartRecord {
  return { ...cart, ...change, version: cart.version + 1, updatedAtMs: nowMs };
}

/**
 * `seen`: what its maker had on the screen; undefined: the cart as it is. `ordered`: what is being bought, which no screen
 * shows and nobody changes any more.
 */
export function editCart(
  cart: CartRecord,
  edits: readonly CartEdit[],
  { seen, ordered }: { readonly seen: Seen | undefined; readonly ordered: Seen | undefined },
  nowMs: number,
): CartRecord {
  const replica = replicaOf(cart);
  const before = cart.lines.seen[replica] ?? 0;
  const isOrdered = ordered ? seeing(ordered) : () => false;
  const wasShown = seen ? seeing(seen) : () => true;
  const inView = (dot: Dot) => wasShown(dot) && !isOrdered(dot);
  // What an edit of this very list has made is known to those after it.
  const sees = (dot: Dot) => inView(dot) || (dot[0] === replica && dot[1] > before);
  let { lines } = cart;
  for (const edit of edits) {
    if (edit.kind === 'add') lines = addUnits(lines, replica, edit.sku, edit.quantity);
    else if (edit.kind === 'set') lines = setUnits(lines, replica, edit.sku, edit.quantity, sees);
    else lines = removeLine(lines, edit.sku, sees);
  }
  return withinBounds(changed(cart, { lines }, nowMs));
}

export function configureCart(cart: CartRecord, settings: CartSettings, nowMs: number): CartRecord {
  const { currency, destination, shippingMethod, codes } = settings;
  return changed(
    cart,
    {
      ...(currency === undefined ? {} : { currency }),
      ...(destination === undefined ? {} : { destination }),
      ...(shippingMethod === undefined ? {} : { shippingMethod }),
      ...(codes === undefined ? {} : { codes: [...new Set(codes)] }),
    },
    nowMs,
  );
}

/** What is in the guest's cart comes into the customer's; settings are taken over where the customer has none. */
export function joinCarts(own: CartRecord, guest: CartRecord, nowMs: number): CartRecord {
  const isEmpty = unitsOf(own.lines).length === 0;
  return withinBounds(
    changed(
      own,
      {
        lines: forgetOldest(merge(own.lines, guest.lines), replicaOf(own)),
        currency: isEmpty ? guest.currency : own.currency,
        destination: own.destination ?? guest.destination,
        shippingMethod: own.shippingMethod ?? guest.shippingMethod,
        codes: [...new Set([...own.codes, ...guest.codes])].slice(0, codesMax),
      },
      nowMs,
    ),
  );
}

const codesMax = 5;

/**
 * The round is over. Bought: what was ordered leaves the cart, with its codes, and what was added meanwhile stays. Also for
 * the cart that a guest's has joined: the same additions may be in both.
 */
export function endRound(cart: CartRecord, checkout: CheckoutRecord, isBought: boolean, nowMs: number): CartRecord {
  const isOwn = cart.id === checkout.cartId;
  const round = isOwn ? Math.max(cart.round, checkout.round + 1) : cart.round;
  if (!isBought) return isOwn ? changed(cart, { round }, nowMs) : cart;
  const lines = removeSeen(cart.lines, checkout.seen);
  const codes = cart.codes.filter((code) => !checkout.codes.includes(code));
  return changed(cart, { round, lines, codes }, nowMs);
}

function withinBounds(cart: CartRecord): CartRecord {
  const units = unitsOf(cart.lines);
  const tooMany = units.find(({ quantity }) => quantity > unitsMax);
  if (tooMany) throw cartsProblems.full({ detail: `${tooMany.quantity} of ${tooMany.sku}` });
  if (units.length > linesMax) throw cartsProblems.full({ detail: `${units.length} SKUs` });
  const replicas = Object.keys(cart.lines.seen).length;
  if (replicas > replicasMax) throw cartsProblems.full({ detail: `what ${replicas} carts brought in` });
  return cart;
}
