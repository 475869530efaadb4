import { HistoryError } from './error.ts';

/** A longer line is refused: a file without ends of line is no history, and would not fit into memory. */
const lineCharsMax = 16 * 1024 * 1024;

/** The lines of a text that comes in pieces. */
export async function* splitLines(pieces: AsyncIterable<string> | Iterable<string>): AsyncIterable<string> {
  let rest = '';
  let line = 1;
  for await (const piece of pieces) {
    const parts = (rest + piece).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      line += 1;
      yield part;
    }
    if (rest.length > lineCharsMax) throw new HistoryError(line, `longer than ${lineCharsMax} characters`);
  }
  if (rest !== '') yield rest;
}
