import { beforeAll, describe, expect, test, vi } from 'vitest';
import { until } from '#kit/messaging/testing';
import { sweepGuestCarts } from './store.ts';
import { cartsForTest, checkoutBody } from './testing.ts';

type Shop = Awaited<ReturnType<typeof cartsForTest>>;
let shop: Shop;
beforeAll(async () => {
  shop = await cartsForTest();
  const as = 'staff:usr_1';
  const put = (operation: string, body: unknown) => shop.call(operation, { as, body });
  await put('putTaxes', { country: 'DE', name: 'VAT', included: true, rates: { standard: 190_000, books: 70_000 } });
  await put('putTaxes', { country: 'US', name: 'Sales tax', included: false, rates: { standard: 0 } });
  await put('putTaxes', {
    country: 'US',
    region: 'NY',
    name: 'Sales tax',
    included: false,
    rates: { standard: 88_750, shipping: 0 },
  });
  await put('putTaxClass', { sku: 'BOOK', taxClass: 'books' });
  await put('putShippingMethod', {
    id: 'post',
    name: 'Post',
    rates: [
      { countries: ['DE'], amounts: { EUR: 490 }, freeFrom: { EUR: 15_000 } },
      { countries: ['US'], amounts: { EUR: 1_500 } },
    ],
  });
});

const add = (sku: string, quantity = 1) => ({ kind: 'add', sku, quantity });

