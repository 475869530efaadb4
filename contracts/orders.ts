import Type, { type Static } from 'typebox';
import { defineService, problemTable } from '#kit/contract';
import {
  Address,
  AmountMinor,
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
import { OrderId } from './inventory.ts';
import { LineTax } from './totals.ts';

export { OrderId } from './inventory.ts';

/** Which kinds of line take stock: goods only. */
const LineKind = Type.Union([
  Type.Literal('goods'),
  Type.Literal('shipping'),
  Type.Literal('fee'),
  Type.Literal('discount'),
  Type.Literal('tax'),
]);

const ExactPrice = Type.String({
  maxLength: 32,
  pattern: '^-?\\d+(\\.\\d+)?$',
  description:
    'The unit price in major units where minor units are too coarse: `0.125`. Information; totalMinor counts',
});

/** What a cart knew of a line when it was placed. */
const parts = {
  discountMinor: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 1_000_000_000_000, description: 'Its share of the discount lines' }),
  ),
  tax: Type.Optional(LineTax),
};

const OrderLine = closed({
  kind: LineKind,
  sku: Type.Optional(Sku),
  name: Type.String(),
  quantity: Quantity,
  unitPriceMinor: AmountMinor,
  unitPriceExact: Type.Optional(ExactPrice),
  totalMinor: AmountMinor,
  ...parts,
});
export type OrderLine = Static<typeof OrderLine>;

export const OrderState = Type.Union([
  Type.Literal('received', { description: 'durable, not yet decided' }),
  Type.Literal('held', { description: 'stock is set aside' }),
  Type.Literal('authorized', { description: 'the amount is reserved' }),
  Type.Literal('confirmed', { description: 'paid; goods are to be sent, or some of them were' }),
  Type.Literal('fulfilled', { description: 'nothing is left to send' }),
  Type.Literal('completed', { description: 'fulfilled, and closed: all has arrived' }),
  Type.Literal('refused'),
  Type.Literal('cancelling'),
  Type.Literal('cancelled'),
  Type.Literal('returned', { description: 'all goods came back' }),
]);
export type OrderState = Static<typeof OrderState>;

/** Why an order was refused, as a problem the shopper can act on. */
export const Reason = closed({
  code: Type.String({ description: 'inventory/out-of-stock, payments/declined …' }),
  detail: Type.String(),
  data: Type.Optional(Type.Unknown()),
});
export type Reason = Static<typeof Reason>;

const ChangeKey = Type.String({ description: 'The Idempotency-Key under which it was asked for' });

/** Of a return or refund. What a pending one takes (goods, money) is set aside in the order. */
const ChangeState = Type.Union([
  Type.Literal('pending'),
  Type.Literal('done'),
  Type.Literal('refused', {
    description: 'Given up by staff before anything of it happened: nothing is set aside for it',
  }),
]);

const ReturnRecord = closed({
  returnId: Type.String(),
  key: ChangeKey,
  state: ChangeState,
  lines: Type.Array(
    closed({
      sku: Sku,
      quantity: Quantity,
      unsent: Type.Optional(
        Type.Integer({
          minimum: 0,
          description: 'Of these, units that had not been sent: they never left. Absent: none had been sent',
        }),
      ),
    }),
  ),
  refundMinor: AmountMinor,
  reason: Type.String(),
  occurredAt: Timestamp,
});
export type ReturnRecord = Static<typeof ReturnRecord>;

/** Money that went back without goods. */
const RefundRecord = closed({
  refundId: Type.String(),
  key: ChangeKey,
  state: ChangeState,
  amountMinor: AmountMinor,
  reason: Type.String(),
  occurredAt: Timestamp,
});
export type RefundRecord = Static<typeof RefundRecord>;

const CancelRecord = closed({ cancelId: Type.String(), key: ChangeKey, reason: Type.String(), occurredAt: Timestamp });
export type CancelRecord = Static<typeof CancelRecord>;

const shipmentFields = {
  carrier: Type.Optional(Type.String({ minLength: 1, maxLength: 100, description: 'Who carries it' })),
  reference: Type.Optional(
    Type.String({ minLength: 1, maxLength: 200, description: 'The carrier’s: a tracking number, a consignment' }),
  ),
};

