import { type Cart, type carts, cartsProblems, type Promotion, type TaxRule } from '#contracts/carts';
import { instantOf, pageFrom, pageSizeDefault, positionOf } from '#contracts/common';
import {
  type CallContext,
  checkIfMatch,
  type Handlers,
  invalidInput,
  type ProblemPlace,
  waitUntilMs,
} from '#kit/contract';
import { fingerprintOf } from '#kit/idempotency';
import type { Database, Transaction, World } from '#kit/runtime';
import type { BatchWriter } from '#kit/store';
import { type Checkouts, checkoutView } from './checkout.ts';
import { type Command, type CommandResult, visible } from './commands.ts';
import { removeSeen, type Seen } from './lines.ts';
import type { MarketPlace } from './market.ts';
import { quoteCart } from './quote.ts';
import { businessKeyOf, type CartRecord, isOpen, type PromotionRecord } from './records.ts';
import {
  listPromotions,
  lockPromotion,
  lockRules,
  putShippingMethod,
  putTaxClass,
  putTaxRule,
  raiseRulesVersion,
  readPromotions,
  readRules,
  savePromotion,
} from './rules-store.ts';
import { readCart, readCheckout } from './store.ts';

export interface HandlerOptions {
  readonly world: World;
  readonly database: Database;
  readonly writer: BatchWriter<Command, CommandResult>;
  readonly market: MarketPlace;
  readonly checkouts: Checkouts;
}

const currencyDefault = 'EUR';

export function createHandlers(options: HandlerOptions): Handlers<typeof carts> {
  const { world, database, writer, market, checkouts } = options;
  const { clock, ids } = world;

  async function change(command: Command, context: CallContext): Promise<Cart> {
    const result = await writer.submit(command);
    if (!('cart' in result)) throw new Error(`a ${command.kind} gave no cart`);
    return show(result.cart, context);
  }

  async function show(cart: CartRecord, context: CallContext): Promise<Cart> {
    const [seen, checkout] = await Promise.all([
      market.lookAt(cart, context),
      readCheckout(database, businessKeyOf(cart.id, cart.round)),
    ]);
    // What is being bought is in the cart until that has ended, and comes to sight again where it was refused.
    const isTaken = checkout !== undefined && checkout.state !== 'refused';
    const lines = isTaken ? removeSeen(cart.lines, checkout.seen) : cart.lines;
    const quote = quoteCart({ ...cart, lines }, seen);
    return {
      id: cart.id,
      ...(cart.customerId === null ? {} : { customerId: cart.customerId }),
      seen: seenText(cart.lines.seen),
      round: cart.round,
      currency: cart.currency,
      ...(cart.destination === null ? {} : { destination: cart.destination }),
      ...(cart.shippingMethod === null ? {} : { shippingMethod: cart.shippingMethod }),
      codes: [...cart.codes],
      lines: [...quote.lines],
      ...(quote.totals ? { totals: quote.totals } : {}),
      shippingOptions: [...quote.shippingOptions],
      notes: [...quote.notes],
      ...(checkout && isOpen(checkout) ? { checkout: checkoutView(checkout) } : {}),
      updatedAt: new Date(cart.updatedAtMs).toISOString(),
    };
  }

  /** Under the version that whoever changes them has read. */
  async function changeRules<Body>(context: CallContext, body: Body, put: (tx: Transaction) => Promise<void>) {
    const version = await database.transaction(async (tx) => {
      const before = await lockRules(tx);
      checkIfMatch(context, etagOf(before));
      await put(tx);
      await raiseRulesVersion(tx);
      return before + 1;
    });
    market.forgetRules();
    return { status: 200, headers: { etag: etagOf(version) }, body } as const;
  }

  return {
    create: async ({ body }, context) => {
      const { caller } = context;
      const { currency = currencyDefault, destination = null } = body;
      const customerId = caller.kind === 'anonymous' ? null : caller.id;
      const cartId = ids.next('crt');
      const nowMs = clock.now();
      const cart = await change({ kind: 'create', nowMs, cartId, customerId, currency, destination }, context);
      return { status: 201, headers: { location: `/carts/${cart.id}` }, body: cart };
    },
    get: async ({ params }, context) => {
      const cart = visible(await readCart(database, params.cartId), context.caller);
      return { status: 200, body: await show(cart, context) };
    },
    edit: async ({ params: { cartId }, body }, context) => {
      const { caller, idempotencyKey = '' } = context;
      const claim = { scope: `cart:${cartId}`, key: idempotencyKey, fingerprint: fingerprintOf(body.edits) };
      const seen = body.seen === undefined ? undefined : seenOf(body.seen);
      const command = { kind: 'edit', nowMs: clock.now(), cartId, caller, claim, edits: body.edits, seen } as const;
      return { status: 200, body: await change(command, context) };
    },
    configure: async ({ params: { cartId }, body: settings }, context) => {
      const { caller } = context;
      const command = { kind: 'configure', nowMs: clock.now(), cartId, caller, settings } as const;
      return { status: 200, body: await change(command, context) };
    },
    join: async ({ params: { cartId } }, context) => {
      const { caller } = context;
      const newCartId = ids.next('crt');
      const customerId = caller.id;
      const command = { kind: 'join', nowMs: clock.now(), cartId, caller, customerId, newCartId } as const;
      return { status: 200, body: await change(command, context) };
    },
    checkout: async ({ params, body }, context) => {
      const begun = await checkouts.begin(params.cartId, Number(params.round), body, context);
      // It is saved, and ends by itself: rather say so in time than wait until nobody listens any more.
      const inTime = { ...context, deadlineAtMs: waitUntilMs(context, clock.monotonicMs()) };
      const checkout = await checkouts.drive(begun, inTime);
      const { cartId, round } = checkout;
      const headers = { location: `/carts/${cartId}/checkouts/${round}` };
      return { status: isOpen(checkout) ? 202 : 200, headers, body: checkoutView(checkout) };
    },
    getCheckout: async ({ params }, context) => {
      const { cartId, round } = params;
      const [cart, checkout] = await Promise.all([
        readCart(database, cartId),
        readCheckout(database, businessKeyOf(cartId, Number(round))),
      ]);
      visible(cart, context.caller);
      if (!checkout) throw cartsProblems['not-found']({ detail: `round ${round} has not been checked out` });
      return { status: 200, body: checkoutView(checkout) };
    },
    destinations: async () => ({ status: 200, body: { items: destinationsOf(await market.rules()) } }),
    // Whoever changes them must see them as they are; the market's may be some seconds old.
    rules: async () => ({ status: 200, body: await readRules(database) }),
    putTaxes: async ({ body }, context) => {
      checkTaxes(body);
      return changeRules(context, body, (tx) => putTaxRule(tx, body));
    },
    putTaxClass: ({ body }, context) => changeRules(context, body, (tx) => putTaxClass(tx, body.sku, body.taxClass)),
    putShippingMethod: ({ body }, context) => changeRules(context, body, (tx) => putShippingMethod(tx, body)),
    listPromotions: async ({ query }) => {
      const { limit = pageSizeDefault, cursor } = query;
      const [after = ''] = positionOf(cursor, 'text') ?? [];
      const rows = await listPromotions(database, after, limit + 1);
      return { status: 200, body: pageFrom(rows, limit, ({ code }) => [code], promotionView) };
    },
    getPromotion: async ({ params: { code } }) => {
      const found = (await readPromotions(database, [code])).get(code);
      if (!found) throw cartsProblems['no-promotion']({ detail: code });
      return { status: 200, headers: { etag: etagOf(found.version) }, body: promotionView(found) };
    },
    putPromotion: async ({ params: { code }, body }, context) => {
      checkTimes(body);
      const saved = await database.transaction(async (tx) => {
        checkIfMatch(context, etagOf(await lockPromotion(tx, code, body)));
        return savePromotion(tx, code, body);
      });
      return { status: 200, headers: { etag: etagOf(saved.version) }, body: promotionView(saved) };
    },
  };
}

