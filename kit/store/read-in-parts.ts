/** Rows held in memory at a time. */
const rowsMaxDefault = 1_000;

/**
 * All rows of a table that may be long, in as many short reads as it takes: a reader that is slow holds no transaction open,
 * and each row is as it was when its turn came. `read` answers at most `limit` rows in the order of their key, those
 * behind `last`; from the start where there is none.
 *
 *     readInParts((last, limit) => readOrders(database, last?.id ?? '', limit))
 */
export async function* readInParts<Row>(
  read: (last: Row | undefined, limit: number) => Promise<readonly Row[]>,
  rowsMax = rowsMaxDefault,
): AsyncGenerator<Row> {
  let last: Row | undefined;
  for (;;) {
    const rows = await read(last, rowsMax);
    yield* rows;
    last = rows.at(-1);
    if (rows.length < rowsMax) return;
  }
}
