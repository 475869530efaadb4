import Type, { type Static } from 'typebox';
import { defineService, problemTable } from '#kit/contract';
import {
  Address,
  CountryCode,
  Currency,
  closed,
  Email,
  pageOf,
  pageQuery,
  Quantity,
  Sku,
  Timestamp,
} from './common.ts';
import { OrderState, PaymentMethod, Reason } from './orders.ts';
import { RatePpm, Totals } from './totals.ts';

export const CartId = Type.String({ pattern: '^crt_[0-9A-Z]{26}$' });

const Region = Type.String({
  minLength: 1,
  maxLength: 3,
  pattern: '^[A-Z0-9]+$',
  description: 'ISO 3166-2 after the dash: CA',
});

/** Where it goes: decides taxes and ways of shipping. */
const Destination = closed({ country: CountryCode, region: Type.Optional(Region) });
export type Destination = Static<typeof Destination>;

const Code = Type.String({ minLength: 3, maxLength: 40, pattern: '^[A-Z0-9][A-Z0-9-]*$', description: 'Upper case' });
const MethodId = Type.String({ minLength: 1, maxLength: 40, pattern: '^[a-z0-9-]+$' });
const TaxClass = Type.String({ minLength: 1, maxLength: 40, pattern: '^[a-z0-9-]+$' });
const PriceMinor = Type.Integer({ minimum: 0, maximum: 1_000_000_000_000, description: 'Minor units' });
const Name = Type.String({ minLength: 1, maxLength: 100 });

/**
 * One thing that the shopper should know before paying. A checkout is refused with the list of them when what it would
 * place is not what the shopper saw.
 */
export const CartNote = Type.Union([
  closed({ kind: Type.Literal('price'), sku: Sku, name: Type.String(), fromMinor: PriceMinor, toMinor: PriceMinor }),
  closed(
    { kind: Type.Literal('gone'), sku: Sku, name: Type.Optional(Type.String()) },
    { description: 'Not sold any more, or not in this currency' },
  ),
  closed({ kind: Type.Literal('short'), sku: Sku, name: Type.String(), wanted: Quantity, available: Type.Integer() }),
  closed({
    kind: Type.Literal('code'),
    code: Code,
    reason: Type.Union([
      Type.Literal('unknown'),
      Type.Literal('not-yet'),
      Type.Literal('over'),
      Type.Literal('other-currency'),
      Type.Literal('below-minimum'),
      Type.Literal('used-up'),
    ]),
    minimumMinor: Type.Optional(PriceMinor),
  }),
  closed({ kind: Type.Literal('no-shipping'), country: CountryCode }, { description: 'No way of shipping goes there' }),
  closed(
    { kind: Type.Literal('total'), fromMinor: Type.Integer(), toMinor: Type.Integer() },
    { description: 'The total that the shopper saw, and what it is now' },
  ),
  closed(
    { kind: Type.Literal('old-prices'), since: Type.Optional(Timestamp) },
    { description: 'The catalogue can not be asked just now: prices are the last known, or missing' },
  ),
]);
export type CartNote = Static<typeof CartNote>;

const CartLine = closed({
  sku: Sku,
  quantity: Quantity,
  name: Type.Optional(Type.String({ description: 'Absent while nobody knows it' })),
  unitPriceMinor: Type.Optional(PriceMinor),
  totalMinor: Type.Optional(Type.Integer({ description: 'Before discounts' })),
});
export type CartLine = Static<typeof CartLine>;

const ShippingOption = closed({ method: MethodId, name: Name, amountMinor: PriceMinor, days: Type.Optional(Name) });
export type ShippingOption = Static<typeof ShippingOption>;

export const CheckoutState = Type.Union([
  Type.Literal('saved', { description: 'Durable here; it will be placed by itself as soon as orders can be reached' }),
  Type.Literal('placed', { description: 'orders has it: see orderId' }),
  Type.Literal('confirmed'),
  Type.Literal('refused', { description: 'Nothing is charged; the goods are in the cart still. See reason' }),
]);
export type CheckoutState = Static<typeof CheckoutState>;

export const Checkout = closed({
  cartId: CartId,
  round: Type.Integer({ minimum: 1 }),
  businessKey: Type.String({ description: 'Under which the order is placed: one cart, one round, one order' }),
  state: CheckoutState,
  orderId: Type.Optional(Type.String()),
  orderState: Type.Optional(OrderState),
  reason: Type.Optional(Reason),
  totals: Totals,
  startedAt: Timestamp,
});
export type Checkout = Static<typeof Checkout>;

