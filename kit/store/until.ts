import type { Database, Queryable } from '#kit/runtime';

/** The database for as long as somebody waits: when the signal aborts, what is under way there is cancelled. */
export function until(signal: AbortSignal, database: Database): Queryable {
  return { query: (text, values) => database.query(text, values, signal) };
}
