/**
 * Rows as this process committed them last, so that the next step of the same work need not read and lock them first:
 * it decides on what is recalled and writes with `exactly`, which undoes the transaction where a row is no longer as it
 * was decided on. Never the truth: another process may have changed the row, and then it is read as if nothing was here.
 */
export interface Recall<Row> {
  /** Undefined where the row has to be read. */
  get(key: string): Row | undefined;
  /** After the commit, never before. */
  keep(key: string, row: Row): void;
  forget(key: string): void;
  /** A row that was not as recalled, or was there although unknown: it is to be read until it is kept or forgotten. */
  doubt(key: string): void;
  isDoubted(key: string): boolean;
}

/** Rows kept; the one that was kept longest ago goes first. */
const rowsMaxDefault = 10_000;

export function createRecall<Row extends object>(rowsMax: number = rowsMaxDefault): Recall<Row> {
  const rows = new Map<string, Row | 'doubted'>();

  function put(key: string, row: Row | 'doubted'): void {
    rows.delete(key);
    rows.set(key, row);
    if (rows.size <= rowsMax) return;
    const [oldest] = rows.keys();
    rows.delete(oldest as string);
  }

  return {
    get(key) {
      const row = rows.get(key);
      return row === 'doubted' ? undefined : row;
    },
    keep: put,
    forget: (key) => void rows.delete(key),
    doubt: (key) => put(key, 'doubted'),
    isDoubted: (key) => rows.get(key) === 'doubted',
  };
}

/**
 * The statement `write`, which fails unless it changes as many rows as the parameter `count` says: what is decided on
 * recalled rows can so be sent together with COMMIT. See `isInexact`.
 */
export function exactly(write: string, count: `$${number}`): string {
  return `with written as (${write} returning 1) select 1 / (count(*) = ${count}::bigint)::integer from written`;
}

/**
 * Waits for statements that were sent together. Rejects with what failed first in the order of sending: those behind it
 * fail only because of it, and may say so earlier.
 */
export async function allWritten(writes: readonly (Promise<unknown> | undefined)[]): Promise<void> {
  for (const answer of await Promise.allSettled(writes)) if (answer.status === 'rejected') throw answer.reason;
}