/** `totals` are of the lines that can be bought, and absent when there are none; `checkout` is there while one is under way. */
export const Cart = closed({
  id: CartId,
  customerId: Type.Optional(Type.String()),
  seen: Type.String({ maxLength: 4_000, description: 'What this view has seen: send it with edits. Opaque' }),
  round: Type.Integer({ minimum: 1, description: 'Number of the next checkout; grows when one has ended' }),
  currency: Currency,
  destination: Type.Optional(Destination),
  shippingMethod: Type.Optional(MethodId),
  codes: Type.Array(Code),
  lines: Type.Array(CartLine, { description: 'By SKU, without what the checkout that is under way has ordered' }),
  totals: Type.Optional(Totals),
  shippingOptions: Type.Array(ShippingOption, { description: 'To the destination, at what they cost for this cart' }),
  notes: Type.Array(CartNote),
  checkout: Type.Optional(Checkout),
  updatedAt: Timestamp,
});
export type Cart = Static<typeof Cart>;

export const CartEdit = Type.Union([
  closed({ kind: Type.Literal('add'), sku: Sku, quantity: Quantity }, { description: 'So many more' }),
  closed(
    { kind: Type.Literal('set'), sku: Sku, quantity: Quantity },
    { description: 'In place of what was seen. What others added meanwhile comes on top' },
  ),
  closed({ kind: Type.Literal('remove'), sku: Sku }, { description: 'What was seen. What others added stays' }),
]);
export type CartEdit = Static<typeof CartEdit>;

/** Everything but `currency` may be taken away with null. */
const CartSettings = closed({
  currency: Type.Optional(Currency),
  destination: Type.Optional(Type.Union([Destination, Type.Null()])),
  shippingMethod: Type.Optional(Type.Union([MethodId, Type.Null()])),
  codes: Type.Optional(Type.Array(Code, { maxItems: 5 })),
});
export type CartSettings = Static<typeof CartSettings>;

const CheckoutInput = closed({
  email: Email,
  shippingAddress: Address,
  shippingMethod: Type.Optional(MethodId),
  payment: closed({ method: PaymentMethod }),
  seen: closed(
    {
      totalMinor: Type.Integer(),
      lines: Type.Optional(
        Type.Array(closed({ sku: Sku, quantity: Quantity, unitPriceMinor: PriceMinor }), { maxItems: 200 }),
      ),
    },
    { description: 'What the shopper had on the screen: nothing else is placed. With lines the account names each' },
  ),
});
export type CheckoutInput = Static<typeof CheckoutInput>;

const amounts = Type.Record(Type.String({ pattern: '^[A-Z]{3}$' }), PriceMinor, {
  maxProperties: 30,
  additionalProperties: false,
  description: 'By currency',
});

const promotionFields = {
  name: Name,
  offer: Type.Union([
    closed({ kind: Type.Literal('percentage'), ratePpm: RatePpm }),
    closed({ kind: Type.Literal('amount'), amounts }),
  ]),
  minimum: Type.Optional(amounts),
  skus: Type.Optional(Type.Array(Sku, { minItems: 1, maxItems: 1000, description: 'Only on these. Default: all' })),
  perCustomerMax: Type.Optional(Type.Integer({ minimum: 1, description: 'Orders of one customer. Default: no limit' })),
  ordersMax: Type.Optional(Type.Integer({ minimum: 1, description: 'Orders of everyone. Default: no limit' })),
  startsAt: Type.Optional(Timestamp),
  endsAt: Type.Optional(Timestamp),
  active: Type.Optional(Type.Boolean({ description: 'Default true' })),
};
export const PromotionInput = closed(promotionFields);
export type PromotionInput = Static<typeof PromotionInput>;
export const Promotion = closed({
  code: Code,
  ...promotionFields,
  used: Type.Integer({ minimum: 0, description: 'Orders that have it, or are being placed with it' }),
  version: Type.Integer({ minimum: 1, description: 'The ETag is this number in quotes' }),
});
export type Promotion = Static<typeof Promotion>;

/** Taxes of a country, or of one of its regions where it has some of its own. */
export const TaxRule = closed({
  country: CountryCode,
  region: Type.Optional(Region),
  name: Type.String({ minLength: 1, maxLength: 60, description: 'VAT, sales tax …' }),
  included: Type.Boolean({ description: 'true: prices contain it; false: it comes on top' }),
  rates: Type.Record(TaxClass, RatePpm, {
    maxProperties: 20,
    additionalProperties: false,
    description: 'By tax class. `standard` serves every class without a rate of its own',
  }),
});
export type TaxRule = Static<typeof TaxRule>;

