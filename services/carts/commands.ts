import { type CartEdit, type CartSettings, cartsProblems, type Destination } from '#contracts/carts';
import type { OrderState, Reason } from '#contracts/orders';
import { type Caller, contractProblems } from '#kit/contract';
import { type Claim, type ClaimState, claimKeys, completeKeys } from '#kit/idempotency';
import type { Transaction } from '#kit/runtime';
import type { Verdict } from '#kit/store';
import { configureCart, editCart, endRound, joinCarts, newCart } from './cart.ts';
import { hasSeen, type Seen } from './lines.ts';
import { createUseBook } from './promotions.ts';
import { businessKeyOf, type CartRecord, type CheckoutRecord, isOpen } from './records.ts';
import { lockPromotions, readUses, writeUses } from './rules-store.ts';
import { insertCarts, lockCarts, lockCheckouts, openBeside, openOf, updateCarts, writeCheckouts } from './store.ts';

interface OnCart {
  readonly cartId: string;
  readonly caller: Caller;
}

export type Command = { readonly nowMs: number } & (
  | {
      readonly kind: 'create';
      readonly cartId: string;
      readonly customerId: string | null;
      readonly currency: string;
      readonly destination: Destination | null;
    }
  | (OnCart & {
      readonly kind: 'edit';
      readonly claim: Claim;
      readonly edits: readonly CartEdit[];
      readonly seen: Seen | undefined;
    })
  | (OnCart & { readonly kind: 'configure'; readonly settings: CartSettings })
  | (OnCart & { readonly kind: 'join'; readonly customerId: string; readonly newCartId: string })
  | (OnCart & {
      readonly kind: 'begin';
      /** Of the cart that was priced: of any other this is not its order. */
      readonly version: number;
      readonly checkout: CheckoutRecord;
    })
  | {
      readonly kind: 'settle';
      readonly checkout: CheckoutRecord;
      readonly outcome: Outcome;
    }
);

/** What orders said of a checkout. */
export type Outcome =
  | { readonly state: 'placed' | 'confirmed'; readonly orderId: string; readonly orderState: OrderState }
  | {
      readonly state: 'refused';
      readonly reason: Reason;
      readonly orderId?: string;
      readonly orderState?: OrderState;
    };

/** `stale`: the cart has changed since it was priced. `beside`: another checkout has some of its items, and hasn't ended. */
export type CommandResult =
  | { readonly cart: CartRecord }
  | { readonly checkout: CheckoutRecord }
  | { readonly beside: CheckoutRecord }
  | { readonly stale: true };

type EditCommand = Extract<Command, { kind: 'edit' }>;

/**
 * Applies a batch in one transaction: lock what it touches, decide in memory one command after the other, write the sum.
 * `retryMs`: how long a checkout that begins is left to whoever began it.
 */