const etagOf = (version: number): string => `"${version}"`;
const promotionView = ({ code, body, used, version }: PromotionRecord): Promotion => ({
  ...body,
  ...{ code, used, version },
});

function seenText(seen: Seen): string {
  return Buffer.from(JSON.stringify(seen)).toString('base64url');
}

function seenOf(text: string): Seen {
  try {
    const seen: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    if (typeof seen === 'object' && seen !== null && Object.values(seen).every(Number.isInteger)) return seen as Seen;
  } catch {
    // Falls through to the problem.
  }
  throw invalidInput([{ pointer: '/seen', detail: 'is not `seen` of a cart' }]);
}

function checkTaxes({ rates }: TaxRule): void {
  if (!Object.hasOwn(rates, 'standard')) refuse([{ pointer: '/rates', detail: 'needs a rate for standard' }]);
}

function checkTimes({ startsAt, endsAt }: { readonly startsAt?: string; readonly endsAt?: string }): void {
  const times = Object.entries({ startsAt, endsAt }).filter(([, text]) => text !== undefined);
  const wrong = times.filter(([, text]) => instantOf(text as string) === undefined);
  if (wrong.length > 0) refuse(wrong.map(([name]) => ({ pointer: `/${name}`, detail: 'is not an RFC 3339 time' })));
  if (startsAt !== undefined && endsAt !== undefined && Date.parse(endsAt) <= Date.parse(startsAt)) {
    refuse([{ pointer: '/endsAt', detail: 'must be after startsAt' }]);
  }
}

function refuse(errors: ProblemPlace[]): never {
  throw cartsProblems['not-valid']({ detail: `${errors[0]?.pointer} ${errors[0]?.detail}`, errors });
}

/** Countries that a way of shipping names, or any with taxes where one goes everywhere else, with what is known of their taxes. */
function destinationsOf({ taxes, shippingMethods }: Awaited<ReturnType<MarketPlace['rules']>>) {
  const rates = shippingMethods.flatMap((method) => method.rates);
  const named = rates.flatMap(({ countries }) => countries);
  const isEverywhere = rates.some(({ countries }) => countries.length === 0);
  const others = isEverywhere ? taxes.map(({ country }) => country) : [];
  const countries = [...new Set([...named, ...others])].sort();
  return countries.map((country) => {
    const rules = taxes.filter((rule) => rule.country === country);
    const whole = rules.find(({ region }) => region === undefined) ?? rules[0];
    return {
      country,
      regions: rules.flatMap(({ region }) => region ?? []),
      taxIncluded: whole?.included ?? false,
      ...(whole ? { taxName: whole.name } : {}),
    };
  });
}