describe('a cart', () => {
  test('shows its totals with their parts, at the prices, taxes and rates of its destination', async () => {
    const cartId = await shop.newCart(undefined, [add('ROPE'), add('BOOK')]);
    const { body } = await shop.call('get', { params: { cartId } });
    expect(body).toMatchObject({
      round: 1,
      lines: [
        { sku: 'BOOK', quantity: 1, name: 'BOOK', unitPriceMinor: 1_490 },
        { sku: 'ROPE', quantity: 1, unitPriceMinor: 10_000 },
      ],
      shippingOptions: [{ method: 'post', amountMinor: 490 }],
      totals: { subtotalMinor: 11_490, shippingMinor: 490, totalMinor: 11_980, taxAddedMinor: 0 },
      notes: [],
    });
    expect(body.totals.taxes).toMatchObject([
      { ratePpm: 190_000, amountMinor: 1_675 },
      { ratePpm: 70_000, amountMinor: 97 },
    ]);
  });

  test('says what is sold out, what is gone and what a code needs', async () => {
    await shop.promote('BIG', { minimum: { EUR: 100_000 } });
    await shop.promote('OVER', { endsAt: '2020-01-01T00:00:00Z' });
    const cartId = await shop.newCart(undefined, [add('ROPE', 6), add('OLD')]);
    const codes = ['BIG', 'OVER', 'NOSUCH'];
    const { body } = await shop.call('configure', { params: { cartId }, body: { codes } });
    expect(body.notes).toEqual([
      { kind: 'gone', sku: 'OLD' },
      { kind: 'short', sku: 'ROPE', name: 'ROPE', wanted: 6, available: 5 },
      { kind: 'code', code: 'BIG', reason: 'below-minimum', minimumMinor: 100_000 },
      { kind: 'code', code: 'OVER', reason: 'over' },
      { kind: 'code', code: 'NOSUCH', reason: 'unknown' },
    ]);
  });

  test('can be written while catalogue, stock and orders are away, and says how old its prices are', async () => {
    const { neighbours } = shop;
    const cartId = await shop.newCart(undefined, [add('BOOK')]);
    Object.assign(neighbours, { productsUp: false, inventoryUp: false, ordersUp: false });
    const { status, body } = await shop.call('edit', { params: { cartId }, body: { edits: [add('BOOK', 2)] } });
    expect(status).toBe(200);
    expect(body.lines).toMatchObject([{ sku: 'BOOK', quantity: 3, unitPriceMinor: 1_490 }]);
    expect(body.notes).toMatchObject([{ kind: 'old-prices', since: expect.any(String) }]);
    expect(await shop.checkOut(cartId, body.totals.totalMinor)).toMatchObject({
      status: 503,
      body: { code: 'carts/prices-unknown' },
    });
    Object.assign(neighbours, { productsUp: true, inventoryUp: true, ordersUp: true });
  });

  test('adds once what is sent twice, and keeps what two tabs do apart', async () => {
    const cartId = await shop.newCart();
    const edit = (edits: unknown[], more: { key?: string; seen?: string } = {}) => {
      const { key, seen } = more;
      const body = { edits, ...(seen === undefined ? {} : { seen }) };
      return shop.call('edit', { params: { cartId }, body, ...(key === undefined ? {} : { key }) });
    };
    const twins = await Promise.all([1, 2, 3].map(() => edit([add('ROPE')], { key: 'one' })));
    expect(twins.map(({ status }) => status)).toEqual([200, 200, 200]);
    const { body: before } = await edit([add('ROPE')], { key: 'one' });
    expect(before.lines).toMatchObject([{ sku: 'ROPE', quantity: 1 }]);
    await edit([add('ROPE', 2)]);
    const { body } = await edit([{ kind: 'set', sku: 'ROPE', quantity: 1 }], { seen: before.seen });
    expect(body.lines).toMatchObject([{ sku: 'ROPE', quantity: 3 }]);
    expect(await edit([add('BOOK')], { key: 'one' })).toMatchObject({ status: 422 });
  });

  test('loses nothing that fifty edit at once on two instances', async () => {
    const cartId = await shop.newCart();
    const other = shop.another();
    await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        shop.call('edit', {
          params: { cartId },
          body: { edits: [add(i % 3 === 0 ? 'BOOK' : 'ROPE')] },
          ...(i % 2 === 0 ? { on: other } : {}),
        }),
      ),
    );
    const { body } = await shop.call('get', { params: { cartId } });
    expect(body.lines).toMatchObject([
      { sku: 'BOOK', quantity: 17 },
      { sku: 'ROPE', quantity: 33 },
    ]);
  });

  test('of a guest joins the customer’s, once, and is nobody else’s after that', async () => {
    const as = 'customer:usr_joins';
    const own = await shop.newCart(as, [add('BOOK')]);
    expect(await shop.newCart(as)).toBe(own);
    const guest = await shop.newCart(undefined, [add('ROPE', 2)]);
    for (const _ of [1, 2]) {
      const { body } = await shop.call('join', { as, params: { cartId: guest } });
      expect(body).toMatchObject({ id: own, customerId: 'usr_joins', lines: [{ quantity: 1 }, { quantity: 2 }] });
    }
    expect(await shop.call('get', { params: { cartId: own } })).toMatchObject({ status: 404 });
    expect(await shop.call('get', { as: 'customer:usr_other', params: { cartId: own } })).toMatchObject({
      status: 404,
    });
    expect(await shop.call('get', { as: 'staff:usr_1', params: { cartId: own } })).toMatchObject({ status: 200 });
  });

  test('of a guest joins the cart of the first who signs in, and is nothing to whoever signs in with it later', async () => {
    const [first, second] = ['customer:usr_first', 'customer:usr_second'];
    const guest = await shop.newCart(undefined, [add('ROPE', 2)]);
    const { body: own } = await shop.call('join', { as: first, params: { cartId: guest } });
    for (const operation of ['join', 'get']) {
      const refused = await shop.call(operation, { as: second, params: { cartId: guest } });
      expect(refused).toMatchObject({ status: 404, body: { code: 'carts/not-found' } });
    }
    expect(await shop.call('join', { as: 'staff:usr_1', params: { cartId: guest } })).toMatchObject({ status: 404 });
    expect(await shop.call('join', { as: 'staff:usr_1', params: { cartId: own.id } })).toMatchObject({ status: 404 });
    expect((await shop.call('create', { as: second, body: {} })).body.lines).toEqual([]);
    // The tab that still shows it to a guest, and the repeat whose answer was lost.
    expect(await shop.call('get', { params: { cartId: guest } })).toMatchObject({ status: 200 });
    const again = await shop.call('join', { as: first, params: { cartId: guest } });
    expect(again.body).toMatchObject({ id: own.id, lines: [{ sku: 'ROPE', quantity: 2 }] });
  });

  test('of a guest joins one cart only when many sign in with it at once, at any instance', async () => {
    const guest = await shop.newCart(undefined, [add('ROPE', 2)]);
    const other = shop.another();
    const people = Array.from({ length: 8 }, (_, i) => `customer:usr_race_${i}`);
    const replies = await Promise.all(
      people.map((as, i) => shop.call('join', { as, params: { cartId: guest }, on: i % 2 === 0 ? shop : other })),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(404)]);
    const carts = await Promise.all(people.map((as) => shop.call('create', { as, body: {} })));
    expect(carts.filter(({ body }) => body.lines.length > 0)).toHaveLength(1);
  });

  test('makes one cart of a customer who begins in many places at once', async () => {
    const other = shop.another();
    const replies = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        shop.call('create', { as: 'customer:usr_many', body: {}, ...(i % 2 === 0 ? { on: other } : {}) }),
      ),
    );
    expect(new Set(replies.map(({ body }) => body.id)).size).toBe(1);
  });

  test('of a guest is forgotten a quarter of a year after its last change, a customer’s never', async () => {
    const [guest, own] = [await shop.newCart(), await shop.newCart('customer:usr_old')];
    const age = `update cart set updated_at = now() - interval '91 days' where id = any ($1::text[])`;
    await shop.database.query(age, [[guest, own]]);
    await sweepGuestCarts(shop.database, 90 * 86_400_000);
    expect(await shop.call('get', { params: { cartId: guest } })).toMatchObject({ status: 404 });
    expect(await shop.call('get', { as: 'customer:usr_old', params: { cartId: own } })).toMatchObject({ status: 200 });
  });

  test('holds 200 SKUs and a million of each', async () => {
    const cartId = await shop.newCart();
    const edits = Array.from({ length: 200 }, (_, i) => add(`SKU-${i}`));
    expect(await shop.call('edit', { params: { cartId }, body: { edits } })).toMatchObject({ status: 200 });
    const one = { edits: [add('ONE-MORE')] };
    expect(await shop.call('edit', { params: { cartId }, body: one, key: 'more' })).toMatchObject({ status: 409 });
    const remove = { edits: [{ kind: 'remove', sku: 'SKU-0' }] };
    await shop.call('edit', { params: { cartId }, body: remove });
    // The key of what was refused may be used again.
    expect(await shop.call('edit', { params: { cartId }, body: one, key: 'more' })).toMatchObject({ status: 200 });
  });
});