export async function applyCommands(
  tx: Transaction,
  retryMs: number,
  commands: readonly Command[],
): Promise<Verdict<CommandResult>[]> {
  const edits = commands.filter((command): command is EditCommand => command.kind === 'edit');
  const codes = unique(commands.flatMap((command) => ('checkout' in command ? command.checkout.codes : [])));
  const customers = unique(commands.flatMap((command) => ('checkout' in command ? command.checkout.customers : [])));
  const withJoined = unique(commands.flatMap((command) => ('checkout' in command ? [command.checkout.cartId] : [])));
  const beginning = unique(commands.flatMap((command) => (command.kind === 'begin' ? [command.cartId] : [])));
  const [claims, lockedCarts, lockedCheckouts, besides, underWay, promotions, uses] = await Promise.all([
    claimKeys(
      tx,
      edits.map((command) => command.claim),
    ),
    lockCarts(tx, unique(commands.map(cartOf)), unique(commands.flatMap(customersOf)), withJoined),
    lockCheckouts(
      tx,
      unique(commands.flatMap((command) => ('checkout' in command ? [command.checkout.businessKey] : []))),
    ),
    openBeside(tx, beginning),
    openOf(tx, unique(edits.map(({ cartId }) => cartId))),
    lockPromotions(tx, codes),
    readUses(tx, codes, customers),
  ]);
  const claimOf = new Map<Command, ClaimState>(edits.map((command, i) => [command, claims[i] as ClaimState]));
  const before = new Map(lockedCarts.map((cart) => [cart.id, cart]));
  const carts = new Map(before);
  const checkouts = new Map(
    [...besides, ...underWay, ...lockedCheckouts].map((checkout) => [checkout.businessKey, checkout]),
  );
  const changedCheckouts = new Map<string, CheckoutRecord>();
  const book = createUseBook(promotions, uses);
  const completions: { scope: string; key: string; result: unknown }[] = [];

  const verdicts = commands.map((command): Verdict<CommandResult> => {
    try {
      return { ok: apply(command) };
    } catch (error) {
      return { error };
    }
  });

  function apply(command: Command): CommandResult {
    switch (command.kind) {
      case 'create':
        return { cart: create(command) };
      case 'edit':
        return { cart: edit(command) };
      case 'configure':
        return { cart: setCart(configureCart(cartFor(command), command.settings, command.nowMs)) };
      case 'join':
        return { cart: join(command) };
      case 'begin':
        return begin(command);
      case 'settle':
        return { checkout: settle(command) };
    }
  }

  function create(command: Extract<Command, { kind: 'create' }>): CartRecord {
    const { cartId, customerId, currency, destination, nowMs } = command;
    const known = carts.get(cartId) ?? (customerId === null ? undefined : cartOfCustomer(customerId));
    return known ?? setCart(newCart(cartId, customerId, { currency, destination }, nowMs));
  }

  function edit(command: EditCommand): CartRecord {
    const { claim, edits: wanted, seen, nowMs } = command;
    const cart = cartFor(command);
    const state = claimOf.get(command)?.state;
    if (state === 'mismatch') throw contractProblems['idempotency-key-reused']();
    // Done before, or by its twin of this very batch.
    const isDone = completions.some(({ scope, key }) => scope === claim.scope && key === claim.key);
    if (state === 'done' || isDone) return cart;
    if (state === 'in-flight') throw contractProblems['idempotency-key-in-flight']();
    const checkout = checkouts.get(businessKeyOf(cart.id, cart.round));
    const ordered = checkout && isOpen(checkout) ? checkout.seen : undefined;
    const edited = setCart(editCart(cart, wanted, { seen, ordered }, nowMs));
    completions.push({ scope: claim.scope, key: claim.key, result: { version: edited.version } });
    return edited;
  }

  function join(command: Extract<Command, { kind: 'join' }>): CartRecord {
    const { customerId, newCartId, nowMs } = command;
    const guest = cartFor(command);
    if (guest.customerId === customerId) return guest;
    // Staff see more than is theirs to take.
    if ((guest.customerId ?? guest.joinedBy ?? customerId) !== customerId) throw cartsProblems['not-found']();
    const { currency, destination } = guest;
    const own = cartOfCustomer(customerId) ?? newCart(newCartId, customerId, { currency, destination }, nowMs);
    const joined = joinCarts(own, guest, nowMs);
    if (guest.joinedInto !== own.id) setCart({ ...guest, joinedInto: own.id, joinedBy: customerId });
    return setCart(joined);
  }

  function begin({ checkout, version, ...on }: Extract<Command, { kind: 'begin' }>): CommandResult {
    const cart = cartFor(on);
    const known = checkouts.get(checkout.businessKey);
    if (known) return { checkout: sameRequest(known, checkout.fingerprint) };
    if (cart.round !== checkout.round) throw cartsProblems['other-round']({ data: { round: cart.round } });
    if (cart.version !== version) return { stale: true };
    const beside = [...checkouts.values()].find((other) => isOpen(other) && hasSeen(cart.lines, other.seen));
    if (beside) return { beside };
    book.use(checkout.codes, checkout.customers);
    return { checkout: setCheckout(checkout) };
  }

  function settle({ checkout, outcome, nowMs }: Extract<Command, { kind: 'settle' }>): CheckoutRecord {
    const known = checkouts.get(checkout.businessKey);
    if (!known || !isOpen(known)) return known ?? checkout;
    const { state, orderId = known.orderId, orderState = known.orderState } = outcome;
    const reason = outcome.state === 'refused' ? outcome.reason : null;
    const settled = { ...known, state, orderId, orderState, reason };
    if (state === 'placed') return setCheckout(settled);
    if (state === 'refused') book.giveBack(known);
    const own = carts.get(known.cartId);
    const joined = own?.joinedInto ? carts.get(own.joinedInto) : undefined;
    // What was a guest's is the customer's by now, and bought.
    const guests = [...carts.values()].filter(
      ({ joinedInto, lines }) => joinedInto === known.cartId && hasSeen(lines, known.seen),
    );
    for (const cart of [own, joined, ...guests]) {
      if (cart) setCart(endRound(cart, known, state === 'confirmed', nowMs));
    }
    return setCheckout({ ...settled, request: null });
  }

  /** The cart that a command is about, if its caller may see it. */
  function cartFor({ cartId, caller }: OnCart): CartRecord {
    return visible(carts.get(cartId), caller);
  }

  function cartOfCustomer(customerId: string): CartRecord | undefined {
    return [...carts.values()].find((cart) => cart.customerId === customerId);
  }

  function setCart(cart: CartRecord): CartRecord {
    carts.set(cart.id, cart);
    return cart;
  }

  function setCheckout(checkout: CheckoutRecord): CheckoutRecord {
    checkouts.set(checkout.businessKey, checkout);
    changedCheckouts.set(checkout.businessKey, checkout);
    return checkout;
  }

  // An edit that was refused must leave no claim behind, so that its key may be used again once the cause is gone: the
  // batch fails, and the writer narrows it down until the culprit stands alone.
  const refused = verdicts.find(
    (verdict, i) => 'error' in verdict && claimOf.get(commands[i] as Command)?.state === 'claimed',
  );
  if (refused && 'error' in refused) throw refused.error;

  const changed = [...carts.values()].filter((cart) => before.get(cart.id) !== cart);
  const writes = [
    insertCarts(
      tx,
      changed.filter((cart) => !before.has(cart.id)),
    ),
    updateCarts(
      tx,
      changed.filter((cart) => before.has(cart.id)),
    ),
    writeCheckouts(tx, [...changedCheckouts.values()], retryMs),
    writeUses(tx, book.changedPromotions(), book.changedUses()),
    completeKeys(tx, completions),
  ];
  tx.seal();
  await Promise.all(writes);
  return verdicts;
}

