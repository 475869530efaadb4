/** Rows as columns for a terminal: the first `leftAligned` to the left, the others to the right; two spaces between. */
export function inColumns(rows: readonly (readonly string[])[], leftAligned: number): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const pad = (text: string, i: number) =>
    i < leftAligned ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0);
  return rows.map((row) => row.map(pad).join('  ').trimEnd());
}