describe('a checkout', () => {
  test('places exactly the total that was shown, and a repeat is the same order', async () => {
    await shop.promote('KNOT10');
    const cartId = await shop.newCart(undefined, [add('ROPE'), add('BOOK')]);
    const { body: cart } = await shop.call('configure', { params: { cartId }, body: { codes: ['KNOT10'] } });
    const { totalMinor } = cart.totals;
    const replies = await Promise.all([1, 2, 3].map(() => shop.checkOut(cartId, totalMinor)));
    const first = replies[0]?.body;
    expect(first).toMatchObject({ state: 'confirmed', businessKey: `${cartId}.1`, totals: { totalMinor } });
    expect(new Set(replies.map(({ body }) => body.orderId)).size).toBe(1);
    expect(shop.neighbours.placed.get(`${cartId}.1`)?.totalMinor).toBe(totalMinor);
    expect((await shop.checkOut(cartId, totalMinor)).body.orderId).toBe(first.orderId);
    const { body: after } = await shop.call('get', { params: { cartId } });
    expect(after).toMatchObject({ round: 2, lines: [], codes: [] });
    expect((await shop.call('getCheckout', { params: { cartId, round: '1' } })).body).toEqual(first);
    const other = { email: 'eve@example.org' };
    expect(await shop.checkOut(cartId, totalMinor, other)).toMatchObject({ status: 422 });
    expect(await shop.checkOut(cartId, 0, { round: 7 })).toMatchObject({
      body: { code: 'carts/other-round', round: 2 },
    });
    expect(await shop.checkOut(cartId, 0, { round: 2 })).toMatchObject({ body: { code: 'carts/empty' } });
  });

  test('is refused with an account of what changed: prices, what is gone, what is left, the total', async () => {
    const { prices, stock } = shop.neighbours;
    prices.set('TARP', 5_000).set('KNIFE', 4_500).set('GLOVE', 3_000);
    stock.set('TARP', 9).set('KNIFE', 9).set('GLOVE', 9);
    const cartId = await shop.newCart(undefined, [add('TARP'), add('KNIFE'), add('GLOVE', 3)]);
    const { body: cart } = await shop.call('get', { params: { cartId } });
    const seen = {
      totalMinor: cart.totals.totalMinor,
      lines: cart.totals.lines.map(({ sku, quantity, unitPriceMinor }: Record<string, unknown>) => ({
        sku,
        quantity,
        unitPriceMinor,
      })),
    };
    prices.set('TARP', 5_500).delete('KNIFE');
    stock.set('GLOVE', 2);
    const refused = await shop.checkOut(cartId, 0, { seen });
    expect(refused.status).toBe(409);
    expect(refused.body.changes).toEqual([
      { kind: 'short', sku: 'GLOVE', name: 'GLOVE', wanted: 3, available: 2 },
      { kind: 'gone', sku: 'KNIFE' },
      { kind: 'price', sku: 'TARP', name: 'TARP', fromMinor: 5_000, toMinor: 5_500 },
      { kind: 'total', fromMinor: seen.totalMinor, toMinor: 14_990 },
    ]);
    stock.set('GLOVE', 3);
    expect(await shop.checkOut(cartId, 14_990)).toMatchObject({ status: 200, body: { state: 'confirmed' } });
  });

  test('to a region with taxes of its own adds them as a line of the order', async () => {
    const cartId = await shop.newCart(undefined, [add('ROPE')]);
    const shippingAddress = { ...checkoutBody.shippingAddress, country: 'US', region: 'us-ny' };
    const reply = await shop.checkOut(cartId, 12_388, { shippingAddress });
    expect(reply.body).toMatchObject({ state: 'confirmed', totals: { taxAddedMinor: 888, shippingMinor: 1_500 } });
    expect(shop.neighbours.requests.at(-1)?.lines.map(({ kind, totalMinor }) => [kind, totalMinor])).toEqual([
      ['goods', 10_000],
      ['shipping', 1_500],
      ['tax', 888],
    ]);
    const nowhere = await shop.newCart(undefined, [add('ROPE')]);
    const elsewhere = { ...checkoutBody.shippingAddress, country: 'NZ' };
    expect((await shop.checkOut(nowhere, 10_000, { shippingAddress: elsewhere })).body.changes).toEqual([
      { kind: 'no-shipping', country: 'NZ' },
    ]);
  });

  test('that is declined leaves the goods in the cart, gives the code back and opens the next round', async () => {
    await shop.promote('ONCE', { perCustomerMax: 1 });
    const cartId = await shop.newCart(undefined, [add('BOOK')]);
    const { body } = await shop.call('configure', { params: { cartId }, body: { codes: ['ONCE'] } });
    const { totalMinor } = body.totals;
    shop.neighbours.decide = () => 'refused';
    const declined = await shop.checkOut(cartId, totalMinor, { email: 'once@example.org' });
    expect(declined).toMatchObject({ status: 200, body: { state: 'refused', reason: { code: 'payments/declined' } } });
    shop.neighbours.decide = () => 'confirmed';
    const { body: cart } = await shop.call('get', { params: { cartId } });
    expect(cart).toMatchObject({ round: 2, lines: [{ sku: 'BOOK' }], codes: ['ONCE'] });
    const again = await shop.checkOut(cartId, totalMinor, { email: 'once@example.org', round: 2 });
    expect(again.body.state).toBe('confirmed');
  });

  test('keeps what is added while it is under way', async () => {
    const cartId = await shop.newCart(undefined, [add('BOOK')]);
    shop.neighbours.decide = () => 'received';
    const waiting = await shop.checkOut(cartId, 1_980);
    expect(waiting).toMatchObject({ status: 202, body: { state: 'placed', orderState: 'received' } });
    const { body } = await shop.call('edit', { params: { cartId }, body: { edits: [add('BOOK', 2)] } });
    expect(body).toMatchObject({
      lines: [{ quantity: 2 }],
      totals: { subtotalMinor: 2_980 },
      checkout: { state: 'placed' },
    });
    shop.neighbours.decide = () => 'confirmed';
    await shop.checkOut(cartId, 1_980);
    const { body: after } = await shop.call('get', { params: { cartId } });
    expect(after).toMatchObject({ round: 2, lines: [{ sku: 'BOOK', quantity: 2 }] });
  });

  test('under way takes what it orders out of sight and out of reach, and gives it back where it is refused', async () => {
    const cartId = await shop.newCart(undefined, [add('BOOK')]);
    const { neighbours } = shop;
    const { decide } = neighbours;
    neighbours.decide = () => 'received';
    await shop.checkOut(cartId, 1_980);
    const { body: emptied } = await shop.call('get', { params: { cartId } });
    expect(emptied).toMatchObject({ lines: [], notes: [], checkout: { state: 'placed' } });
    expect(emptied.totals).toBeUndefined();
    const edit = (kind: string, quantity?: number) =>
      shop.call('edit', { params: { cartId }, body: { edits: [{ kind, sku: 'BOOK', quantity }], seen: emptied.seen } });
    expect((await edit('set', 5)).body.lines).toMatchObject([{ quantity: 5 }]);
    const { body: shown } = await shop.call('get', { params: { cartId } });
    const removal = { edits: [{ kind: 'remove', sku: 'BOOK' }], seen: shown.seen };
    expect((await shop.call('edit', { params: { cartId }, body: removal })).body.lines).toEqual([]);
    neighbours.decide = () => 'refused';
    expect(await shop.checkOut(cartId, 1_980)).toMatchObject({ status: 200, body: { state: 'refused' } });
    neighbours.decide = decide;
    const { body: back } = await shop.call('get', { params: { cartId } });
    expect(back).toMatchObject({ round: 2, lines: [{ sku: 'BOOK', quantity: 1 }] });
    expect(back.checkout).toBeUndefined();
  });

  test('of a guest who signed in meanwhile takes what was ordered out of both carts', async () => {
    const cartId = await shop.newCart(undefined, [add('BOOK')]);
    shop.neighbours.ordersUp = false;
    expect(await shop.checkOut(cartId, 1_980)).toMatchObject({ status: 202, body: { state: 'saved' } });
    const as = 'customer:usr_late';
    const { body: own } = await shop.call('join', { as, params: { cartId } });
    expect(own.lines).toMatchObject([{ sku: 'BOOK', quantity: 1 }]);
    shop.neighbours.ordersUp = true;
    expect(await shop.checkOut(cartId, 1_980)).toMatchObject({ status: 200, body: { state: 'confirmed' } });
    expect((await shop.call('get', { as, params: { cartId: own.id } })).body.lines).toEqual([]);
  });

  test('of a customer takes what was ordered out of the guest’s cart that it came from, too', async () => {
    const cartId = await shop.newCart(undefined, [add('BOOK')]);
    const as = 'customer:usr_came';
    const { body: own } = await shop.call('join', { as, params: { cartId } });
    await shop.call('edit', { params: { cartId }, body: { edits: [add('ROPE')] } });
    expect(await shop.checkOut(own.id, 1_980, { as })).toMatchObject({ status: 200, body: { state: 'confirmed' } });
    // What came later is not ordered.
    expect((await shop.call('get', { params: { cartId } })).body.lines).toMatchObject([{ sku: 'ROPE', quantity: 1 }]);
  });

  test('of a guest who signs in just as it ends takes what was ordered out of both carts, too', async () => {
    const cartId = await shop.newCart(undefined, [add('BOOK')]);
    shop.neighbours.ordersUp = false;
    await shop.checkOut(cartId, 1_980);
    shop.neighbours.ordersUp = true;
    const as = 'customer:usr_just_now';
    const on = shop.another();
    const transaction = shop.database.transaction.bind(shop.database);
    const settling = vi.spyOn(shop.database, 'transaction').mockImplementationOnce(async (...work) => {
      await shop.call('join', { as, on, params: { cartId } });
      return transaction(...work);
    });
    expect(await shop.checkOut(cartId, 1_980)).toMatchObject({ status: 200, body: { state: 'confirmed' } });
    settling.mockRestore();
    const { body: own } = await shop.call('create', { as, body: {} });
    expect(own.lines).toEqual([]);
  });

  test('of what a guest is buying already waits until that has ended, after signing in', async () => {
    const { neighbours } = shop;
    const as = 'customer:usr_twice';
    const cartId = await shop.newCart(undefined, [add('BOOK')]);
    neighbours.decide = () => 'received';
    await shop.checkOut(cartId, 1_980);
    const { body: own } = await shop.call('join', { as, params: { cartId } });
    const count = neighbours.requests.length;
    expect(await shop.checkOut(own.id, 1_980, { as })).toMatchObject({
      status: 409,
      body: { code: 'carts/under-way', cartId, round: 1, retry: { afterMs: expect.any(Number) } },
    });
    await shop.call('edit', { as, params: { cartId: own.id }, body: { edits: [add('ROPE')] } });
    neighbours.decide = () => 'confirmed';
    // The other has ended meanwhile, and this one learns so: what is left is not what was on the screen.
    expect(await shop.checkOut(own.id, 11_980, { as })).toMatchObject({ status: 409, body: { code: 'carts/changed' } });
    expect(await shop.checkOut(own.id, 10_490, { as })).toMatchObject({ status: 200, body: { state: 'confirmed' } });
    expect(neighbours.requests.slice(count).map(({ lines }) => lines.map(({ sku }) => sku))).toEqual([
      ['ROPE', undefined],
    ]);
  });

  test('that a guest’s cart has joined keeps the guest from buying the same in another tab; refused, it leaves all of it there', async () => {
    const { neighbours } = shop;
    const as = 'customer:usr_tabs';
    const cartId = await shop.newCart(undefined, [add('BOOK')]);
    const { body: own } = await shop.call('join', { as, params: { cartId } });
    neighbours.ordersUp = false;
    const both = await Promise.all([
      shop.checkOut(own.id, 1_980, { as }),
      shop.checkOut(cartId, 1_980, { on: shop.another() }),
    ]);
    expect(both.map(({ body }) => body.state ?? body.code).sort()).toEqual(['carts/under-way', 'saved']);
    neighbours.ordersUp = true;
    neighbours.decide = () => 'refused';
    await Promise.all([shop.checkOut(own.id, 1_980, { as }), shop.checkOut(cartId, 1_980)]);
    neighbours.decide = () => 'confirmed';
    for (const one of [own.id, cartId]) {
      const { body } = await shop.call('get', { as, params: { cartId: one } });
      expect(body.lines).toMatchObject([{ sku: 'BOOK', quantity: 1 }]);
    }
  });

  test('is saved while orders is away, and ends by itself as one order, lost replies and repeats notwithstanding', async () => {
    const cartId = await shop.newCart(undefined, [add('BOOK')]);
    Object.assign(shop.neighbours, { ordersUp: false, loseReplies: true });
    expect(await shop.checkOut(cartId, 1_980)).toMatchObject({ status: 202, body: { state: 'saved' } });
    await shop.component.start?.();
    shop.neighbours.ordersUp = true;
    await until(() => shop.neighbours.placed.has(`${cartId}.1`));
    const state = async () => (await shop.call('getCheckout', { params: { cartId, round: '1' } })).body.state;
    expect(await state()).toBe('saved');
    shop.neighbours.loseReplies = false;
    await until(async () => (await state()) === 'confirmed');
    await shop.component.stop?.();
    expect([...shop.neighbours.placed.keys()].filter((key) => key.startsWith(cartId))).toHaveLength(1);
  });

  test('whose key is an order already with another text is that order, not a refusal', async () => {
    const cartId = await shop.newCart(undefined, [add('BOOK')]);
    shop.neighbours.loseReplies = true;
    await shop.checkOut(cartId, 1_980);
    shop.neighbours.loseReplies = false;
    const order = shop.neighbours.placed.get(`${cartId}.1`);
    await shop.database.query(
      `update checkout set request = jsonb_set(request::jsonb, '{email}', '"ADA@example.org"')::json where cart_id = $1`,
      [cartId],
    );
    expect((await shop.checkOut(cartId, 1_980)).body).toMatchObject({ state: 'confirmed', orderId: order?.id });
  });

  test('that is older than orders remembers keys is looked for before it is placed', async () => {
    const cartId = await shop.newCart(undefined, [add('BOOK')]);
    shop.neighbours.loseReplies = true;
    await shop.checkOut(cartId, 1_980);
    shop.neighbours.loseReplies = false;
    const count = shop.neighbours.requests.length;
    const order = shop.neighbours.placed.get(`${cartId}.1`);
    shop.advance(49 * 3_600_000);
    expect((await shop.checkOut(cartId, 1_980)).body).toMatchObject({ state: 'confirmed', orderId: order?.id });
    expect(shop.neighbours.requests).toHaveLength(count);
    shop.advance(-49 * 3_600_000);
  });
});

