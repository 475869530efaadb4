import { type CartNote, type Checkout, type CheckoutInput, cartsProblems, type Destination } from '#contracts/carts';
import type { Order, orders, PlaceOrder } from '#contracts/orders';
import { orderLinesOf } from '#contracts/pricing';
import type { Totals } from '#contracts/totals';
import { type CallContext, type Client, isProblem } from '#kit/contract';
import { fingerprintOf } from '#kit/idempotency';
import type { Clock, Database } from '#kit/runtime';
import type { BatchWriter } from '#kit/store';
import { type Command, type CommandResult, type Outcome, sameRequest, visible } from './commands.ts';
import type { MarketPlace } from './market.ts';
import { changesSince, quoteCart } from './quote.ts';
import { businessKeyOf, type CartRecord, type CheckoutRecord, isOpen } from './records.ts';
import { readCart, readCheckout } from './store.ts';

export interface CheckoutOptions {
  readonly clock: Clock;
  readonly database: Database;
  readonly writer: BatchWriter<Command, CommandResult>;
  readonly market: MarketPlace;
  readonly orders: Client<typeof orders>;
}

/** Turns carts into orders. What it has accepted is a row; `drive` brings it to its end, as often as it takes. */
export interface Checkouts {
  begin(cartId: string, round: number, input: CheckoutInput, context: CallContext): Promise<CheckoutRecord>;
  /** Asks orders how it stands, and writes down what it learns. */
  drive(checkout: CheckoutRecord, context: CallContext): Promise<CheckoutRecord>;
}

/** How often a cart is priced anew because it was edited meanwhile. */
const attemptsMax = 5;
/**
 * For so long a checkout may be placed under its key. Orders remembers keys for 72 hours after their end; later than this
 * it is looked for instead, because a key that has been forgotten would make a second order.
 */
const placeMsMax = 48 * 3_600_000;

export function createCheckouts(options: CheckoutOptions): Checkouts {
  const { clock, database, writer, market, orders } = options;

  async function begin(cartId: string, round: number, input: CheckoutInput, context: CallContext) {
    const businessKey = businessKeyOf(cartId, round);
    const fingerprint = fingerprintOf(input);
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const [found, known] = await Promise.all([readCart(database, cartId), readCheckout(database, businessKey)]);
      const cart = visible(found, context.caller);
      if (known) return sameRequest(known, fingerprint);
      if (cart.round !== round) throw cartsProblems['other-round']({ data: { round: cart.round } });
      const totals = await recheck(cart, input, context);
      const checkout = draft(cart, { businessKey, fingerprint, input, totals }, clock.now());
      const { caller } = context;
      const { version } = cart;
      const result = await writer.submit({ kind: 'begin', nowMs: clock.now(), cartId, caller, version, checkout });
      if ('checkout' in result) return sameRequest(result.checkout, fingerprint);
      if ('beside' in result) await endBeside(result.beside, context);
    }
    throw cartsProblems['prices-unknown']({ detail: 'the cart is being edited faster than it can be priced' });
  }

  /** What the shopper is buying as a guest is in the customer's cart, too, until that has ended: nobody buys it twice. */
  async function endBeside(checkout: CheckoutRecord, context: CallContext): Promise<void> {
    const { cartId, round, state } = await drive(checkout, context);
    if (isOpen({ state })) throw cartsProblems['under-way']({ detail: checkout.businessKey, data: { cartId, round } });
  }

  /** The totals that will be charged: those that the shopper saw, or an account of what is otherwise. */
  async function recheck(cart: CartRecord, input: CheckoutInput, context: CallContext): Promise<Totals> {
    const destination = destinationOf(input.shippingAddress);
    const asked = { ...cart, destination, shippingMethod: input.shippingMethod ?? cart.shippingMethod };
    const seen = await market.lookAt(asked, context);
    if (seen.oldPrices) throw cartsProblems['prices-unknown']();
    const quote = quoteCart(asked, seen);
    const changes = changesSince(input.seen, quote);
    if (!quote.totals && changes.every(({ kind }) => kind === 'total')) throw cartsProblems.empty();
    if (!quote.totals || changes.length > 0) throw changedProblem(changes, quote.totals);
    return quote.totals;
  }

  async function drive(checkout: CheckoutRecord, context: CallContext): Promise<CheckoutRecord> {
    if (!isOpen(checkout)) return checkout;
    const outcome = await ask(checkout, { ...context, caller: { kind: 'service', id: 'carts' } });
    if (!outcome || (outcome.state === 'placed' && checkout.state === 'placed')) return checkout;
    const result = await writer.submit({ kind: 'settle', nowMs: clock.now(), checkout, outcome });
    return 'checkout' in result ? result.checkout : checkout;
  }

  /** Undefined: nobody knows yet. */
  async function ask(checkout: CheckoutRecord, context: CallContext): Promise<Outcome | undefined> {
    const { businessKey, orderId, request, startedAtMs } = checkout;
    try {
      if (orderId !== null) return outcomeOf((await orders.get({ params: { orderId } }, context)).body);
      if (!request) return undefined;
      const known = clock.now() - startedAtMs > placeMsMax ? await lookFor(businessKey, request, context) : undefined;
      if (known) return outcomeOf(known);
      const reply = await orders.place({ key: businessKey, body: request }, context);
      if (reply.status === 201) return outcomeOf(reply.body);
      return { state: 'placed', orderId: reply.body.id, orderState: reply.body.state };
    } catch (error) {
      // The key is an order already, whatever it looks like: that order is the one.
      if (isProblem(error) && error.code === 'contract/idempotency-key-reused' && request) {
        const known = await lookFor(businessKey, request, context);
        return known && outcomeOf(known);
      }
      if (!isProblem(error) || error.retry !== 'never' || error.category === 'internal') return undefined;
      const data = Object.keys(error.data).length === 0 ? {} : { data: error.data };
      return { state: 'refused', reason: { code: error.code, detail: error.detail ?? error.title, ...data } };
    }
  }

  async function lookFor(businessKey: string, { email }: PlaceOrder, context: CallContext): Promise<Order | undefined> {
    const { body } = await orders.list({ query: { email, businessKey, limit: 1 } }, context);
    return body.items[0];
  }

  return { begin, drive };
}

