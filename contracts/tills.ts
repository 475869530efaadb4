import Type, { type Static } from 'typebox';
import { defineService, problemTable } from '#kit/contract';
import { PricingRules } from './carts.ts';
import {
  AmountMinor,
  amountMinorMax,
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
import { PaymentMethod } from './orders.ts';
import { RatePpm, Totals } from './totals.ts';

export const TillId = Type.String({ pattern: '^till_[0-9A-Z]{26}$' });
/** Ids that a till makes by itself: 26 characters of Crockford base 32, 80 bits of them chance. */
const madeAtTill = (prefix: string) => Type.String({ pattern: `^${prefix}_[0-9A-HJKMNP-TV-Z]{26}$` });
const SaleId = madeAtTill('sal');
const SessionId = madeAtTill('tse');

const amount = Type.Integer({ minimum: 0, maximum: amountMinorMax, description: 'Minor units' });
const Name = Type.String({ minLength: 1, maxLength: 100 });

/** How far a till may go on by itself. Past either bound it takes no sale until it has been online. */
const Offline = closed({
  amountMinorMax: Type.Integer({
    minimum: 0,
    maximum: 1_000_000_000_000,
    description: 'Sum of the sales that have not been told yet',
  }),
  ageMsMax: Type.Integer({
    minimum: 0,
    maximum: 31 * 86_400_000,
    description: 'Time since the till was last online',
  }),
});
export type Offline = Static<typeof Offline>;

export const Till = closed({
  id: TillId,
  name: Name,
  currency: Currency,
  country: CountryCode,
  state: Type.Union([
    Type.Literal('waiting', { description: 'No device yet' }),
    Type.Literal('enrolled'),
    Type.Literal('revoked'),
  ]),
  offline: Offline,
  device: Type.Optional(Name),
  lastSeenAt: Type.Optional(Timestamp),
  createdAt: Timestamp,
});
export type Till = Static<typeof Till>;

const EnrolmentCode = Type.String({ pattern: '^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$' });

/** A sale may be paid by several cards. Each is asked under a number of its own, and a number is never asked for another. */
const CardNumber = Type.Integer({
  minimum: 1,
  maximum: 999,
  description: 'Which card of the sale, counted by the till as it asks for them. Left out: the first',
});

export const Tender = closed({
  kind: Type.Union([Type.Literal('cash'), Type.Literal('card')]),
  amountMinor: amount,
  card: Type.Optional(CardNumber),
});
export type Tender = Static<typeof Tender>;

const SaleLine = closed({
  sku: Sku,
  name: Type.String({ minLength: 1, maxLength: 300 }),
  quantity: Quantity,
  unitPriceMinor: amount,
  taxClass: Type.Optional(Type.String({ maxLength: 40, pattern: '^[a-z0-9-]+$' })),
});

const TillDiscount = closed({
  name: Type.String({ minLength: 1, maxLength: 100, description: 'The reason: damaged box, staff …' }),
  off: Type.Union([
    closed({ kind: Type.Literal('percentage'), ratePpm: RatePpm }),
    closed({ kind: Type.Literal('amount'), amountMinor: amount }),
  ]),
  skus: Type.Optional(Type.Array(Sku, { minItems: 1, maxItems: 200 })),
});

/** What every entry of a till's journal has. */
const entry = {
  seq: Type.Integer({
    minimum: 1,
    maximum: 1_000_000_000,
    description: 'Counts the entries of this till, without gaps',
  }),
  sessionId: SessionId,
  at: Type.String({ maxLength: 40, description: 'RFC 3339, by the till’s clock' }),
};

export const SaleEntry = closed({
  ...entry,
  kind: Type.Literal('sale'),
  saleId: SaleId,
  lines: Type.Array(SaleLine, { minItems: 1, maxItems: 200 }),
  discounts: Type.Array(TillDiscount, { maxItems: 20 }),
  totalMinor: Type.Integer({ minimum: 0, maximum: amountMinorMax, description: 'What the customer was asked for' }),
  tenders: Type.Array(Tender, { maxItems: 20, description: 'What was kept: change is off already' }),
  offline: Type.Optional(Type.Boolean()),
});
export type SaleEntry = Static<typeof SaleEntry>;

export const ReturnEntry = closed({
  ...entry,
  kind: Type.Literal('return'),
  returnId: madeAtTill('tre'),
  saleId: SaleId,
  lines: Type.Array(closed({ sku: Sku, quantity: Quantity, sellable: Type.Boolean() }), { minItems: 1, maxItems: 200 }),
  tenders: Type.Array(Tender, { maxItems: 20, description: 'What was given back' }),
});
export type ReturnEntry = Static<typeof ReturnEntry>;

export const JournalEntry = Type.Union([
  closed({ ...entry, kind: Type.Literal('open'), cashier: Name, floatMinor: amount }),
  closed({
    ...entry,
    kind: Type.Literal('cash'),
    amountMinor: Type.Integer({ minimum: -1_000_000_000, maximum: 1_000_000_000, description: 'Negative: taken out' }),
    reason: Name,
  }),
  SaleEntry,
  ReturnEntry,
  closed({ ...entry, kind: Type.Literal('close'), countedMinor: amount }),
]);
export type JournalEntry = Static<typeof JournalEntry>;

/** What people should look at. Facts are booked whatever they contradict; nothing is hidden. */
export const Conflict = closed({
  tillId: TillId,
  seq: Type.Integer(),
  kind: Type.Union([
    Type.Literal('share-exceeded', { description: 'More was sold than the till had' }),
    Type.Literal('total-differs', { description: 'The till asked for another total than its lines come to' }),
    Type.Literal('tender-differs', { description: 'What was kept or given back is not the total' }),
    Type.Literal('unknown-sale', { description: 'A return of a sale that is not known here' }),
    Type.Literal('not-sold', { description: 'More came back than was sold' }),
    Type.Literal('card-not-charged', {
      description: 'A card payment, or what goes back to a card, that the provider has not made',
    }),
    Type.Literal('not-settled', {
      description: 'Inventory or payments keep refusing to hear of it. It is told again, and this ends when they have',
    }),
    Type.Literal('after-close', { description: 'In a session that was closed before, or never opened' }),
  ]),
  detail: Type.String(),
  data: Type.Optional(Type.Unknown()),
  at: Timestamp,
});
export type Conflict = Static<typeof Conflict>;

const CatalogueItem = closed({
  sku: Sku,
  name: Type.String(),
  unitPriceMinor: Type.Integer({ minimum: 0, description: 'In the till’s currency' }),
  gtin: Type.Optional(Type.String({ description: 'Fourteen digits' })),
  category: Type.Optional(Type.String()),
});
export type CatalogueItem = Static<typeof CatalogueItem>;

const Taken = closed({
  seq: Type.Integer(),
  isNew: Type.Boolean({ description: 'false: it had arrived before' }),
});

export const Sale = closed({
  saleId: SaleId,
  tillId: TillId,
  sessionId: SessionId,
  cashier: Type.Optional(Name),
  at: Timestamp,
  totals: Totals,
  totalMinor: AmountMinor,
  tenders: Type.Array(Tender),
  returned: Type.Array(closed({ sku: Sku, quantity: Quantity })),
  refundedMinor: AmountMinor,
  refunds: Type.Array(Tender, { description: 'What went back, and which way' }),
});
export type Sale = Static<typeof Sale>;

/** X while the session is open, Z when it is closed. Sums of what has arrived; `missing` are entries that have not. */
export const Report = closed({
  kind: Type.Union([Type.Literal('X'), Type.Literal('Z')]),
  tillId: TillId,
  sessionId: SessionId,
  cashier: Type.Optional(Name),
  currency: Currency,
  openedAt: Type.Optional(Timestamp),
  closedAt: Type.Optional(Timestamp),
  sales: Type.Integer(),
  returns: Type.Integer(),
  salesMinor: AmountMinor,
  discountMinor: AmountMinor,
  refundsMinor: AmountMinor,
  taxes: Totals.properties.taxes,
  cash: closed({
    floatMinor: AmountMinor,
    salesMinor: AmountMinor,
    refundsMinor: AmountMinor,
    inMinor: AmountMinor,
    outMinor: AmountMinor,
    expectedMinor: AmountMinor,
    countedMinor: Type.Optional(AmountMinor),
    differenceMinor: Type.Optional(AmountMinor),
  }),
  cardMinor: AmountMinor,
  missing: Type.Array(Type.Integer(), { description: 'Numbers below the last that have not arrived: up to 100' }),
});
export type Report = Static<typeof Report>;

export const tillsProblems = problemTable('tills', {
  'not-found': {
    status: 404,
    title: 'There is no such till, sale or session',
    category: 'input',
    retry: 'never',
    hint: 'Check the id. A sale that was made offline is known here when its till has been online again.',
  },
  'device-refused': {
    status: 401,
    title: 'This device is not enrolled',
    category: 'auth',
    retry: 'never',
    hint: 'Send the secret of the enrolment in the header till-key. A revoked device needs a new code from staff.',
  },
  'code-refused': {
    status: 401,
    title: 'This code is not valid',
    category: 'auth',
    retry: 'never',
    hint: 'A code works once, for 15 minutes. Ask staff for a new one.',
  },
  'sale-made': {
    status: 409,
    title: 'This sale was made, and paid with this card',
    category: 'conflict',
    retry: 'never',
    hint: 'Money of a sale that was made goes back with a return.',
  },
  'entry-differs': {
    status: 409,
    title: 'Another entry has this number',
    category: 'conflict',
    retry: 'never',
    hint: 'An entry is written once: book a correction under the next number. seq names it.',
  },
});

const ofTill = closed({ tillId: TillId });
const withoutKey = { access: ['anonymous'], identity: 'ignored' } as const;
const keyOfDevice = 'The secret of an enrolled device, as `enrol` gave it: `<tillId>.<secret>`';
const device = { ...withoutKey, headers: { 'till-key': { description: keyOfDevice, required: true } } } as const;
const tillLine = closed({ sku: Sku, quantity: Quantity });

/**
 * Tills sell out of their own share of the stock, online or not. A device proves itself with the header `till-key`
 * (`<tillId>.<secret>`). What happened at a till is a fact: its journal is taken as it is, each entry once.
 */
export const tills = defineService({
  service: 'tills',
  problems: tillsProblems,
  operations: {
    create: {
      method: 'POST',
      path: '/tills',
      summary: 'A new till, with the code that enrols its device. A repeat with the same key makes no second one.',
      access: ['staff'],
      idempotency: 'required',
      body: closed({ name: Name, currency: Currency, country: CountryCode, offline: Type.Optional(Offline) }),
      responses: { 201: closed({ till: Till, code: EnrolmentCode }) },
    },
    list: {
      method: 'GET',
      path: '/tills',
      summary: 'All tills, oldest first.',
      access: ['staff'],
      query: closed(pageQuery),
      responses: { 200: pageOf(Till) },
    },
    change: {
      method: 'PATCH',
      path: '/tills/{tillId}',
      summary: 'Another name, or other bounds of what it may do offline; its device hears of it with its next pack.',
      access: ['staff'],
      params: ofTill,
      body: closed({ name: Type.Optional(Name), offline: Type.Optional(Offline) }),
      responses: { 200: Till },
      problems: ['tills/not-found'],
    },
    newCode: {
      method: 'POST',
      path: '/tills/{tillId}/codes',
      summary: 'A new code for a device. The device that was enrolled before works until the code is used.',
      access: ['staff'],
      params: ofTill,
      responses: { 201: closed({ code: EnrolmentCode, expiresAt: Timestamp }) },
      problems: ['tills/not-found'],
    },
    revoke: {
      method: 'POST',
      path: '/tills/{tillId}/revoke',
      summary: 'Shuts a device out at once. What it has not told yet needs a new enrolment.',
      access: ['staff'],
      params: ofTill,
      responses: { 200: Till },
      problems: ['tills/not-found'],
    },
    enrol: {
      method: 'POST',
      path: '/tills/enrol',
      summary: 'Turns a one-time code into the secret of a device. The secret is shown this once.',
      ...withoutKey,
      body: closed({ code: EnrolmentCode, device: Name }),
      responses: { 201: closed({ till: Till, key: Type.String({ description: 'For the header till-key' }) }) },
      problems: ['tills/code-refused'],
    },
    pack: {
      method: 'GET',
      path: '/tills/pack',
      summary:
        'What a device takes along offline: its till, its share of stock, the last number of its journal, the rules.',
      ...device,
      responses: {
        200: closed({
          till: Till,
          lastSeq: Type.Integer(),
          share: Type.Optional(
            Type.Array(closed({ sku: Sku, onHand: Type.Integer() }), {
              description: 'Left out while inventory does not answer: what the device knows of it holds on',
            }),
          ),
          rules: PricingRules,
        }),
      },
      problems: ['tills/device-refused'],
      deadlineMs: 5_000,
    },
    catalogue: {
      method: 'GET',
      path: '/tills/catalogue',
      summary: 'What a device shows of the goods in its share: names, prices, barcodes. By SKU.',
      ...device,
      query: closed({ cursor: Type.Optional(Type.String({ maxLength: 500 })) }),
      responses: { 200: pageOf(CatalogueItem) },
      problems: ['tills/device-refused'],
      deadlineMs: 5_000,
    },
    restock: {
      method: 'POST',
      path: '/tills/{tillId}/transfers',
      summary: 'Hands stock of the shop to a till (in), or back (out). The Idempotency-Key names it for ever.',
      access: ['staff'],
      idempotency: 'required',
      params: ofTill,
      body: closed({
        direction: Type.Union([Type.Literal('in'), Type.Literal('out')]),
        lines: Type.Array(tillLine, { minItems: 1, maxItems: 2000 }),
      }),
      responses: { 201: closed({ share: Type.Array(closed({ sku: Sku, onHand: Type.Integer() })) }) },
      problems: ['tills/not-found'],
      deadlineMs: 5_000,
    },
    charge: {
      method: 'POST',
      path: '/tills/charges',
      summary: 'Takes a card payment for a sale, at most once for each of its cards. A lost answer: ask again.',
      ...device,
      body: closed({
        saleId: SaleId,
        amountMinor: Type.Integer({ minimum: 1, maximum: 1_000_000_000 }),
        method: PaymentMethod,
        card: Type.Optional(CardNumber),
      }),
      responses: { 200: closed({ saleId: SaleId, chargedMinor: AmountMinor }) },
      problems: ['tills/device-refused'],
      deadlineMs: 10_000,
    },
    voidCharge: {
      method: 'POST',
      path: '/tills/charges/{saleId}/void',
      summary: 'Makes sure that a card that no made sale was paid with is not charged, or gets its money back.',
      ...device,
      params: closed({ saleId: SaleId }),
      query: closed({ card: Type.Optional(CardNumber) }),
      responses: { 200: closed({ saleId: SaleId }) },
      problems: ['tills/device-refused', 'tills/sale-made'],
      deadlineMs: 10_000,
    },
    record: {
      method: 'POST',
      path: '/tills/journal',
      summary:
        'Takes entries of a till’s journal, online at once or days later: each counts once, in whatever order they come.',
      ...device,
      body: closed({ entries: Type.Array(JournalEntry, { minItems: 1, maxItems: 100 }) }),
      responses: {
        200: closed({ entries: Type.Array(Taken), conflicts: Type.Array(Conflict), lastSeq: Type.Integer() }),
      },
      problems: ['tills/device-refused', 'tills/entry-differs'],
      deadlineMs: 10_000,
      bodySizeBytesMax: 1024 * 1024,
    },
    getSale: {
      method: 'GET',
      path: '/tills/sales/{saleId}',
      summary: 'A sale, for its receipt or a return. For devices of any till and for staff.',
      access: ['anonymous'],
      headers: { 'till-key': { description: `${keyOfDevice}. Staff need none`, required: false } },
      params: closed({ saleId: SaleId }),
      responses: { 200: Sale },
      problems: ['tills/not-found', 'tills/device-refused'],
    },
    mailReceipt: {
      method: 'POST',
      path: '/tills/sales/{saleId}/receipts',
      summary: 'Has a receipt mailed. To one address once, however often it is asked for.',
      ...device,
      params: closed({ saleId: SaleId }),
      body: closed({ email: Email }),
      responses: { 202: closed({ saleId: SaleId }) },
      problems: ['tills/not-found', 'tills/device-refused'],
    },
    report: {
      method: 'GET',
      path: '/tills/{tillId}/sessions/{sessionId}/report',
      summary: 'X or Z report of a session, for the till’s device.',
      ...device,
      params: closed({ tillId: TillId, sessionId: SessionId }),
      responses: { 200: Report },
      problems: ['tills/not-found', 'tills/device-refused'],
    },
    sessions: {
      method: 'GET',
      path: '/tills/{tillId}/sessions',
      summary: 'Reports of the last 50 sessions of a till, newest first, for staff.',
      access: ['staff'],
      params: ofTill,
      responses: { 200: closed({ items: Type.Array(Report) }) },
      problems: ['tills/not-found'],
    },
    conflicts: {
      method: 'GET',
      path: '/tills/conflicts',
      summary: 'What contradicts something, newest first.',
      access: ['staff'],
      query: closed(pageQuery),
      responses: { 200: pageOf(Conflict) },
    },
  },
});

/** What events of tills carry. `subject` is the sale’s id; the events of one sale keep their order. */
export interface TillEvent {
  readonly tillId: string;
  readonly tillName: string;
  readonly saleId: string;
  /** When the sale was made, by the till’s clock; of a return of a sale that is not known, when it came back. RFC 3339. */
  readonly soldAt: string;
  readonly currency: string;
  readonly country: string;
  /** Of the whole sale. */
  readonly totalMinor: number;
  /** Its goods, before discounts. */
  readonly lines: readonly Pick<Totals['lines'][number], 'sku' | 'name' | 'quantity' | 'totalMinor'>[];
  /** Of `till.returned`: money given back, and goods that came back, by this event. */
  readonly refundMinor?: number;
  readonly returned?: readonly { readonly sku: string; readonly quantity: number }[];
  /** Of `till.receipt-wanted`: to whom, and what stands on it besides. */
  readonly email?: string;
  readonly totals?: Totals;
  readonly tenders?: readonly Tender[];
}

export const tillEventTypes = ['till.sold', 'till.returned', 'till.receipt-wanted'] as const;
export type TillEventType = (typeof tillEventTypes)[number];
