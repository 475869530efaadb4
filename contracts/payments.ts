import Type, { type Static } from 'typebox';
import { defineService, problemTable } from '#kit/contract';
import { AmountMinor, CountryCode, Currency, closed, Sku, Timestamp } from './common.ts';
import { OrderId } from './inventory.ts';

const positiveAmount = Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 });

const Payment = closed({
  orderId: OrderId,
  status: Type.Union([
    Type.Literal('requested', { description: 'recorded; the provider has not answered yet' }),
    Type.Literal('authorized'),
    Type.Literal('declined'),
    Type.Literal('captured'),
    Type.Literal('voiding', { description: 'is to be undone; the provider has not answered yet' }),
    Type.Literal('voided'),
  ]),
  amountMinor: AmountMinor,
  currency: Currency,
  capturedMinor: AmountMinor,
  refundedMinor: AmountMinor,
  providerRef: Type.Optional(Type.String()),
  decline: Type.Optional(closed({ code: Type.String(), message: Type.String() })),
});
export type Payment = Static<typeof Payment>;

const Refund = closed({
  refundId: Type.String(),
  orderId: OrderId,
  amountMinor: AmountMinor,
  status: Type.Union([Type.Literal('requested'), Type.Literal('succeeded')]),
});

/** A payment as the provider tells of it. */
const ProviderPayment = closed({
  providerRef: Type.String(),
  status: Type.String({ description: 'pending, declined, authorized, captured or voided' }),
  currency: Currency,
  amountMinor: AmountMinor,
  capturedMinor: AmountMinor,
  refundedMinor: AmountMinor,
  refunds: Type.Array(
    closed({ providerRef: Type.String(), key: Type.Optional(Type.String()), amountMinor: AmountMinor }),
  ),
  decline: Type.Optional(Type.String()),
  duplicates: Type.Array(Type.String(), { description: 'Other payments of the order that took or hold money' }),
});

const ExportedPayment = closed({
  orderId: OrderId,
  status: Type.String(),
  amountMinor: AmountMinor,
  currency: Currency,
  capturedMinor: AmountMinor,
  refundedMinor: AmountMinor,
  createdAt: Timestamp,
});

const EntryLine = closed({
  kind: Type.String({
    minLength: 1,
    maxLength: 40,
    pattern: '^[a-z][a-z-]*$',
    description: 'marketplace-fee, commission, bad-debt, discount, foreign-return …',
  }),
  sku: Type.Optional(Sku),
  quantity: Type.Optional(Type.Integer({ minimum: -1_000_000, maximum: 1_000_000 })),
  amountMinor: Type.Integer({
    minimum: -1_000_000_000_000,
    maximum: 1_000_000_000_000,
    description: 'Negative: money that the shop gave up',
  }),
  note: Type.Optional(Type.String({ maxLength: 500 })),
});

/** Money that belongs to no order. */
const EntryInput = closed({
  key: Type.String({ minLength: 1, maxLength: 255, pattern: '^[\\x20-\\x7e]+$' }),
  currency: Currency,
  country: Type.Optional(CountryCode),
  occurredAt: Type.String({ maxLength: 40, description: 'RFC 3339' }),
  lines: Type.Array(EntryLine, { minItems: 1, maxItems: 2000 }),
});
export type EntryInput = Static<typeof EntryInput>;

const Entry = closed({ ...EntryInput.properties, totalMinor: AmountMinor, bookedAt: Timestamp });
export type Entry = Static<typeof Entry>;

export const paymentsProblems = problemTable('payments', {
  declined: {
    status: 402,
    title: 'The payment was declined',
    category: 'conflict',
    retry: 'never',
    hint: 'Use another card or payment method; declineCode says why the bank refused.',
  },
  voided: {
    status: 409,
    title: 'The payment was called off',
    category: 'conflict',
    retry: 'never',
    hint: 'The order it belonged to was given up; place a new order.',
  },
  'not-captured': {
    status: 409,
    title: 'There is no captured payment of this amount to refund',
    category: 'conflict',
    retry: 'never',
    hint: 'Refunds can not exceed what was captured less what was refunded before.',
  },
  'capture-pending': {
    status: 409,
    title: 'The payment is not captured yet',
    category: 'conflict',
    retry: { afterMs: 1_000 },
    hint: 'Repeat with the same Idempotency-Key. If it stays so, the saga that places the order is stuck: resume it first.',
  },
  'provider-unavailable': {
    status: 503,
    title: 'The payment provider does not answer',
    category: 'unavailable',
    retry: { afterMs: 1_000 },
    fault: 'elsewhere',
    hint: 'Nothing is charged twice: repeat with the same Idempotency-Key.',
  },
  'provider-refused': {
    status: 422,
    title: 'The payment provider refused the request',
    category: 'conflict',
    retry: 'never',
    hint: 'Look at the detail: the payment method, currency or amount is not acceptable to the provider.',
  },
  'entry-differs': {
    status: 409,
    title: 'Another entry was booked under this key',
    category: 'conflict',
    retry: 'never',
    hint: 'A key is one entry for ever: book a correction under a key of its own. keys names those that differ.',
  },
  'webhook-refused': {
    status: 400,
    title: 'The webhook is not signed by the provider',
    category: 'auth',
    retry: 'never',
    hint: 'Check the signing secret on both sides and the clock of this machine.',
  },
});

