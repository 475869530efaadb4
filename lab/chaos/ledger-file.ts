import { readFile } from 'node:fs/promises';
import type { LedgerRecord, Movement } from '#services/payments/sandbox';

/**
 * The movements of money in the pretended provider's journal, read beside it without disturbing it. What is not whole
 * at the end is being written: nobody has been told of it yet.
 *
 * The format is that of `services/payments/sandbox/journal.ts`: a line, then batches of `#<bytes> <crc32>\n` and NDJSON.
 */
export async function readLedgerFile(path: string): Promise<Movement[]> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const movements: Movement[] = [];
  let at = bytes.indexOf('\n') + 1;
  for (;;) {
    const lineEnd = bytes.indexOf('\n', at);
    const header = lineEnd === -1 ? null : /^#(\d+) \d+$/.exec(bytes.toString('latin1', at, lineEnd));
    if (!header) return movements;
    const end = lineEnd + 1 + Number(header[1]);
    if (end > bytes.length) return movements;
    for (const line of bytes.toString('utf8', lineEnd + 1, end).split('\n')) {
      if (line !== '') movements.push(...(JSON.parse(line) as LedgerRecord).movements);
    }
    at = end;
  }
}