describe('a promotion', () => {
  test('with a limit is used exactly so often by one customer, however many carts check out at once', async () => {
    await shop.promote('TWICE', { perCustomerMax: 2 });
    const other = shop.another();
    const carts = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const cartId = await shop.newCart(undefined, [add('BOOK')]);
        await shop.call('configure', { params: { cartId }, body: { codes: ['TWICE'] } });
        return cartId;
      }),
    );
    const replies = await Promise.all(
      carts.map((cartId, i) =>
        shop.checkOut(cartId, 1_831, {
          email: i % 2 === 0 ? 'two@example.org' : 'TWO@example.org',
          ...(i % 3 === 0 ? { on: other } : {}),
        }),
      ),
    );
    const codes = replies.map(({ body }) => body.state ?? body.code).sort();
    expect(codes).toEqual([...Array(6).fill('carts/used-up'), 'confirmed', 'confirmed']);
    const { body } = await shop.call('listPromotions', { as: 'staff:usr_1' });
    expect(body.items.find(({ code }: { code: string }) => code === 'TWICE').used).toBe(2);
  });

  test('with a limit for everyone is used exactly so often', async () => {
    await shop.promote('FIRST3', { ordersMax: 3 });
    const replies = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        const cartId = await shop.newCart(undefined, [add('BOOK')]);
        await shop.call('configure', { params: { cartId }, body: { codes: ['FIRST3'] } });
        return shop.checkOut(cartId, 1_831, { email: `someone-${i}@example.org` });
      }),
    );
    expect(replies.filter(({ body }) => body.state === 'confirmed')).toHaveLength(3);
  });

  test('that contradicts itself is refused', async () => {
    const offer = { kind: 'percentage', ratePpm: 1 };
    const times = { startsAt: '2030-01-02T00:00:00Z', endsAt: '2030-01-01T00:00:00Z' };
    const put = (body: unknown) =>
      shop.call('putPromotion', {
        as: 'staff:usr_1',
        params: { code: 'ODD' },
        body: { name: 'Odd', offer, ...(body as object) },
      });
    expect(await put(times)).toMatchObject({ status: 422, body: { code: 'carts/not-valid' } });
    expect(await put({ endsAt: 'tomorrow' })).toMatchObject({ status: 422 });
  });

  test('is changed under the version that was read, and made by one of two who make it', async () => {
    const body = { name: 'Spring', offer: { kind: 'percentage', ratePpm: 50_000 } };
    const put = (ifMatch: string, more: object = {}) =>
      shop.call('putPromotion', { as: 'staff:usr_1', params: { code: 'SPRING' }, body: { ...body, ...more }, ifMatch });
    const made = await Promise.all([put('"0"', { name: 'One' }), put('"0"', { name: 'Two' })]);
    expect(made.map(({ status }) => status).sort()).toEqual([200, 412]);
    const [first] = made.filter(({ status }) => status === 200);
    expect(first).toMatchObject({ headers: { etag: '"1"' }, body: { version: 1, used: 0 } });
    expect(await put('"1"', { active: false })).toMatchObject({ status: 200, body: { version: 2, active: false } });
    expect(await put('"1"')).toMatchObject({ status: 412, body: { code: 'contract/precondition-failed' } });
    const get = (code: string) => shop.call('getPromotion', { as: 'staff:usr_1', params: { code } });
    expect(await get('SPRING')).toMatchObject({ headers: { etag: '"2"' }, body: { code: 'SPRING', active: false } });
    expect((await get('NONE')).body.code).toBe('carts/no-promotion');
  });
});

