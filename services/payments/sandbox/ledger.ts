import { chargeIdOf, type Decision, type DecisionContext, decide, intentIdOfCharge } from './decide.ts';
import type { Command, Intent, LedgerRecord, Movement, Refund } from './ledger-types.ts';

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
  /** The stored reply of an idempotency key. */
  stored(key: string): LedgerRecord | undefined;
  /** Forgets keys used before `atMs`, oldest first, at most `limit` of them: bounded work for each call. */
  forgetKeysBefore(atMs: number, limit: number): void;
  intent(id: string): Intent | undefined;
  intentOfCharge(chargeId: string): Intent | undefined;
  refund(id: string): Refund | undefined;
  /** Newest first. */
  list(filter: ListFilter): Page<Intent>;
  /** Intents of the metadata `order`, oldest first. */
  ofOrder(orderId: string): readonly Intent[];
  /** Intents of the metadata `business_key`, oldest first. */
  ofBusinessKey(key: string): readonly Intent[];
  /** Every movement of money, in order: the witness. */
  entries(): readonly Movement[];
  readonly intentCount: number;
  /** Sequence number of the last record; 0 when there is none. */
  readonly lastSeq: number;
}

export function createLedger(): Ledger {
  const intents = new Map<string, Intent>();
  const idsInOrder: string[] = [];
  const intentOfRefund = new Map<string, string>();
  const byOrder = createIndex();
  const byBusinessKey = createIndex();
  const recordOfKey = new Map<string, LedgerRecord>();
  const movements: Movement[] = [];
  let lastSeq = 0;

  const current = (ids: readonly string[]): readonly Intent[] => ids.map((id) => intents.get(id) as Intent);

  return {
    decide(command, { nowMs, newId, key, cardOutcome }) {
      const intent = command.operation === 'create' ? undefined : intents.get(command.intentId);
      return decide(command, intent, {
        nowMs,
        newId,
        key,
        seq: lastSeq + 1,
        ordinal: idsInOrder.length,
        ...(cardOutcome && { cardOutcome }),
      });
    },
    apply(record) {
      if (record.seq !== lastSeq + 1) {
        throw new Error(`sandbox ledger: record ${record.seq} does not follow record ${lastSeq}`);
      }
      lastSeq = record.seq;
      const { intent } = record;
      if (record.command.operation === 'create') {
        idsInOrder.push(intent.id);
        byOrder.add(intent.metadata['order'], intent.id);
        byBusinessKey.add(intent.metadata['business_key'], intent.id);
      }
      intents.set(intent.id, intent);
      if (record.refund) intentOfRefund.set(record.refund.id, intent.id);
      for (const movement of record.movements) movements.push(movement);
      if (record.key !== undefined) {
        // A key used again after it was due to be forgotten moves to the end of the Map.
        if (recordOfKey.has(record.key)) recordOfKey.delete(record.key);
        recordOfKey.set(record.key, record);
      }
    },
    stored: (key) => recordOfKey.get(key),
    forgetKeysBefore(atMs, limit) {
      let left = limit;
      // A Map keeps the order of insertion, so the first keys are the oldest.
      for (const [key, record] of recordOfKey) {
        if (record.atMs >= atMs || left-- === 0) return;
        recordOfKey.delete(key);
      }
    },
    intent: (id) => intents.get(id),
    intentOfCharge(chargeId) {
      const intent = intents.get(intentIdOfCharge(chargeId));
      return intent && chargeIdOf(intent) === chargeId ? intent : undefined;
    },
    refund(id) {
      const intent = intents.get(intentOfRefund.get(id) ?? '');
      return intent?.refunds.find((refund) => refund.id === id);
    },
    list(filter) {
      const candidates = listCandidates(filter);
      return page(candidates, filter);
    },
    ofOrder: (orderId) => current(byOrder.get(orderId)),
    ofBusinessKey: (key) => current(byBusinessKey.get(key)),
    entries: () => movements,
    get intentCount() {
      return idsInOrder.length;
    },
    get lastSeq() {
      return lastSeq;
    },
  };

  /** The two indexed metadata fields answer at once; anything else walks all intents. */
  function listCandidates({ metadata }: ListFilter): readonly string[] {
    const orderId = metadata?.['order'];
    if (orderId !== undefined) return byOrder.get(orderId);
    const businessKey = metadata?.['business_key'];
    if (businessKey !== undefined) return byBusinessKey.get(businessKey);
    return idsInOrder;
  }

  function page(ids: readonly string[], filter: ListFilter): Page<Intent> {
    const before = filter.startingAfter === undefined ? undefined : intents.get(filter.startingAfter);
    const items: Intent[] = [];
    let position = ids === idsInOrder && before ? before.ordinal - 1 : ids.length - 1;
    for (; position >= 0; position--) {
      const intent = intents.get(ids[position] as string) as Intent;
      if (before && intent.ordinal >= before.ordinal) continue;
      if (!matches(intent, filter)) continue;
      if (items.length === filter.limit) return { items, hasMore: true };
      items.push(intent);
    }
    return { items, hasMore: false };
  }
}

function matches(intent: Intent, filter: ListFilter): boolean {
  if (filter.createdFromMs !== undefined && intent.createdMs < filter.createdFromMs) return false;
  if (filter.createdToMs !== undefined && intent.createdMs > filter.createdToMs) return false;
  if (filter.status !== undefined && intent.status !== filter.status) return false;
  for (const [name, value] of Object.entries(filter.metadata ?? {})) {
    if (intent.metadata[name] !== value) return false;
  }
  return true;
}

/** Nearly every order has one intent, so one id is kept as a string and only several as an array. */
function createIndex() {
  const idsOf = new Map<string, string | string[]>();
  const none: readonly string[] = [];
  return {
    add(value: string | undefined, id: string): void {
      if (value === undefined) return;
      const known = idsOf.get(value);
      if (known === undefined) idsOf.set(value, id);
      else if (typeof known === 'string') idsOf.set(value, [known, id]);
      else known.push(id);
    },
    get(value: string): readonly string[] {
      const known = idsOf.get(value);
      return known === undefined ? none : typeof known === 'string' ? [known] : known;
    },
  };
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
