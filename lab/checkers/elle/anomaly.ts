import type { Transaction } from './transaction.ts';

/** What a cycle is made of, weakest first (Adya 1999; `G-single` and `G-nonadjacent` as in Elle). */
export const cycleClasses = ['G0', 'G1c', 'G-single', 'G-nonadjacent', 'G2-item'] as const;
export type CycleClass = (typeof cycleClasses)[number];

/** What is wrong without any cycle. */
export type DirectAnomaly =
  /** A committed read saw what an aborted transaction had appended. */
  | 'G1a'
  /** A committed read saw a list that its writer went on to change. */
  | 'G1b'
  /** A transaction did not see its own append, or saw it before it was made. */
  | 'internal'
  /** Two reads of one key of which neither is the beginning of the other: appends were lost or reordered. */
  | 'incompatible-order'
  /** One element twice in a list: an append was applied again. */
  | 'duplicate-element'
  /** An element that nobody appended. */
  | 'unknown-element';

/** A cycle that needs the order in a process, or in real time, carries that in its name. */
export type AnomalyName = DirectAnomaly | CycleClass | `${CycleClass}-process` | `${CycleClass}-realtime`;

export interface Anomaly {
  readonly name: AnomalyName;
  /** Those that take part, in the order of the cycle where it is one. */
  readonly transactions: readonly Transaction[];
  /** Lines that tell a reader why. */
  readonly explanation: readonly string[];
}

const basics: readonly AnomalyName[] = ['internal', 'incompatible-order', 'duplicate-element', 'unknown-element'];
const uncommitted: readonly AnomalyName[] = [...basics, 'G0'];
const committed: readonly AnomalyName[] = [...uncommitted, 'G1a', 'G1b', 'G1c'];
const snapshot: readonly AnomalyName[] = [...committed, 'G-single', 'G-nonadjacent'];
const serializable: readonly AnomalyName[] = [...snapshot, 'G2-item'];
const session: readonly AnomalyName[] = [...serializable, ...cycleClasses.map((name) => `${name}-process` as const)];
const strict: readonly AnomalyName[] = [...session, ...cycleClasses.map((name) => `${name}-realtime` as const)];

/**
 * What each level of isolation rules out. PostgreSQL's `read committed` is `read-committed` here, its `repeatable read`
 * is `snapshot-isolation`, its `serializable` is `serializable` (it does not promise real-time order).
 */
export const forbiddenBy = {
  'read-uncommitted': uncommitted,
  'read-committed': committed,
  'snapshot-isolation': snapshot,
  serializable,
  'strong-session-serializable': session,
  'strict-serializable': strict,
} as const satisfies Record<string, readonly AnomalyName[]>;

export type IsolationLevel = keyof typeof forbiddenBy;