/** Goods that were handed over together. */
const ShipmentRecord = closed({
  shipmentId: Type.String(),
  key: ChangeKey,
  lines: Type.Array(closed({ sku: Sku, quantity: Quantity })),
  ...shipmentFields,
  occurredAt: Timestamp,
});
export type ShipmentRecord = Static<typeof ShipmentRecord>;

export const Order = closed({
  id: OrderId,
  businessKey: Type.String({ description: 'The Idempotency-Key under which it was placed' }),
  state: OrderState,
  reason: Type.Optional(Reason),
  email: Email,
  customerId: Type.Optional(Type.String()),
  channel: Type.String(),
  currency: Currency,
  totalMinor: AmountMinor,
  country: Type.Optional(CountryCode),
  lines: Type.Array(OrderLine),
  shippingAddress: Type.Optional(Address),
  refundedMinor: AmountMinor,
  returns: Type.Array(ReturnRecord),
  refunds: Type.Array(RefundRecord),
  shipments: Type.Optional(Type.Array(ShipmentRecord, { description: 'Oldest first; absent: nothing was sent yet' })),
  cancellation: Type.Optional(CancelRecord),
  placedAt: Timestamp,
  decidedAt: Type.Optional(Timestamp),
});
export type Order = Static<typeof Order>;

/** A line as it is asked for. Price, name and lines without stock are for staff, imports and other services only. */
const WantedLine = closed({
  kind: Type.Optional(LineKind),
  sku: Type.Optional(Sku),
  quantity: Quantity,
  name: Type.Optional(Type.String({ maxLength: 300 })),
  unitPriceMinor: Type.Optional(AmountMinor),
  unitPriceExact: Type.Optional(ExactPrice),
  totalMinor: Type.Optional(AmountMinor),
  ...parts,
});
export type WantedLine = Static<typeof WantedLine>;

export const PaymentMethod = Type.String({
  minLength: 1,
  maxLength: 200,
  // Every provider's tokens begin with a letter, and no card number does: it is refused before anything keeps it.
  pattern: '^[A-Za-z][\\w.:=/-]*$',
  description: 'A token of the payment provider, never a card number',
});

const PlaceOrder = closed({
  email: Email,
  customerId: Type.Optional(Type.String({ maxLength: 64, description: 'Whose order it is, said by another service' })),
  currency: Currency,
  lines: Type.Array(WantedLine, { minItems: 1, maxItems: 2000 }),
  payment: closed({ method: PaymentMethod }),
  shippingAddress: Type.Optional(Address),
  country: Type.Optional(CountryCode),
  expectedTotalMinor: Type.Optional(
    Type.Integer({ description: 'What the shopper saw; the order is not placed at another total' }),
  ),
  channel: Type.Optional(Type.Union([Type.Literal('web'), Type.Literal('till'), Type.Literal('import')])),
  placedAt: Type.Optional(Timestamp),
});
export type PlaceOrder = Static<typeof PlaceOrder>;