test('rules of prices are changed under the version of all of them, so that nobody overwrites another', async () => {
  const as = 'staff:usr_1';
  const { body: rules } = await shop.call('rules', { as });
  const rule = { country: 'SE', name: 'Moms', included: true, rates: { standard: 250_000 } };
  const etag = `"${rules.version}"`;
  const both = await Promise.all([
    shop.call('putTaxes', { as, body: rule, ifMatch: etag }),
    shop.call('putTaxClass', { as, body: { sku: 'MAP', taxClass: 'books' }, ifMatch: etag }),
  ]);
  expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
  expect((await shop.call('rules', { as })).body.version).toBe(rules.version + 1);
});

test('nothing can be sent to where taxes are known and no way of shipping goes', async () => {
  const as = 'staff:usr_1';
  const isServed = async (country: string) =>
    (await shop.call('destinations', {})).body.items.some((one: { country: string }) => one.country === country);
  const rates = { standard: 100_000 };
  await shop.call('putTaxes', { as, body: { country: 'JP', name: 'Tax', included: true, rates } });
  expect(await isServed('JP')).toBe(false);
  const body = { id: 'sea', name: 'By sea', rates: [{ countries: [], amounts: { GBP: 900 } }] };
  await shop.call('putShippingMethod', { as, body });
  expect(await isServed('JP')).toBe(true);
});
