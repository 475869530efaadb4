import Type, { type Static } from 'typebox';
import { defineService, problemTable } from '#kit/contract';
import { deadLetterOperations, lagOperation, noDeadLetter } from '#kit/messaging/operations';
import { CountryCode, Currency, closed, Sku, Timestamp } from './common.ts';

const figures = {
  currency: Currency,
  orders: Type.Integer({ description: 'Confirmed orders' }),
  units: Type.Integer({ description: 'Units of goods in them' }),
  grossMinor: Type.Integer({ description: 'What they cost, minor units' }),
  refundedMinor: Type.Integer({ description: 'Given back by cancellations, returns and refunds' }),
  netMinor: Type.Integer({ description: 'grossMinor − refundedMinor' }),
  returnedUnits: Type.Integer({ description: 'Units that came back by cancellations and returns' }),
  cancelledOrders: Type.Integer(),
  refusedOrders: Type.Integer(),
};

const SalesRow = closed({
  key: Type.String({
    description: 'Start of the hour, day or month (RFC 3339, UTC), country (ZZ: unknown) or channel',
  }),
  ...figures,
});
export type SalesRow = Static<typeof SalesRow>;

const ProductRow = closed({
  sku: Sku,
  name: Type.String(),
  currency: Currency,
  units: Type.Integer(),
  grossMinor: Type.Integer({ description: 'Its lines before discounts on the order' }),
  returnedUnits: Type.Integer(),
});
export type ProductRow = Static<typeof ProductRow>;

const freshness = {
  lagEvents: Type.Integer({ description: 'Events not counted yet: 0 when the figures are complete' }),
};

const range = {
  from: Type.Optional(Timestamp),
  to: Type.Optional(Timestamp),
};

export const analyticsProblems = problemTable('analytics', {
  'range-too-long': {
    status: 400,
    title: 'The time range has too many parts',
    category: 'input',
    retry: 'never',
    hint: 'Ask for at most 31 days by hour, 5 years by day or 50 years otherwise; or by a larger part.',
  },
  'history-incomplete': {
    status: 409,
    title: 'The log no longer reaches back to the beginning',
    category: 'conflict',
    retry: 'never',
    hint: 'A rebuild would lose the figures of the events that retention has removed.',
  },
  'no-dead-letter': noDeadLetter,
});

/** Figures are attributed to the time at which the order was placed, refunds and returns too. */
export const analytics = defineService({
  service: 'analytics',
  problems: analyticsProblems,
  operations: {
    sales: {
      method: 'GET',
      path: '/analytics/sales',
      summary: 'Sales by hour, day, month, country or channel, per currency. Orders placed from ≤ time < to.',
      access: ['staff', 'service'],
      consistency: 'eventual',
      query: closed({
        by: Type.Union([
          Type.Literal('hour'),
          Type.Literal('day'),
          Type.Literal('month'),
          Type.Literal('country'),
          Type.Literal('channel'),
        ]),
        ...range,
        currency: Type.Optional(Currency),
        country: Type.Optional(CountryCode),
        channel: Type.Optional(Type.String({ maxLength: 20 })),
      }),
      responses: { 200: closed({ from: Timestamp, to: Timestamp, items: Type.Array(SalesRow), ...freshness }) },
      problems: ['analytics/range-too-long'],
      deadlineMs: 5_000,
    },
    products: {
      method: 'GET',
      path: '/analytics/products',
      summary: 'What sold best in one currency, by turnover. Whole days (UTC) between from and to.',
      access: ['staff', 'service'],
      consistency: 'eventual',
      query: closed({
        currency: Currency,
        ...range,
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: 'Default 20' })),
        cursor: Type.Optional(Type.String({ maxLength: 500 })),
      }),
      responses: {
        200: closed({
          from: Timestamp,
          to: Timestamp,
          items: Type.Array(ProductRow),
          nextCursor: Type.Optional(Type.String()),
          ...freshness,
        }),
      },
      deadlineMs: 5_000,
    },
    status: {
      method: 'GET',
      path: '/analytics/status',
      summary: 'How complete the figures are.',
      access: ['staff', 'service'],
      responses: { 200: closed({ ...freshness, deadLetters: Type.Integer() }) },
    },
    rebuild: {
      method: 'POST',
      path: '/analytics/rebuild',
      summary: 'Empties the figures and counts the whole log again; status tells when it is done.',
      access: ['admin', 'service'],
      responses: { 202: closed(freshness) },
      problems: ['analytics/history-incomplete'],
      deadlineMs: 15_000,
    },
    ...deadLetterOperations('analytics'),
    ...lagOperation('analytics'),
  },
});