export const ordersProblems = problemTable('orders', {
  'unknown-sku': {
    status: 422,
    title: 'The catalogue does not sell this',
    category: 'input',
    retry: 'never',
    hint: 'errors points at the lines; GET /products lists what is sold in which currency. Order again under a new Idempotency-Key.',
  },
  'price-changed': {
    status: 409,
    title: 'The total is not what you expected',
    category: 'conflict',
    retry: 'never',
    hint: 'Show the new total in totalMinor to the shopper and place the order with it, under a new Idempotency-Key.',
  },
  'nothing-to-pay': {
    status: 422,
    title: 'The total of an order can not be negative',
    category: 'input',
    retry: 'never',
    hint: 'Record a refund or a return instead.',
  },
  'too-long': {
    status: 413,
    title: 'The lines of the order take too much room',
    category: 'input',
    retry: 'never',
    hint: 'Shorten the names, or place it as several orders: lines are sent on with every event of the order.',
  },
  'not-permitted': {
    status: 403,
    title: 'Only staff may set prices, lines without stock, channel or time',
    category: 'auth',
    retry: 'never',
    hint: 'Leave these fields out; prices come from the catalogue.',
  },
  'not-found': {
    status: 404,
    title: 'There is no such order',
    category: 'input',
    retry: 'never',
    hint: 'Check the id; an order placed signed in is shown to its customer and to staff only.',
  },
  'not-decided-yet': {
    status: 409,
    title: 'The order is still being processed',
    category: 'conflict',
    retry: { afterMs: 1_000 },
    hint: 'Try again when it is confirmed.',
  },
  'not-possible': {
    status: 409,
    title: 'This can not be done with the order as it stands',
    category: 'conflict',
    retry: 'never',
    hint: 'Read the order again: its state, returns and refunds say what is left to do.',
  },
  overloaded: {
    status: 503,
    title: 'Too many orders are being processed',
    category: 'unavailable',
    retry: { afterMs: 1_000 },
    fault: 'load',
    hint: 'The order was not accepted. Repeat it with the same Idempotency-Key after Retry-After.',
  },
  'too-many-followers': {
    status: 503,
    title: 'Too many orders are being followed',
    category: 'unavailable',
    retry: { afterMs: 5_000 },
    fault: 'load',
    hint: 'The order goes on all the same: read it again from time to time (GET /orders/{orderId}).',
  },
  'saga-not-possible': {
    status: 409,
    title: 'The saga is not in a state that permits this',
    category: 'conflict',
    retry: 'never',
    hint: 'Only stuck sagas can be resumed, only sagas that have not ended can be abandoned, and those that only go forward (an order past its pivot, a change of one) only once they are stuck.',
  },
});

const ofOrder = closed({ orderId: OrderId });
/** For what happened elsewhere and is booked here afterwards. */
const occurredAt = Type.Optional(Type.String({ maxLength: 40, description: 'RFC 3339; default now (staff)' }));
/** Room for as many lines as an order may have. */
const linesSizeBytesMax = 2 * 1024 * 1024;
const accepted = closed(
  { id: OrderId, state: OrderState },
  { description: 'Durable; it will end by itself. See Location.' },
);

const SagaStatus = Type.Union([
  Type.Literal('running'),
  Type.Literal('compensating'),
  Type.Literal('completed'),
  Type.Literal('refused'),
  Type.Literal('stuck', { description: 'waits for people: resume or abandon it' }),
  Type.Literal('abandoned'),
]);

const SagaView = closed({
  id: Type.String(),
  definition: Type.String(),
  version: Type.Integer(),
  status: Type.String(),
  step: Type.Integer(),
  owner: Type.Union([Type.String(), Type.Null()]),
  cause: Type.Unknown(),
  createdAt: Type.Optional(Timestamp),
  updatedAt: Type.Optional(Timestamp),
  results: Type.Optional(Type.Unknown()),
  journal: Type.Optional(Type.Array(Type.Unknown())),
  steps: Type.Optional(
    Type.Array(
      closed({ name: Type.String(), pivot: Type.Boolean({ description: 'From here on it only goes forward' }) }),
      {
        description: 'Of its definition, as this version has it',
      },
    ),
  ),
});

