/** A value that was appended. Each is appended to a key at most once, so that it names its writer. */
export type Element = number | string;

/** One step of a transaction. A read without a list is one whose answer nobody saw. */
export type MicroOperation =
  | readonly ['append', key: string, element: Element]
  | readonly ['read', key: string, list?: readonly Element[] | null];

/** A transaction over lists that can only be appended to, and how it ended for its client. */
export interface Transaction {
  readonly id: string;
  /** Who ran it. A process runs one transaction at a time. */
  readonly process: string;
  /** `ok` committed; `fail` certainly did not; `info` nobody knows. */
  readonly status: 'ok' | 'fail' | 'info';
  /** When it was begun and when its end was known, on one clock. An `info` never ends: use Infinity. */
  readonly startAt: number;
  readonly endAt: number;
  readonly operations: readonly MicroOperation[];
}

export function describeTransaction({ id, operations }: Transaction): string {
  return `T${id} = ${operations.map(describeOperation).join(', ')}`;
}

function describeOperation(operation: MicroOperation): string {
  const [kind, key, value] = operation;
  if (kind === 'append') return `append ${key} ${value}`;
  return `read ${key} ${describeList(operation[2])}`;
}

const listShownMax = 12;

export function describeList(list: readonly Element[] | null | undefined): string {
  if (!list) return '[unknown]';
  if (list.length <= listShownMax) return `[${list.join(' ')}]`;
  return `[… ${list.slice(-listShownMax).join(' ')}]`;
}
