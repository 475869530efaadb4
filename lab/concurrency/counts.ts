/** What happened in a run. A run in which nothing overlapped has shown nothing. */
export interface Counts {
  /** Statements, commits included, that the scheduler let go. */
  statements: number;
  /** Those that ran while another session was in the middle of a transaction. */
  interleaved: number;
  /** Those that had to wait for a lock of another session. */
  blocked: number;
  transactions: number;
  /** Transactions that were run again by the store. */
  retries: number;
  /** Errors of the database by SQLSTATE: 40001 serialisation failure, 40P01 deadlock, … */
  readonly errors: Record<string, number>;
}

export function newCounts(): Counts {
  return { statements: 0, interleaved: 0, blocked: 0, transactions: 0, retries: 0, errors: {} };
}

export function addCounts(sum: Counts, more: Counts): Counts {
  sum.statements += more.statements;
  sum.interleaved += more.interleaved;
  sum.blocked += more.blocked;
  sum.transactions += more.transactions;
  sum.retries += more.retries;
  for (const [state, count] of Object.entries(more.errors)) sum.errors[state] = (sum.errors[state] ?? 0) + count;
  return sum;
}
