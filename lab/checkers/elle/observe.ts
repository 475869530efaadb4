import type { Anomaly } from './anomaly.ts';
import { describeList, describeTransaction, type Element, type Transaction } from './transaction.ts';

/** What the reads show of one key. */
export interface KeyHistory {
  /** The longest list that a committed transaction read: the order of versions, as each read shows its whole past. */
  order: readonly Element[];
  /** Who read it. */
  orderReader: Transaction | undefined;
  readonly writers: Map<Element, Transaction>;
  /** The last element that each transaction appended here. */
  readonly finals: Map<Transaction, Element>;
}

export interface CommittedRead {
  readonly reader: Transaction;
  readonly key: string;
  readonly list: readonly Element[];
}

export interface Observations {
  readonly keys: ReadonlyMap<string, KeyHistory>;
  /** Reads that fit the order of their key. */
  readonly reads: readonly CommittedRead[];
  /** Committed, or seen by a read and so committed. */
  readonly committed: readonly Transaction[];
  readonly anomalies: readonly Anomaly[];
}

/** Indexes a history by key, and finds all that is wrong without looking at cycles. */
export function observe(history: readonly Transaction[]): Observations {
  const keys = indexAppends(history);
  const anomalies: Anomaly[] = [];
  const reads: CommittedRead[] = [];
  for (const reader of history) {
    if (reader.status !== 'ok') continue;
    anomalies.push(...internalAnomalies(reader));
    for (const [kind, key, list] of reader.operations) {
      if (kind === 'read' && list) reads.push({ reader, key, list });
    }
  }
  for (const read of reads) anomalies.push(...readAnomalies(read, historyOf(keys, read.key)));
  for (const { reader, key, list } of reads) {
    const history = historyOf(keys, key);
    if (list.length <= history.order.length) continue;
    history.order = list;
    history.orderReader = reader;
  }
  const fitting = reads.filter((read) => {
    const anomaly = incompatibleOrder(read, historyOf(keys, read.key));
    if (anomaly) anomalies.push(anomaly);
    return !anomaly;
  });
  return { keys, reads: fitting, committed: committedOf(history, keys), anomalies };
}

function historyOf(keys: Map<string, KeyHistory>, key: string): KeyHistory {
  let history = keys.get(key);
  if (!history) {
    history = { order: [], orderReader: undefined, writers: new Map(), finals: new Map() };
    keys.set(key, history);
  }
  return history;
}

/** @throws if an element is appended to a key twice: then no read could tell who wrote it. */
function indexAppends(history: readonly Transaction[]): Map<string, KeyHistory> {
  const keys = new Map<string, KeyHistory>();
  for (const transaction of history) {
    for (const [kind, key, element] of transaction.operations) {
      if (kind !== 'append') continue;
      const { writers, finals } = historyOf(keys, key);
      const other = writers.get(element);
      if (other)
        throw new Error(
          `T${other.id} and T${transaction.id} both append ${element} to ${key}: append each value once a key`,
        );
      writers.set(element, transaction);
      finals.set(transaction, element);
    }
  }
  return keys;
}

/** Of a transaction nobody knows the end of, a read that saw its append knows: it committed. */
function committedOf(history: readonly Transaction[], keys: ReadonlyMap<string, KeyHistory>): Transaction[] {
  const seen = new Set<Transaction>();
  for (const { order, writers } of keys.values()) {
    for (const element of order) {
      const writer = writers.get(element);
      if (writer) seen.add(writer);
    }
  }
  return history.filter((one) => one.status === 'ok' || (one.status === 'info' && seen.has(one)));
}

function* readAnomalies({ reader, key, list }: CommittedRead, history: KeyHistory): Iterable<Anomaly> {
  const tell = (name: Anomaly['name'], writer: Transaction | undefined, why: string): Anomaly => ({
    name,
    transactions: writer ? [writer, reader] : [reader],
    explanation: [...(writer ? [describeTransaction(writer)] : []), describeTransaction(reader), why],
  });
  const seen = new Set<Element>();
  for (const element of list) {
    const writer = history.writers.get(element);
    if (seen.has(element))
      yield tell('duplicate-element', writer, `${key} has ${element} twice: ${describeList(list)}`);
    seen.add(element);
    if (!writer) yield tell('unknown-element', undefined, `nobody appended ${element} to ${key}`);
    else if (writer.status === 'fail') {
      yield tell('G1a', writer, `T${reader.id} read ${element} of ${key}, which T${writer.id} appended, and aborted`);
    }
  }
  const last = list.at(-1);
  const writer = last === undefined ? undefined : history.writers.get(last);
  if (last === undefined || !writer || writer === reader || history.finals.get(writer) === last) return;
  yield tell(
    'G1b',
    writer,
    `T${reader.id} read ${key} ending with ${last}, though T${writer.id} went on to append ${history.finals.get(writer)}`,
  );
}

/** A transaction must see its own appends, each once it was made and not before. */
function* internalAnomalies(transaction: Transaction): Iterable<Anomaly> {
  const { operations } = transaction;
  const tell = (why: string): Anomaly => ({
    name: 'internal',
    transactions: [transaction],
    explanation: [describeTransaction(transaction), why],
  });
  for (const [at, [kind, key, list]] of operations.entries()) {
    if (kind !== 'read' || !list) continue;
    const own: Element[] = [];
    for (const [other, [otherKind, otherKey, element]] of operations.entries()) {
      if (otherKind !== 'append' || otherKey !== key) continue;
      if (other < at) own.push(element);
      else if (list.includes(element)) yield tell(`it read ${element} of ${key} before it appended it`);
    }
    const shown = list.filter((element) => own.includes(element));
    if (own.some((element, place) => shown[place] !== element)) {
      yield tell(`it had appended ${own.join(', ')} to ${key} and then read ${describeList(list)}`);
    }
  }
}

function incompatibleOrder({ reader, key, list }: CommittedRead, { order, orderReader }: KeyHistory) {
  const at = list.findIndex((element, place) => element !== order[place]);
  if (at < 0) return undefined;
  return {
    name: 'incompatible-order',
    transactions: orderReader ? [orderReader, reader] : [reader],
    explanation: [
      `T${orderReader?.id} read ${key} as ${describeList(order)}`,
      `T${reader.id} read ${key} as ${describeList(list)}`,
      `they differ at place ${at + 1}: neither is the beginning of the other`,
    ],
  } satisfies Anomaly;
}