export const orders = defineService({
  service: 'orders',
  problems: ordersProblems,
  operations: {
    place: {
      method: 'POST',
      path: '/orders',
      summary:
        'Places an order. 201: decided (confirmed, or refused with the reason). 202: accepted, will end by itself.',
      access: ['anonymous'],
      callers: ['carts'],
      priority: 'critical',
      idempotency: 'required',
      body: PlaceOrder,
      responses: { 201: Order, 202: accepted },
      problems: [
        'orders/unknown-sku',
        'orders/price-changed',
        'orders/nothing-to-pay',
        'orders/too-long',
        'orders/not-permitted',
        'orders/overloaded',
      ],
      deadlineMs: 10_000,
      bodySizeBytesMax: linesSizeBytesMax,
    },
    get: {
      method: 'GET',
      path: '/orders/{orderId}',
      summary: 'An order. Of a guest: to whoever knows its id.',
      access: ['anonymous'],
      callers: ['carts'],
      consistency: 'strong',
      params: ofOrder,
      responses: { 200: Order },
      problems: ['orders/not-found'],
    },
    list: {
      method: 'GET',
      path: '/orders',
      summary: 'Orders, newest first: your own, or all for staff.',
      access: ['customer', 'staff', 'service'],
      callers: ['carts'],
      consistency: 'strong',
      query: closed({
        ...pageQuery,
        state: Type.Optional(OrderState),
        email: Type.Optional(Email),
        businessKey: Type.Optional(
          Type.String({
            minLength: 1,
            maxLength: 255,
            description: 'The Idempotency-Key it was placed under (not for customers)',
          }),
        ),
        importKey: Type.Optional(
          Type.Array(Type.String({ minLength: 1, maxLength: 255 }), {
            maxItems: 100,
            description: 'Imported orders with these business keys',
          }),
        ),
      }),
      responses: { 200: pageOf(Order) },
    },
    export: {
      method: 'GET',
      path: '/orders/export',
      summary: 'All orders as JSON lines, oldest first.',
      access: ['staff', 'service'],
      stream: 'reply',
      query: closed({ channel: Type.Optional(Type.String({ maxLength: 20 })) }),
      responses: { 200: Order },
      deadlineMs: 120_000,
    },
    follow: {
      method: 'GET',
      path: '/orders/{orderId}/events',
      summary:
        'The order as it is, again whenever it changes and every 10 s, until nothing of it is under way; at most 2 minutes.',
      access: ['anonymous'],
      stream: 'reply',
      params: ofOrder,
      responses: { 200: Order },
      problems: ['orders/not-found', 'orders/too-many-followers'],
      deadlineMs: 30_000,
    },
    cancel: {
      method: 'POST',
      path: '/orders/{orderId}/cancel',
      summary: 'Calls a confirmed order off, before any of it is sent: the money goes back, the goods to the shelf.',
      access: ['anonymous'],
      idempotency: 'required',
      params: ofOrder,
      body: closed({ reason: Type.Optional(Type.String({ maxLength: 500 })), occurredAt }),
      responses: { 200: Order, 202: accepted },
      problems: ['orders/not-found', 'orders/not-decided-yet', 'orders/not-possible', 'orders/not-permitted'],
      deadlineMs: 10_000,
    },
    return: {
      method: 'POST',
      path: '/orders/{orderId}/returns',
      summary:
        'Takes goods back, to the shelf or as damaged, and refunds their price. Customers take back what was not sent yet; staff all that has come back: units that were not sent count last then. What was not sent is not sent any more.',
      access: ['customer', 'staff', 'service'],
      idempotency: 'required',
      params: ofOrder,
      body: closed({
        lines: Type.Array(closed({ sku: Sku, quantity: Quantity }), { minItems: 1, maxItems: 2000 }),
        reason: Type.Optional(Type.String({ maxLength: 500 })),
        sellable: Type.Optional(Type.Boolean({ description: 'Default true; false writes the units off (staff)' })),
        refundMinor: Type.Optional(
          Type.Integer({
            minimum: 0,
            maximum: 1_000_000_000_000,
            description: 'Default: the price of the lines (staff)',
          }),
        ),
        occurredAt,
      }),
      responses: { 200: Order, 202: accepted },
      problems: ['orders/not-found', 'orders/not-decided-yet', 'orders/not-possible', 'orders/not-permitted'],
      deadlineMs: 10_000,
      bodySizeBytesMax: linesSizeBytesMax,
    },
    refund: {
      method: 'POST',
      path: '/orders/{orderId}/refunds',
      summary: 'Refunds part or all of an order without goods coming back.',
      access: ['staff', 'service'],
      idempotency: 'required',
      params: ofOrder,
      body: closed({
        amountMinor: Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 }),
        reason: Type.Optional(Type.String({ maxLength: 500 })),
        occurredAt,
      }),
      responses: { 200: Order, 202: accepted },
      problems: ['orders/not-found', 'orders/not-decided-yet', 'orders/not-possible'],
      deadlineMs: 10_000,
    },
    fulfil: {
      method: 'POST',
      path: '/orders/{orderId}/shipments',
      summary:
        'Records goods as sent: some of them, or all that is left. Fulfilled when nothing is left to send; only what was not sent can still be cancelled.',
      access: ['staff', 'service'],
      idempotency: 'required',
      params: ofOrder,
      body: closed({
        lines: Type.Optional(
          Type.Array(closed({ sku: Sku, quantity: Quantity }), {
            minItems: 1,
            maxItems: 2000,
            description: 'Default: all that is left to send',
          }),
        ),
        ...shipmentFields,
        occurredAt,
      }),
      responses: { 200: Order },
      problems: ['orders/not-found', 'orders/not-decided-yet', 'orders/not-possible'],
      deadlineMs: 10_000,
      bodySizeBytesMax: linesSizeBytesMax,
    },
    complete: {
      method: 'POST',
      path: '/orders/{orderId}/complete',
      summary: 'Closes a fulfilled order: all has arrived. Returns and refunds stay possible.',
      access: ['staff', 'service'],
      idempotency: 'required',
      params: ofOrder,
      body: closed({ occurredAt }),
      responses: { 200: Order },
      problems: ['orders/not-found', 'orders/not-decided-yet', 'orders/not-possible'],
      deadlineMs: 10_000,
    },
    listSagas: {
      method: 'GET',
      path: '/orders/sagas',
      summary: 'Sagas by status, oldest first.',
      access: ['staff', 'service'],
      query: closed({ ...pageQuery, status: Type.Optional(SagaStatus) }),
      responses: { 200: pageOf(SagaView) },
    },
    inspectSaga: {
      method: 'GET',
      path: '/orders/sagas/{sagaId}',
      summary: 'A saga with its history.',
      access: ['staff', 'service'],
      params: closed({ sagaId: Type.String({ maxLength: 100 }) }),
      responses: { 200: SagaView },
      problems: ['orders/not-found'],
    },
    resumeSaga: {
      method: 'POST',
      path: '/orders/sagas/{sagaId}/resume',
      summary: 'Lets a stuck saga try again.',
      access: ['staff', 'service'],
      params: closed({ sagaId: Type.String({ maxLength: 100 }) }),
      responses: { 200: SagaView },
      problems: ['orders/not-found', 'orders/saga-not-possible'],
    },
    abandonSaga: {
      method: 'POST',
      path: '/orders/sagas/{sagaId}/abandon',
      summary:
        'Gives a saga up: it compensates. An order past its pivot and a change of one can be given up once they are stuck, and are closed for people to settle; what did not happen of a change is free again.',
      access: ['admin', 'service'],
      params: closed({ sagaId: Type.String({ maxLength: 100 }) }),
      body: closed({ reason: Type.String({ minLength: 1, maxLength: 500 }) }),
      responses: { 200: SagaView },
      problems: ['orders/not-found', 'orders/saga-not-possible'],
    },
  },
});