/**
 * A guest's cart is whoever's who knows its id, until it joins a customer's: then it is no other customer's, who would find
 * what the first may have bought by now. A customer's is shown to that customer and to staff.
 */
export function visible(cart: CartRecord | undefined, { kind, id }: Caller): CartRecord {
  const isOurs = kind === 'staff' || kind === 'admin' || kind === 'service';
  const isAnothers =
    cart &&
    ((cart.customerId !== null && cart.customerId !== id) ||
      (kind !== 'anonymous' && cart.joinedBy !== null && cart.joinedBy !== id));
  if (!cart || (isAnothers && !isOurs)) throw cartsProblems['not-found']();
  return cart;
}

/** One round is one order: asked for with other contents it is not this one. */
export function sameRequest(known: CheckoutRecord, fingerprint: string): CheckoutRecord {
  if (known.fingerprint === fingerprint) return known;
  throw contractProblems['idempotency-key-reused']({
    detail: `${known.businessKey} is ${known.state}, with another e-mail, address, payment or total`,
  });
}

function cartOf(command: Command): string {
  return command.kind === 'settle' ? command.checkout.cartId : command.cartId;
}

function customersOf(command: Command): readonly string[] {
  return 'customerId' in command && command.customerId !== null ? [command.customerId] : [];
}

const unique = (values: readonly string[]): string[] => [...new Set(values)].sort();
