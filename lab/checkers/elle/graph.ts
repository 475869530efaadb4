import type { Observations } from './observe.ts';
import type { Element, Transaction } from './transaction.ts';

/** Kinds of dependency as bits, so that one edge can be of several kinds and a search names those it may use. */
export const kinds = { ww: 1, wr: 2, process: 4, realtime: 8, rw: 16 } as const;
export type Kind = keyof typeof kinds;

/** What shows a dependency: the key, and the element that was overwritten, read, or not seen. */
export interface Evidence {
  readonly key: string;
  readonly element: Element;
}

export interface Edge {
  readonly to: number;
  /** Sum of `kinds`. */
  bits: number;
  readonly evidence: { [kind in Kind]?: Evidence };
}

export interface Graph {
  readonly transactions: readonly Transaction[];
  /** Edges by the transaction they leave from: `from` comes before `to` in every order that explains the history. */
  readonly edges: readonly ReadonlyMap<number, Edge>[];
  readonly edgeCount: number;
}

export interface Orders {
  /** Transactions of one process follow one another. */
  readonly process: boolean;
  /** What ended before another began comes before it. */
  readonly realtime: boolean;
}

/** The dependency graph of the committed transactions: ww, wr and rw as in Adya 1999, and the orders asked for. */
export function buildGraph({ keys, reads, committed }: Observations, orders: Orders): Graph {
  const numbers = new Map(committed.map((transaction, at) => [transaction, at]));
  const edges: Map<number, Edge>[] = committed.map(() => new Map());
  let edgeCount = 0;
  const link = (from: Transaction | undefined, to: Transaction | undefined, kind: Kind, evidence?: Evidence) => {
    const [source, target] = [from && numbers.get(from), to && numbers.get(to)];
    if (source === undefined || target === undefined || source === target) return;
    let edge = edges[source]?.get(target);
    if (!edge) {
      edge = { to: target, bits: 0, evidence: {} };
      edges[source]?.set(target, edge);
      edgeCount += 1;
    }
    edge.bits |= kinds[kind];
    if (evidence) edge.evidence[kind] ??= evidence;
  };

  const nextOf = new Map<string, readonly (Element | undefined)[]>();
  const unread = new Map<string, readonly Element[]>();
  for (const [key, { order, writers }] of keys) {
    const isCommitted = (element: Element) => numbers.has(writers.get(element) as Transaction);
    const chain = order.filter(isCommitted);
    for (const [at, element] of chain.entries()) {
      const next = chain[at + 1];
      if (next !== undefined) link(writers.get(element), writers.get(next), 'ww', { key, element: next });
    }
    // At each length of list: the next element of a committed transaction.
    const next: (Element | undefined)[] = new Array(order.length + 1);
    for (let length = order.length - 1; length >= 0; length--) {
      const element = order[length] as Element;
      next[length] = isCommitted(element) ? element : next[length + 1];
    }
    nextOf.set(key, next);
    // Committed and in no read: whatever their order, they come after all that was read.
    const seen = new Set(order);
    unread.set(
      key,
      [...writers.keys()].filter((element) => !seen.has(element) && writers.get(element)?.status === 'ok'),
    );
  }

  for (const { reader, key, list } of reads) {
    const writers = keys.get(key)?.writers;
    const last = list.findLast((element) => writers?.get(element) !== reader);
    if (last !== undefined) link(writers?.get(last), reader, 'wr', { key, element: last });
    const next = nextOf.get(key)?.[list.length];
    const later = next === undefined ? (unread.get(key) ?? []) : [next];
    for (const element of later) link(reader, writers?.get(element), 'rw', { key, element });
  }

  if (orders.process) for (const [from, to] of processPairs(committed)) link(from, to, 'process');
  if (orders.realtime) for (const [from, to] of realtimePairs(committed)) link(from, to, 'realtime');
  return { transactions: committed, edges, edgeCount };
}

function* processPairs(transactions: readonly Transaction[]): Iterable<readonly [Transaction, Transaction]> {
  const last = new Map<string, Transaction>();
  for (const transaction of transactions.toSorted((a, b) => a.startAt - b.startAt)) {
    const before = last.get(transaction.process);
    if (before) yield [before, transaction];
    last.set(transaction.process, transaction);
  }
}

/**
 * Real-time order without what follows from it: the frontier holds those that ended and that nothing which ended since
 * had waited for, so it is never larger than the number of transactions at one time.
 */
function* realtimePairs(transactions: readonly Transaction[]): Iterable<readonly [Transaction, Transaction]> {
  const moments = transactions.flatMap((transaction) => [
    { at: transaction.startAt, isEnd: false, transaction },
    { at: transaction.endAt, isEnd: true, transaction },
  ]);
  // At the same moment beginnings come first: those that touch are taken to overlap.
  moments.sort((a, b) => a.at - b.at || Number(a.isEnd) - Number(b.isEnd));
  const waitedFor = new Map<Transaction, readonly Transaction[]>();
  const frontier = new Set<Transaction>();
  for (const { at, isEnd, transaction } of moments) {
    if (!isEnd) {
      waitedFor.set(transaction, [...frontier]);
      for (const before of frontier) yield [before, transaction];
    } else if (at !== Number.POSITIVE_INFINITY) {
      for (const before of waitedFor.get(transaction) ?? []) frontier.delete(before);
      frontier.add(transaction);
    }
    if (isEnd) waitedFor.delete(transaction);
  }
}