function outcomeOf({ id: orderId, state: orderState, reason }: Order): Outcome {
  if (orderState === 'refused') {
    return {
      state: 'refused',
      orderId,
      orderState,
      reason: reason ?? { code: 'orders/refused', detail: 'The order was refused.' },
    };
  }
  const isDecided = !['received', 'held', 'authorized'].includes(orderState);
  return { state: isDecided ? 'confirmed' : 'placed', orderId, orderState };
}

function draft(
  cart: CartRecord,
  from: {
    readonly businessKey: string;
    readonly fingerprint: string;
    readonly input: CheckoutInput;
    readonly totals: Totals;
  },
  nowMs: number,
): CheckoutRecord {
  const { businessKey, fingerprint, input, totals } = from;
  const { email, shippingAddress, payment } = input;
  const { customerId } = cart;
  const request: PlaceOrder = {
    email,
    ...(customerId === null ? {} : { customerId }),
    currency: totals.currency,
    lines: orderLinesOf(totals),
    payment,
    shippingAddress,
    expectedTotalMinor: totals.totalMinor,
  };
  return {
    businessKey,
    cartId: cart.id,
    round: cart.round,
    state: 'saved',
    fingerprint,
    request,
    totals,
    seen: cart.lines.seen,
    codes: totals.discounts.flatMap(({ code }) => code ?? []).sort(),
    customers: [email.toLowerCase(), ...(customerId === null ? [] : [customerId])],
    orderId: null,
    orderState: null,
    reason: null,
    startedAtMs: nowMs,
  };
}

function changedProblem(changes: readonly CartNote[], totals: Totals | undefined): Error {
  const [first] = changes;
  const detail = first && textOf(first);
  return cartsProblems.changed({
    ...(detail === undefined ? {} : { detail }),
    data: { changes, ...(totals ? { totals } : {}) },
  });
}

function textOf(note: CartNote): string | undefined {
  switch (note.kind) {
    case 'price':
      return `${note.name} costs ${note.toMinor}, not ${note.fromMinor}`;
    case 'gone':
      return `${note.name ?? note.sku} is not sold any more`;
    case 'short':
      return `only ${note.available} left of ${note.name}, ${note.wanted} wanted`;
    case 'no-shipping':
      return `nothing is shipped to ${note.country}`;
    case 'total':
      return `the total is ${note.toMinor}, not ${note.fromMinor}`;
    default:
      return undefined;
  }
}

/** A region is told by its code; people also write `US-CA`, and anything else says nothing about taxes. */
function destinationOf({ country, region }: CheckoutInput['shippingAddress']): Destination {
  const [code] = /[A-Z0-9]{1,3}$/.exec(region?.trim().toUpperCase() ?? '') ?? [];
  const isCode = code !== undefined && [code, `${country}-${code}`].includes(region?.trim().toUpperCase() ?? '');
  return { country, ...(isCode ? { region: code } : {}) };
}

export function checkoutView(checkout: CheckoutRecord): Checkout {
  const { cartId, round, businessKey, state, orderId, orderState, reason, totals, startedAtMs } = checkout;
  return {
    cartId,
    round,
    businessKey,
    state,
    ...(orderId === null ? {} : { orderId }),
    ...(orderState === null ? {} : { orderState }),
    ...(reason === null ? {} : { reason }),
    totals,
    startedAt: new Date(startedAtMs).toISOString(),
  };
}
