import Type, { type Static } from 'typebox';
import { defineService, problemTable } from '#kit/contract';
import { closed, Email, pageOf, pageQuery, Quantity, Sku, Timestamp } from './common.ts';

export const OrderId = Type.String({ pattern: '^ord_[0-9A-Z]{26}$' });

const StockLine = closed({ sku: Sku, quantity: Quantity });
export type StockLine = Static<typeof StockLine>;

const stockLines = Type.Array(StockLine, { minItems: 1, maxItems: 2000 });

/** What is left of a SKU after an operation, and the version that the operation gave it. */
const StockAnswer = closed({
  sku: Sku,
  available: Type.Integer(),
  version: Type.Integer({ description: 'Grows by one with every change of this SKU at this holder' }),
});
export type StockAnswer = Static<typeof StockAnswer>;

const Hold = closed({
  orderId: OrderId,
  status: Type.Union([
    Type.Literal('held'),
    Type.Literal('sold'),
    Type.Literal('released'),
    Type.Literal('expired'),
    Type.Literal('refused'),
  ]),
  lines: Type.Array(closed({ sku: Sku, quantity: Quantity, version: Type.Integer() })),
  stock: Type.Array(StockAnswer),
});
export type Hold = Static<typeof Hold>;

const OpenHold = closed({
  orderId: OrderId,
  holder: Type.String(),
  lines: Type.Array(StockLine),
  createdAt: Timestamp,
  expiresAt: Timestamp,
});

const StockLevel = closed({
  sku: Sku,
  holder: Type.String(),
  received: Type.Integer(),
  onHand: Type.Integer(),
  held: Type.Integer(),
  sold: Type.Integer(),
  writtenOff: Type.Integer(),
  sent: Type.Integer({ description: 'To other holders, ever' }),
  arrived: Type.Integer({ description: 'From other holders, ever' }),
  version: Type.Integer(),
});
export type StockLevel = Static<typeof StockLevel>;

export const MovementKind = Type.Enum([
  'receive',
  'hold',
  'release',
  'expire',
  'commit',
  'restock',
  'write-off',
  'find',
  'send',
  'arrive',
  'sell',
]);
export type MovementKind = Static<typeof MovementKind>;

/** Who may sell stock without asking anyone: `main` is the shop itself, each till is another. */
const Holder = Type.String({ minLength: 1, maxLength: 40, pattern: '^[a-z][\\w-]*$' });

const ShareReference = Type.String({ minLength: 1, maxLength: 64, description: 'Names this change for ever' });

/** Of receipts and adjustments: what staff said about it. */
const remarks = {
  reason: Type.Optional(Type.String({ description: 'Of an adjustment: damaged, lost, found, counted …' })),
  note: Type.Optional(Type.String()),
  occurredAt: Type.Optional(Timestamp),
};

const Movement = closed({
  sku: Sku,
  holder: Type.String(),
  version: Type.Integer(),
  kind: MovementKind,
  quantity: Type.Integer({ minimum: 1 }),
  reference: Type.String({ description: 'The order, the return, or the Idempotency-Key of a receipt or adjustment' }),
  at: Timestamp,
  ...remarks,
});
export type Movement = Static<typeof Movement>;

const Changed = closed({ reference: Type.String(), stock: Type.Array(StockAnswer) });

const StockTaken = closed({
  reference: Type.String(),
  lines: Type.Optional(
    Type.Array(
      closed({
        sku: Sku,
        expected: Type.Integer({ description: 'On the shelf by the books: on hand and held' }),
        counted: Type.Integer(),
        difference: Type.Integer({ description: 'Found (positive) or written off (negative)' }),
      }),
      { description: 'Absent in the answer to a repeat that comes after days: see the movements of the reference' },
    ),
  ),
  stock: Type.Array(StockAnswer),
});
export type StockTaken = Static<typeof StockTaken>;

/** `stock`: what each holder has of each SKU now. */
const ShareChange = closed({
  reference: Type.String(),
  stock: Type.Array(closed({ holder: Type.String(), sku: Sku, available: Type.Integer(), version: Type.Integer() })),
  shortages: Type.Array(closed({ sku: Sku, wanted: Type.Integer(), available: Type.Integer() })),
});
export type ShareChange = Static<typeof ShareChange>;