const ShippingMethod = closed({
  id: MethodId,
  name: Name,
  days: Type.Optional(Type.String({ minLength: 1, maxLength: 100, description: 'As shown: 2–4 days' })),
  rates: Type.Array(
    closed({
      countries: Type.Array(CountryCode, { maxItems: 250, description: 'Empty: everywhere else' }),
      amounts,
      freeFrom: Type.Optional(amounts),
    }),
    { maxItems: 50, description: 'The first that names the country counts' },
  ),
});
export type ShippingMethod = Static<typeof ShippingMethod>;

const TaxClassOfSku = closed({ sku: Sku, taxClass: TaxClass });

export const PricingRules = closed({
  version: Type.Optional(
    Type.Integer({
      minimum: 0,
      description:
        'Of all of them together: the ETag of a change is this number in quotes. Old copies at tills lack it',
    }),
  ),
  taxes: Type.Array(TaxRule),
  taxClasses: Type.Array(TaxClassOfSku, { description: 'SKUs that are not `standard`' }),
  shippingMethods: Type.Array(ShippingMethod),
});
export type PricingRules = Static<typeof PricingRules>;

export const cartsProblems = problemTable('carts', {
  'not-found': {
    status: 404,
    title: 'There is no such cart or checkout',
    category: 'input',
    retry: 'never',
    hint: 'Check the id; the cart of a customer is shown to that customer only. POST /carts makes a new one.',
  },
  'no-promotion': {
    status: 404,
    title: 'There is no such promotion',
    category: 'input',
    retry: 'never',
    hint: 'GET /promotions lists them; codes are in upper case.',
  },
  changed: {
    status: 409,
    title: 'The cart is not what the shopper saw',
    category: 'conflict',
    retry: 'never',
    hint: 'Show the changes to the shopper and check out again with the new total in seen.totalMinor.',
  },
  empty: {
    status: 409,
    title: 'There is nothing to buy in the cart',
    category: 'conflict',
    retry: 'never',
    hint: 'Add something that is sold in this currency.',
  },
  full: {
    status: 409,
    title: 'The cart can not hold so much',
    category: 'conflict',
    retry: 'never',
    hint: 'A cart holds up to 200 SKUs and up to 1,000,000 of each: check out, or remove something first.',
  },
  'other-round': {
    status: 409,
    title: 'This is not the number of the next checkout',
    category: 'conflict',
    retry: 'never',
    hint: 'Read the cart: round is the number of its next checkout.',
  },
  'under-way': {
    status: 409,
    title: 'Some of this is being bought already',
    category: 'conflict',
    retry: { afterMs: 2_000 },
    hint: 'A checkout of the cart that joined this one has not ended. Check out again after Retry-After: what it buys leaves this cart. Or take those items out.',
  },
  'used-up': {
    status: 409,
    title: 'A code has been used as often as it may',
    category: 'conflict',
    retry: 'never',
    hint: 'Take the code out of the cart (codes) and check out at the new total.',
  },
  'prices-unknown': {
    status: 503,
    title: 'Prices can not be checked just now',
    category: 'unavailable',
    retry: { afterMs: 2_000 },
    fault: 'elsewhere',
    hint: 'Nothing was placed; the cart is safe. Check out again after Retry-After.',
  },
  'not-valid': {
    status: 422,
    title: 'The rule contradicts itself',
    category: 'input',
    retry: 'never',
    hint: 'Mend the places listed in errors.',
  },
});

const ofCart = closed({ cartId: CartId });
const ofCheckout = closed({
  cartId: CartId,
  round: Type.String({ pattern: '^[1-9][0-9]{0,8}$', description: '`round` of the cart' }),
});
const staff = ['staff', 'service'] as const;

/**
 * Carts can always be written: no other service is asked when one is edited. Prices, stock and codes are looked at when a
 * cart is shown and once more at checkout, and a cart never reserves stock.
 */
