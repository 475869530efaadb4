import type { Cart, Checkout } from '#contracts/carts';
import type { Caller } from '#kit/contract';
import type { Timers } from '#kit/runtime';
import { type AskAs, add, twice, type Units } from './errand.ts';
import { type Call, guest } from './people.ts';
import type { Errand } from './plan.ts';

/** What people know for sure of their cart. */
export interface CartStory {
  readonly customer: string;
  /** Additions that were acknowledged before the cart was looked at for the last time. */
  readonly added: Units;
}

export interface ShoppingErrandOptions {
  readonly ask: AskAs;
  readonly timers: Timers;
  readonly book: CartStory[];
  /** Who somebody is to the shop. */
  readonly knownAs: (caller: Caller) => Promise<Caller>;
  readonly productOf: (sku: string) => Promise<string | undefined>;
}

const checkoutsMax = 5;
const looksMax = 40;
const lookEveryMs = 1_000;

const shippingAddress = { name: 'Ada', line1: 'Street 1', city: 'Town', country: 'DE' };

/** Two carts are filled at once, on two devices; the guest signs in, the carts join, and what the screen shows is paid for. */
export function createShoppingErrand({ ask, timers, book, knownAs, productOf }: ShoppingErrandOptions) {
  async function goShopping(errand: Extract<Errand, { kind: 'shopping' }>): Promise<void> {
    const { id, customer, adds, joinTwins, method } = errand;
    const me: Caller = { kind: 'customer', id: customer };
    for (const { sku } of adds) await productOf(sku);
    const make: Call['send'] = ({ carts }, context) => carts.create({ body: {} }, context);
    const [first, own] = [await ask<Cart>(errand, 'cart', guest, make), await ask<Cart>(errand, 'cart', me, make)];
    if (!first || !own) return;
    const story: CartStory = { customer: (await knownAs(me)).id, added: new Map() };
    const fill = (device: 'guest' | 'own') =>
      Promise.all(
        adds.map(async ({ waitMs, sku, quantity, twins, ...one }, i) => {
          if (one.device !== device) return;
          await timers.sleep(waitMs);
          const [cartId, caller] = device === 'guest' ? [first.id, guest] : [own.id, me];
          const body = { edits: [{ kind: 'add', sku, quantity }] } as const;
          const send: Call['send'] = ({ carts }, context) =>
            carts.edit({ key: `add-${id}-${i}`, params: { cartId }, body: { edits: [...body.edits] } }, context);
          if (await twice(twins, () => ask(errand, 'cart.add', caller, send))) add(story.added, { sku, quantity });
        }),
      );
    // The other device goes on while the guest signs in.
    const others = fill('own');
    await fill('guest');
    const join: Call['send'] = ({ carts }, context) => carts.join({ params: { cartId: first.id } }, context);
    await Promise.all([others, twice(joinTwins, () => ask(errand, 'cart.join', me, join))]);
    book.push(story);
    if (method !== undefined) await checkOut(errand, me, own.id, method);
  }

  /** Pays for what the screen shows; when that has changed, looks again. */
  async function checkOut(errand: Errand, me: Caller, cartId: string, method: string): Promise<void> {
    for (let attempt = 0; attempt < checkoutsMax; attempt++) {
      const cart = await ask<Cart>(errand, 'cart.get', me, ({ carts }, context) =>
        carts.get({ params: { cartId } }, context),
      );
      if (!cart?.totals) return;
      const params = { cartId, round: String(cart.round) };
      const body = {
        email: `${me.id}@example.com`,
        shippingAddress,
        payment: { method },
        seen: { totalMinor: cart.totals.totalMinor },
      };
      const begun = await ask<Checkout>(errand, 'cart.checkout', me, ({ carts }, context) =>
        carts.checkout({ params, body }, context),
      );
      if (begun) return lookUntilDecided(errand, me, params);
    }
  }

  async function lookUntilDecided(
    errand: Errand,
    me: Caller,
    params: { cartId: string; round: string },
  ): Promise<void> {
    const send: Call['send'] = ({ carts }, context) => carts.getCheckout({ params }, context);
    for (let i = 0; i < looksMax; i++) {
      const checkout = await ask<Checkout>(errand, 'cart.look', me, send);
      if (checkout && ['confirmed', 'refused'].includes(checkout.state)) return;
      await timers.sleep(lookEveryMs);
    }
  }

  return goShopping;
}
