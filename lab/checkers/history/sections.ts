import Type, { type Static, type TSchema } from 'typebox';

/**
 * What is left when all is quiet, by section: rows of the services' databases, the provider's own books, and what
 * readers of events have applied. A section is there as a whole or not at all; what needs a missing one is not checked.
 * Rows may carry more fields than these: they are not looked at.
 */

const Text = Type.String();
const Id = Type.String({ minLength: 1 });
const Whole = Type.Integer();
const maybe = <S extends TSchema>(schema: S) => Type.Optional(Type.Union([schema, Type.Undefined()]));
const Units = Type.Object({ sku: maybe(Text), quantity: Whole });

const eventFields = { eventId: Id, type: Text, orderId: Text, hlc: maybe(Text), causedBy: maybe(Text) };

export const sectionSchemas = {
  /** Orders. `lines` without a `sku` are fees; `returns` are what came back. */
  orders: Type.Object({
    id: Id,
    state: Text,
    totalMinor: Whole,
    refundedMinor: Whole,
    scope: Text,
    businessKey: Text,
    lines: Type.Array(Units),
    returns: maybe(Type.Array(Type.Object({ state: Text, lines: Type.Array(Units) }))),
  }),
  sagas: Type.Object({ id: Id, status: Text, orderId: maybe(Text), definition: maybe(Text), step: maybe(Whole) }),
  /** Idempotency keys. `reference`: the saga that will end it. */
  claims: Type.Object({
    database: Text,
    scope: Text,
    key: Text,
    done: Type.Boolean(),
    reference: maybe(Type.Union([Text, Type.Null()])),
  }),
  /** Events that were not relayed yet. */
  outbox: Type.Object(eventFields),
  stock: Type.Object({
    sku: Id,
    /** Who may sell it. Default: the shop itself. */
    holder: maybe(Text),
    received: Whole,
    onHand: Whole,
    held: Whole,
    sold: Whole,
    writtenOff: Whole,
    /** Handed over to other holders, and by them. */
    sent: maybe(Whole),
    arrived: maybe(Whole),
    /** Under way from one holder to another. */
    inTransfer: maybe(Whole),
    version: Whole,
  }),
  /** The journal of stock: one row a version of a SKU at a holder. */
  movements: Type.Object({
    sku: Id,
    holder: maybe(Text),
    version: Whole,
    kind: Text,
    quantity: Whole,
    reference: Text,
  }),
  /** `lines` are sku and quantity, and what else the row keeps. */
  holds: Type.Object({
    orderId: Id,
    status: Text,
    lines: Type.Array(Type.Unsafe<readonly [sku: string, quantity: number, ...unknown[]]>(Type.Array(Type.Unknown()))),
  }),
  /** Goods that came back. */
  returns: Type.Object({ returnId: Id, orderId: Id, lines: Type.Array(Type.Object({ sku: Text, quantity: Whole })) }),
  payments: Type.Object({ orderId: Id, status: Text, capturedMinor: Whole, refundedMinor: Whole }),
  refunds: Type.Object({ refundId: Id, orderId: Id, amountMinor: Whole, status: Text }),
  /** The log, in order within each partition. */
  log: Type.Object({ ...eventFields, partition: Whole, offset: Whole }),
  /** What each consumer has applied, in the order in which it did. Default of `consumer`: there is one. */
  applied: Type.Object({ eventId: Id, orderId: Text, consumer: maybe(Text) }),
  /** A read model of orders. */
  views: Type.Object({ orderId: Id, state: Text }),
  /** Any other read model: what it says, and what its source says. */
  models: Type.Object({ model: Id, key: Id, source: Type.Unknown(), copy: Type.Unknown() }),
  /** Events that a consumer has given up: left to people. */
  deadLetters: Type.Object({ eventId: Id, orderId: Text, consumer: maybe(Text) }),
  /** The provider's own books, in order: the witness from outside. */
  ledger: Type.Object({
    seq: Whole,
    kind: Type.Unsafe<'authorized' | 'captured' | 'released' | 'voided' | 'refunded'>(
      Type.Union(['authorized', 'captured', 'released', 'voided', 'refunded'].map((kind) => Type.Literal(kind))),
    ),
    intentId: Id,
    orderId: maybe(Text),
    amountMinor: Whole,
    currency: Text,
  }),
} as const;

type DeepReadonly<T> = T extends (...args: never) => unknown
  ? T
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

export type SectionName = keyof typeof sectionSchemas;
export type Row<Name extends SectionName> = DeepReadonly<Static<(typeof sectionSchemas)[Name]>>;
export type Sections = { readonly [Name in SectionName]: readonly Row<Name>[] };
export const sectionNames = Object.keys(sectionSchemas) as readonly SectionName[];