const ofOrder = closed({ orderId: OrderId });

export const payments = defineService({
  service: 'payments',
  problems: paymentsProblems,
  operations: {
    authorize: {
      method: 'POST',
      path: '/payments',
      summary: 'Reserves the amount on the payment method. A repeat for the same order is the same payment.',
      access: ['service'],
      callers: ['orders', 'tills'],
      priority: 'critical',
      body: closed({
        orderId: OrderId,
        amountMinor: positiveAmount,
        currency: Currency,
        method: Type.String({ minLength: 1, maxLength: 200, pattern: '^[A-Za-z][\\w.:=/-]*$' }),
      }),
      responses: { 200: Payment },
      problems: ['payments/declined', 'payments/voided', 'payments/provider-unavailable', 'payments/provider-refused'],
      deadlineMs: 6_000,
    },
    capture: {
      method: 'POST',
      path: '/payments/{orderId}/capture',
      summary: 'Takes the reserved amount. Of a payment called off meanwhile it takes nothing and says so.',
      access: ['service'],
      callers: ['orders', 'tills'],
      priority: 'critical',
      params: ofOrder,
      responses: { 200: Payment },
      problems: ['payments/provider-unavailable', 'payments/provider-refused'],
      deadlineMs: 6_000,
    },
    void: {
      method: 'POST',
      path: '/payments/{orderId}/void',
      summary: 'Makes sure that nothing is taken: releases the reservation, or refunds what was captured.',
      access: ['service'],
      callers: ['orders', 'tills'],
      priority: 'critical',
      params: ofOrder,
      responses: { 200: Payment },
      problems: ['payments/provider-unavailable', 'payments/provider-refused'],
      deadlineMs: 6_000,
    },
    refund: {
      method: 'POST',
      path: '/payments/{orderId}/refunds',
      summary: 'Gives back part or all of what was captured. A repeat with the same refund id is the same refund.',
      access: ['service'],
      callers: ['orders', 'tills'],
      priority: 'critical',
      params: ofOrder,
      body: closed({ refundId: Type.String({ minLength: 1, maxLength: 64 }), amountMinor: positiveAmount }),
      responses: { 200: Refund },
      problems: [
        'payments/not-captured',
        'payments/capture-pending',
        'payments/provider-unavailable',
        'payments/provider-refused',
      ],
      deadlineMs: 6_000,
    },
    get: {
      method: 'GET',
      path: '/payments/{orderId}',
      summary: 'The payment of an order.',
      access: ['staff', 'service'],
      callers: ['tills'],
      consistency: 'strong',
      params: ofOrder,
      responses: { 200: Payment },
    },
    providerView: {
      method: 'GET',
      path: '/payments/{orderId}/provider',
      summary: 'What the payment provider has of an order, asked of it now. Changes nothing.',
      access: ['staff', 'service'],
      params: ofOrder,
      responses: { 200: closed({ provider: Type.String(), payment: Type.Optional(ProviderPayment) }) },
      problems: ['payments/provider-unavailable', 'payments/provider-refused'],
      deadlineMs: 6_000,
    },
    export: {
      method: 'GET',
      path: '/payments/export',
      summary: 'All payments as JSON lines.',
      access: ['staff', 'service'],
      stream: 'reply',
      responses: { 200: ExportedPayment },
      deadlineMs: 60_000,
    },
    bookEntries: {
      method: 'POST',
      path: '/payments/entries',
      summary: 'Books money that belongs to no order: fees paid, bad debt, foreign returns. All entries, or none.',
      access: ['staff', 'service'],
      body: closed({ entries: Type.Array(EntryInput, { minItems: 1, maxItems: 100 }) }),
      responses: {
        200: closed({
          booked: Type.Integer(),
          repeated: Type.Integer({ description: 'Were there already, word by word' }),
        }),
      },
      problems: ['payments/entry-differs'],
      deadlineMs: 10_000,
      bodySizeBytesMax: 4 * 1024 * 1024,
    },
    exportEntries: {
      method: 'GET',
      path: '/payments/entries/export',
      summary: 'All entries as JSON lines, by key.',
      access: ['staff', 'service'],
      stream: 'reply',
      responses: { 200: Entry },
      deadlineMs: 60_000,
    },
    books: {
      method: 'GET',
      path: '/payments/books',
      summary: 'Which books these are, and what is in them.',
      access: ['staff', 'service'],
      consistency: 'strong',
      responses: {
        200: closed({
          booksId: Type.String({ description: 'Made when the books were opened; never changes' }),
          payments: Type.Integer(),
          entries: Type.Integer(),
          totals: Type.Array(
            closed({
              currency: Currency,
              capturedMinor: Type.Integer(),
              refundedMinor: Type.Integer(),
              entriesMinor: Type.Integer(),
            }),
          ),
        }),
      },
      deadlineMs: 10_000,
    },
    webhook: {
      method: 'POST',
      path: '/payments/webhooks/provider',
      summary: 'Signed messages from the payment provider.',
      access: ['anonymous'],
      headers: { 'Stripe-Signature': { description: 'Of the body, by the provider: `t=…,v1=…`', required: true } },
      rawBody: true,
      body: Type.String(),
      responses: { 200: closed({ received: Type.Literal(true) }) },
      problems: ['payments/webhook-refused'],
    },
  },
});