const StockAlarm = closed({
  sku: Sku,
  lowAt: Type.Integer({ description: 'So many units on hand, or fewer, are low' }),
  onHand: Type.Integer(),
  isLow: Type.Boolean(),
  email: Type.Optional(Email),
});
export type StockAlarm = Static<typeof StockAlarm>;

export const inventoryProblems = problemTable('inventory', {
  'out-of-stock': {
    status: 409,
    title: 'There is not enough stock',
    category: 'conflict',
    retry: 'never',
    hint: 'shortages names the SKUs and what is left of them.',
  },
  'hold-ended': {
    status: 409,
    title: 'The hold has ended',
    category: 'conflict',
    retry: 'never',
    hint: 'The hold was released, or it expired and its units were sold to others.',
  },
  'not-enough-on-hand': {
    status: 409,
    title: 'More would be written off than there is',
    category: 'conflict',
    retry: 'never',
    hint: 'Count again, or wait until holds on these units have ended.',
  },
  'stock-moved': {
    status: 409,
    title: 'The stock has changed since it was counted',
    category: 'conflict',
    retry: 'never',
    hint: 'moved names the SKUs with the versions that they have now: count those again.',
  },
  'same-holder': {
    status: 422,
    title: 'The holders of a transfer are the same',
    category: 'input',
    retry: 'never',
    hint: 'Name two different holders in from and to.',
  },
  'not-sold': {
    status: 409,
    title: 'These units were not sold to this order',
    category: 'conflict',
    retry: 'never',
    hint: 'Only units that an order has bought, and not returned yet, can come back.',
  },
});

const ofOrder = closed({ orderId: OrderId });
const note = Type.Optional(Type.String({ maxLength: 500 }));
const occurredAt = Type.Optional(
  Type.String({ maxLength: 40, description: 'RFC 3339; default now. For what is booked afterwards' }),
);
/** Room for as many lines as one request may have. */
const linesSizeBytesMax = 1024 * 1024;