/** What order events carry. `subject` is the order id; events of one order keep their order. */
export interface OrderEvent {
  readonly orderId: string;
  readonly businessKey: string;
  readonly state: OrderState;
  readonly customer: { readonly id?: string; readonly email: string };
  readonly channel: string;
  /** RFC 3339; business time, historic for imports. */
  readonly placedAt: string;
  readonly decidedAt?: string;
  readonly currency: string;
  readonly totalMinor: number;
  readonly country?: string;
  readonly lines: readonly OrderLine[];
  readonly reason?: Reason;
  /** Of a change that was asked for (cancellation, return, refund, shipment, closing): under which key, and when it happened. */
  readonly change?: { readonly key: string; readonly occurredAt: string };
  /** Money given back by this event. */
  readonly refundMinor?: number;
  /** Goods that came back by this event. */
  readonly returned?: readonly { readonly sku: string; readonly quantity: number }[];
  /** Goods that were sent by this event. `state` says whether anything is left to send. */
  readonly shipment?: ShipmentRecord;
}

export const orderEventTypes = [
  'order.received',
  'order.confirmed',
  'order.refused',
  'order.cancelled',
  'order.returned',
  'order.refunded',
  'order.fulfilled',
  'order.completed',
] as const;
export type OrderEventType = (typeof orderEventTypes)[number];
