import { chargeIdOf, type Decision, type DecisionContext, decide, intentIdOfCharge } from './decide.ts';
import type { Command, Intent, LedgerRecord, Movement, Refund } from './ledger-types.ts';
import { pack, unpack } from './packing.ts';
import { createTextIndex, type TextIndex } from './text-index.ts';

/** What a decision draws from its caller. */
export type LedgerContext = Pick<DecisionContext, 'nowMs' | 'newId' | 'cardOutcome'> & {
  readonly key: string | undefined;
};

export interface ListFilter {
  /** Id after which (towards older ones) the page starts. */
  readonly startingAfter?: string;
  readonly limit: number;
  readonly createdFromMs?: number;
  readonly createdToMs?: number;
  /** All of these must match. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly status?: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly hasMore: boolean;
}

/**
 * The provider's own books, in memory: no IO, no clock, no randomness. `decide` says what a call would do, `apply` does
 * it; between the two the caller writes the record down. Applying the same records in order gives the same ledger,
 * which is how it is rebuilt.
 */
export interface Ledger {
  decide(command: Command, context: LedgerContext): Decision;
  apply(record: LedgerRecord): void;
  /** What was done under an idempotency key, by the last call that used it. Keys out of use may be forgotten. */
  stored(key: string): LedgerRecord | undefined;
  intent(id: string): Intent | undefined;
  intentOfCharge(chargeId: string): Intent | undefined;
  refund(id: string): Refund | undefined;
  /** Newest first. */
  list(filter: ListFilter): Page<Intent>;
  /** Intents of the metadata `order`, oldest first. */
  ofOrder(orderId: string): readonly Intent[];
  /** Intents of the metadata `business_key`, oldest first. */
  ofBusinessKey(key: string): readonly Intent[];
  /** Every movement of money, in order: the witness. Looks at all payments. */
  entries(): readonly Movement[];
  readonly intentCount: number;
  /** Sequence number of the last record; 0 when there is none. */
  readonly lastSeq: number;
}

export interface LedgerOptions {
  /** Keys used longer ago than this are of no use any more. Default 24 h. */
  readonly keyTtlMs?: number;
  /** Payments touched last that are kept as objects; those touched longer ago are packed. Default 1,000. */
  readonly unpackedMax?: number;
}

/** Calls that moved no money are looked through for old ones whenever a payment has had so many more. */
const sweepEvery = 64;

export function createLedger({ keyTtlMs = 24 * 3_600_000, unpackedMax = 1_000 }: LedgerOptions = {}): Ledger {
  /** What was done to each payment, by its ordinal: the records, or a text that `pack` made of them. */
  const payments: (LedgerRecord[] | string)[] = [];
  /** Ordinals of those that are not packed, the one touched last at the end. */
  const unpacked = new Set<number>();
  const [byId, byOrder, byBusinessKey, byKey, byRefund] = Array.from({ length: 5 }, createTextIndex) as Indexes;
  let lastSeq = 0;

  function recordsOf(ordinal: number): LedgerRecord[] {
    const kept = payments[ordinal] as LedgerRecord[] | string;
    return typeof kept === 'string' ? unpack(kept) : kept;
  }

  const intentAt = (ordinal: number): Intent => (recordsOf(ordinal).at(-1) as LedgerRecord).intent;

  function intentOf(id: string): Intent | undefined {
    return byId
      .of(id)
      .map(intentAt)
      .find((intent) => intent.id === id);
  }

  const withMetadata = (index: TextIndex, name: string, value: string): readonly Intent[] =>
    index
      .of(value)
      .map(intentAt)
      .filter(({ metadata }) => metadata[name] === value);

  function keep({ ordinal }: Intent, record: LedgerRecord): void {
    const before = ordinal < payments.length ? recordsOf(ordinal) : [];
    const records = before.length > 0 && before.length % sweepEvery === 0 ? before.filter(isOfUse) : before;
    records.push(record);
    payments[ordinal] = records;
    unpacked.delete(ordinal);
    unpacked.add(ordinal);
    if (unpacked.size <= unpackedMax) return;
    const oldest = unpacked.values().next().value as number;
    unpacked.delete(oldest);
    payments[oldest] = pack(recordsOf(oldest));

    function isOfUse({ movements, atMs }: LedgerRecord): boolean {
      return movements.length > 0 || atMs >= record.atMs - keyTtlMs;
    }
  }

  return {
    decide(command, { nowMs, newId, key, cardOutcome }) {
      const intent = command.operation === 'create' ? undefined : intentOf(command.intentId);
      return decide(command, intent, {
        nowMs,
        newId,
        key,
        seq: lastSeq + 1,
        ordinal: payments.length,
        ...(cardOutcome && { cardOutcome }),
      });
    },
    apply(record) {
      if (record.seq !== lastSeq + 1) {
        throw new Error(`sandbox ledger: record ${record.seq} does not follow record ${lastSeq}`);
      }
      lastSeq = record.seq;
      const { intent, key, refund } = record;
      if (record.command.operation === 'create') {
        const { order, business_key: businessKey } = intent.metadata;
        byId.add(intent.id, intent.ordinal);
        if (order !== undefined) byOrder.add(order, intent.ordinal);
        if (businessKey !== undefined) byBusinessKey.add(businessKey, intent.ordinal);
      }
      if (refund) byRefund.add(refund.id, intent.ordinal);
      if (key !== undefined) byKey.add(key, intent.ordinal);
      keep(intent, record);
    },
    stored(key) {
      let last: LedgerRecord | undefined;
      for (const record of byKey.of(key).flatMap(recordsOf)) {
        if (record.key === key && record.seq > (last?.seq ?? 0)) last = record;
      }
      return last;
    },
    intent: intentOf,
    intentOfCharge(chargeId) {
      const intent = intentOf(intentIdOfCharge(chargeId));
      return intent && chargeIdOf(intent) === chargeId ? intent : undefined;
    },
    refund(id) {
      return byRefund
        .of(id)
        .flatMap((ordinal) => intentAt(ordinal).refunds)
        .find((refund) => refund.id === id);
    },
    list(filter) {
      return page(listCandidates(filter), filter);
    },
    ofOrder: (orderId) => withMetadata(byOrder, 'order', orderId),
    ofBusinessKey: (key) => withMetadata(byBusinessKey, 'business_key', key),
    entries() {
      const movements = payments.flatMap((_, ordinal) => recordsOf(ordinal).flatMap((record) => record.movements));
      return movements.sort((a, b) => a.seq - b.seq);
    },
    get intentCount() {
      return payments.length;
    },
    get lastSeq() {
      return lastSeq;
    },
  };

  /** The two indexed metadata fields answer at once; anything else walks all payments. */
  function listCandidates({ metadata }: ListFilter): readonly number[] | undefined {
    const orderId = metadata?.['order'];
    if (orderId !== undefined) return byOrder.of(orderId);
    const businessKey = metadata?.['business_key'];
    if (businessKey !== undefined) return byBusinessKey.of(businessKey);
    return undefined;
  }

  /** Of these, or of all. */
  function page(ordinals: readonly number[] | undefined, filter: ListFilter): Page<Intent> {
    const before = filter.startingAfter === undefined ? undefined : intentOf(filter.startingAfter);
    const items: Intent[] = [];
    let position = (ordinals ? ordinals.length : (before?.ordinal ?? payments.length)) - 1;
    for (; position >= 0; position--) {
      const ordinal = ordinals ? (ordinals[position] as number) : position;
      if (before && ordinal >= before.ordinal) continue;
      const intent = intentAt(ordinal);
      if (!matches(intent, filter)) continue;
      if (items.length === filter.limit) return { items, hasMore: true };
      items.push(intent);
    }
    return { items, hasMore: false };
  }
}

type Indexes = [TextIndex, TextIndex, TextIndex, TextIndex, TextIndex];

function matches(intent: Intent, filter: ListFilter): boolean {
  if (filter.createdFromMs !== undefined && intent.createdMs < filter.createdFromMs) return false;
  if (filter.createdToMs !== undefined && intent.createdMs > filter.createdToMs) return false;
  if (filter.status !== undefined && intent.status !== filter.status) return false;
  for (const [name, value] of Object.entries(filter.metadata ?? {})) {
    if (intent.metadata[name] !== value) return false;
  }
  return true;
}

/** Whether two calls ask for the same. A field left out equals one that is undefined: JSON does not tell them apart. */
export function sameCommand(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  const left = one as Record<string, unknown>;
  const right = other as Record<string, unknown>;
  for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
    if (!sameCommand(left[name], right[name])) return false;
  }
  return true;
}