export const inventory = defineService({
  service: 'inventory',
  problems: inventoryProblems,
  operations: {
    hold: {
      method: 'POST',
      path: '/inventory/holds',
      summary: 'Sets stock aside for an order, all lines or none. A repeat for the same order is the same hold.',
      access: ['service'],
      callers: ['orders'],
      priority: 'critical',
      body: closed({
        orderId: OrderId,
        lines: stockLines,
        expiresInMs: Type.Optional(Type.Integer({ minimum: 1_000, maximum: 86_400_000 })),
      }),
      responses: { 200: Hold },
      problems: ['inventory/out-of-stock', 'inventory/hold-ended'],
      deadlineMs: 5_000,
    },
    commit: {
      method: 'POST',
      path: '/inventory/holds/{orderId}/commit',
      summary: 'Turns a hold into a sale. An expired hold is taken again if the stock is still there.',
      access: ['service'],
      callers: ['orders'],
      priority: 'critical',
      params: ofOrder,
      responses: { 200: Hold },
      problems: ['inventory/hold-ended', 'inventory/out-of-stock'],
      deadlineMs: 5_000,
    },
    release: {
      method: 'POST',
      path: '/inventory/holds/{orderId}/release',
      summary:
        'Gives the units of an order back, held or sold. Of an unknown order it leaves word that it may not hold.',
      access: ['service'],
      callers: ['orders'],
      priority: 'critical',
      params: ofOrder,
      responses: { 200: Hold },
      deadlineMs: 5_000,
    },
    restock: {
      method: 'POST',
      path: '/inventory/returns',
      summary: 'Takes sold units back, to the shelf or as damaged. A repeat with the same return id changes nothing.',
      access: ['service'],
      callers: ['orders'],
      priority: 'critical',
      body: closed({
        returnId: Type.String({ maxLength: 64 }),
        orderId: OrderId,
        lines: stockLines,
        sellable: Type.Boolean({ description: 'false: the units are written off' }),
      }),
      responses: { 200: Changed },
      problems: ['inventory/not-sold'],
      deadlineMs: 5_000,
    },
    receive: {
      method: 'POST',
      path: '/inventory/receipts',
      summary: 'Books goods that came in. The Idempotency-Key names the receipt for ever, whoever books it.',
      access: ['staff', 'service'],
      idempotency: 'required',
      body: closed({ lines: stockLines, note, occurredAt }),
      responses: { 201: Changed },
      deadlineMs: 10_000,
      bodySizeBytesMax: linesSizeBytesMax,
    },
    adjust: {
      method: 'POST',
      path: '/inventory/adjustments',
      summary: 'Corrects stock: a positive change was found, a negative one is written off.',
      access: ['staff', 'service'],
      idempotency: 'required',
      body: closed({
        lines: Type.Array(closed({ sku: Sku, change: Type.Integer({ minimum: -1_000_000, maximum: 1_000_000 }) }), {
          minItems: 1,
          maxItems: 2000,
        }),
        reason: Type.String({ minLength: 1, maxLength: 200, description: 'damaged, lost, found, counted …' }),
        note,
        occurredAt,
      }),
      responses: { 201: Changed },
      problems: ['inventory/not-enough-on-hand'],
      deadlineMs: 10_000,
      bodySizeBytesMax: linesSizeBytesMax,
    },
    takeStock: {
      method: 'POST',
      path: '/inventory/stock-takes',
      summary:
        'Books what was counted on the shop’s shelf, all lines or none: differences from the books become adjustments. Units held for orders lie on the shelf too.',
      access: ['staff', 'service'],
      idempotency: 'required',
      body: closed({
        lines: Type.Array(
          closed({
            sku: Sku,
            counted: Type.Integer({ minimum: 0, maximum: 1_000_000_000 }),
            version: Type.Optional(
              Type.Integer({
                minimum: 0,
                description:
                  'Of the SKU when it was counted: refused when it has changed since. Absent: counted just now',
              }),
            ),
          }),
          { minItems: 1, maxItems: 2000 },
        ),
        note,
        occurredAt,
      }),
      responses: { 201: StockTaken },
      problems: ['inventory/not-enough-on-hand', 'inventory/stock-moved'],
      deadlineMs: 10_000,
      bodySizeBytesMax: linesSizeBytesMax,
    },
    transfer: {
      method: 'POST',
      path: '/inventory/transfers',
      summary: 'Hands stock from one holder to another, all lines or none. The Idempotency-Key names it for ever.',
      access: ['staff', 'service'],
      callers: ['tills'],
      idempotency: 'required',
      body: closed({ from: Holder, to: Holder, lines: stockLines }),
      responses: { 201: ShareChange },
      problems: ['inventory/out-of-stock', 'inventory/same-holder'],
      deadlineMs: 5_000,
    },
    sell: {
      method: 'POST',
      path: '/inventory/sales',
      summary:
        'Books what a holder has sold out of its share: a fact, so it is never refused. `shortages` is what the share lacked.',
      access: ['service'],
      callers: ['tills'],
      body: closed({ reference: ShareReference, holder: Holder, lines: stockLines }),
      responses: { 200: ShareChange },
      deadlineMs: 5_000,
    },
    takeBack: {
      method: 'POST',
      path: '/inventory/sales/returns',
      summary: 'Takes units back that a holder has sold, to its shelf or as damaged.',
      access: ['service'],
      callers: ['tills'],
      body: closed({
        reference: ShareReference,
        holder: Holder,
        lines: Type.Array(closed({ sku: Sku, quantity: Quantity, sellable: Type.Boolean() }), {
          minItems: 1,
          maxItems: 2000,
        }),
      }),
      responses: { 200: ShareChange },
      problems: ['inventory/not-sold'],
      deadlineMs: 5_000,
    },
    availability: {
      method: 'GET',
      path: '/inventory/availability',
      summary: 'What the shop itself can sell of each SKU just now.',
      access: ['anonymous'],
      calls: { hedge: true },
      callers: ['carts'],
      consistency: 'strong',
      query: closed({ sku: Type.Array(Sku, { minItems: 1, maxItems: 100 }) }),
      responses: { 200: closed({ items: Type.Array(StockAnswer) }) },
    },
    holds: {
      method: 'GET',
      path: '/inventory/holds',
      summary: 'Units that are set aside just now, by when they expire.',
      access: ['staff', 'service'],
      query: closed({ ...pageQuery, sku: Type.Optional(Sku) }),
      responses: { 200: pageOf(OpenHold) },
    },
    levels: {
      method: 'GET',
      path: '/inventory/levels',
      summary: 'Stock by SKU and holder, by SKU.',
      access: ['staff', 'service'],
      callers: ['tills'],
      consistency: 'strong',
      query: closed({
        ...pageQuery,
        sku: Type.Optional(Type.Array(Sku, { maxItems: 100 })),
        holder: Type.Optional(Holder),
      }),
      responses: { 200: pageOf(StockLevel) },
    },
    exportLevels: {
      method: 'GET',
      path: '/inventory/levels/export',
      summary: 'All stock levels as JSON lines.',
      access: ['staff', 'service'],
      stream: 'reply',
      responses: { 200: StockLevel },
      deadlineMs: 60_000,
    },
    movements: {
      method: 'GET',
      path: '/inventory/movements',
      summary: 'Every change of a SKU, by version, newest first. Each holder counts its own versions.',
      access: ['staff', 'service'],
      query: closed({ ...pageQuery, sku: Sku }),
      responses: { 200: pageOf(Movement) },
    },
    exportMovements: {
      method: 'GET',
      path: '/inventory/movements/export',
      summary: 'The journal of stock as JSON lines, SKU by SKU: all movements, or those of some kinds.',
      access: ['staff', 'service'],
      stream: 'reply',
      query: closed({ kind: Type.Optional(Type.Array(MovementKind, { maxItems: 11 })) }),
      responses: { 200: Movement },
      deadlineMs: 120_000,
    },
    alarms: {
      method: 'GET',
      path: '/inventory/alarms',
      summary: 'Which SKUs are watched on the shop’s own shelf, and which of them are low.',
      access: ['staff', 'service'],
      query: closed({
        ...pageQuery,
        low: Type.Optional(Type.Boolean({ description: 'true: only those that are low' })),
      }),
      responses: { 200: pageOf(StockAlarm) },
    },
    setAlarm: {
      method: 'PUT',
      path: '/inventory/alarms/{sku}',
      summary:
        'From how many units on the SKU is low: an event and, with an address, a mail, once until there is enough again. Without `lowAt` nobody is told any more.',
      access: ['staff', 'service'],
      params: closed({ sku: Sku }),
      body: closed({
        lowAt: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000_000 })),
        email: Type.Optional(Email),
      }),
      responses: { 200: closed({ sku: Sku, lowAt: Type.Optional(Type.Integer()), email: Type.Optional(Email) }) },
    },
    conservation: {
      method: 'GET',
      path: '/inventory/conservation',
      summary: 'Units that are not accounted for, by SKU: must be none.',
      access: ['staff', 'service'],
      responses: {
        200: closed({
          skus: Type.Integer(),
          received: Type.Integer(),
          onHand: Type.Integer(),
          held: Type.Integer(),
          sold: Type.Integer(),
          inTransfer: Type.Integer({ description: 'On the way from one holder to another' }),
          writtenOff: Type.Integer(),
          violations: Type.Array(StockLevel),
        }),
      },
      deadlineMs: 30_000,
    },
  },
});

export const stockEventTypes = ['stock.changed', 'stock.low'] as const;

/**
 * Told when a SKU sells out or can be sold again at a holder, and at no other change: stock moves with every order, so
 * whoever wants numbers asks for them. `subject` is the SKU; a lower version is older.
 */
export interface StockEvent {
  readonly sku: string;
  readonly holder: string;
  readonly available: boolean;
  /** Inventory's, of this SKU at this holder. */
  readonly version: number;
}

/** Told when a watched SKU becomes low, once until there is enough again. `subject` is the SKU. */
export interface StockLowEvent {
  readonly sku: string;
  readonly holder: string;
  readonly onHand: number;
  readonly lowAt: number;
  /** Who is told by mail. */
  readonly email?: string;
  readonly version: number;
}
