import type { Queryable, SqlValue } from '#kit/runtime';

/** Rows removed by one statement: small enough not to hold locks for long. */
const rowsMaxDefault = 5_000;
/** Statements of one call: with a call a minute more is removed than any of our writers adds. */
const statementsMax = 100;

/**
 * Removes old rows, a bounded piece at a time, until fewer than a whole piece were left. `sql` gets `values` and, as its last
 * parameter, how many rows it may remove. Answers how many were removed, at most a hundred pieces: call it periodically.
 *
 *     delete from t where ctid = any (array(select ctid from t where ended_at < $1 limit $2))
 */
export async function removeInParts(
  database: Queryable,
  sql: string,
  values: readonly SqlValue[],
  rowsMax = rowsMaxDefault,
): Promise<number> {
  let removed = 0;
  for (let i = 0; i < statementsMax; i++) {
    const { count } = await database.query(sql, [...values, rowsMax]);
    removed += count;
    if (count < rowsMax) break;
  }
  return removed;
}