export const carts = defineService({
  service: 'carts',
  problems: cartsProblems,
  operations: {
    create: {
      method: 'POST',
      path: '/carts',
      summary: 'A new cart for a guest; for whoever is signed in the one there is, or a new one.',
      access: ['anonymous'],
      body: closed({ currency: Type.Optional(Currency), destination: Type.Optional(Destination) }),
      responses: { 201: Cart },
    },
    get: {
      method: 'GET',
      path: '/carts/{cartId}',
      summary: 'A cart at today’s prices. Of a guest: to whoever knows its id.',
      access: ['anonymous'],
      consistency: 'strong',
      params: ofCart,
      responses: { 200: Cart },
      problems: ['carts/not-found'],
    },
    edit: {
      method: 'POST',
      path: '/carts/{cartId}/edits',
      summary: 'Adds, sets and removes. A repeat with the same key adds nothing and shows the cart as it is.',
      access: ['anonymous'],
      idempotency: 'required',
      params: ofCart,
      body: closed({
        edits: Type.Array(CartEdit, { minItems: 1, maxItems: 200 }),
        seen: Type.Optional(
          Type.String({
            maxLength: 4_000,
            description: '`seen` of the view it was made on. Default: the cart as it is',
          }),
        ),
      }),
      responses: { 200: Cart },
      problems: ['carts/not-found', 'carts/full'],
    },
    configure: {
      method: 'PATCH',
      path: '/carts/{cartId}',
      summary: 'Sets currency, destination, way of shipping and codes. The last one wins.',
      access: ['anonymous'],
      params: ofCart,
      body: CartSettings,
      responses: { 200: Cart },
      problems: ['carts/not-found'],
    },
    join: {
      method: 'POST',
      path: '/carts/{cartId}/join',
      summary:
        'Brings what is in a guest’s cart into the cart of the customer who signed in. Repeats add nothing, and nobody else can have it after that.',
      access: ['customer', 'staff'],
      params: ofCart,
      responses: { 200: Cart },
      problems: ['carts/not-found', 'carts/full'],
    },
    checkout: {
      method: 'PUT',
      path: '/carts/{cartId}/checkouts/{round}',
      summary:
        'Places the cart as an order, once for each round. 200: confirmed or refused. 202: saved, will end by itself.',
      access: ['anonymous'],
      priority: 'critical',
      params: ofCheckout,
      body: CheckoutInput,
      responses: { 200: Checkout, 202: Checkout },
      problems: [
        'carts/not-found',
        'carts/changed',
        'carts/empty',
        'carts/other-round',
        'carts/under-way',
        'carts/used-up',
        'carts/prices-unknown',
      ],
      deadlineMs: 10_000,
    },
    getCheckout: {
      method: 'GET',
      path: '/carts/{cartId}/checkouts/{round}',
      summary: 'How a checkout stands.',
      access: ['anonymous'],
      consistency: 'strong',
      params: ofCheckout,
      responses: { 200: Checkout },
      problems: ['carts/not-found'],
    },
    destinations: {
      method: 'GET',
      path: '/destinations',
      summary: 'Countries that something is shipped to, and whether prices contain their taxes.',
      access: ['anonymous'],
      responses: {
        200: closed({
          items: Type.Array(
            closed({
              country: CountryCode,
              regions: Type.Array(Region, { description: 'With taxes of their own' }),
              taxIncluded: Type.Boolean(),
              taxName: Type.Optional(Type.String()),
            }),
          ),
        }),
      },
    },
    rules: {
      method: 'GET',
      path: '/pricing-rules',
      summary: 'Taxes, tax classes and shipping methods, for whoever computes totals.',
      access: staff,
      callers: ['tills'],
      responses: { 200: PricingRules },
    },
    putTaxes: {
      method: 'PUT',
      path: '/pricing-rules/taxes',
      summary: 'Sets the taxes of a country, or of one of its regions. If-Match: the version of the pricing rules.',
      access: staff,
      conditional: true,
      body: TaxRule,
      responses: { 200: TaxRule },
      problems: ['carts/not-valid', 'contract/precondition-failed'],
    },
    putTaxClass: {
      method: 'PUT',
      path: '/pricing-rules/tax-classes',
      summary: 'Says which tax class a SKU belongs to. If-Match: the version of the pricing rules.',
      access: staff,
      conditional: true,
      body: TaxClassOfSku,
      responses: { 200: TaxClassOfSku },
      problems: ['contract/precondition-failed'],
    },
    putShippingMethod: {
      method: 'PUT',
      path: '/pricing-rules/shipping-methods',
      summary: 'Sets a way of shipping with its rates. If-Match: the version of the pricing rules.',
      access: staff,
      conditional: true,
      body: ShippingMethod,
      responses: { 200: ShippingMethod },
      problems: ['contract/precondition-failed'],
    },
    listPromotions: {
      method: 'GET',
      path: '/promotions',
      summary: 'Promotions with how often they have been used, by code.',
      access: staff,
      query: closed(pageQuery),
      responses: { 200: pageOf(Promotion) },
    },
    getPromotion: {
      method: 'GET',
      path: '/promotions/{code}',
      summary: 'One promotion.',
      access: staff,
      consistency: 'strong',
      params: closed({ code: Code }),
      responses: { 200: Promotion },
      problems: ['carts/no-promotion'],
    },
    putPromotion: {
      method: 'PUT',
      path: '/promotions/{code}',
      summary: 'Sets a promotion; If-Match "0" makes a new one. Uses that are counted stay counted.',
      access: staff,
      conditional: true,
      params: closed({ code: Code }),
      body: PromotionInput,
      responses: { 200: Promotion },
      problems: ['carts/not-valid', 'contract/precondition-failed'],
    },
  },
});
