import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createFileJournal, type LedgerRecord } from '#services/payments/sandbox';
import { readLedgerFile } from './ledger-file.ts';

const record = (seq: number) =>
  ({ seq, movements: [{ seq, kind: 'captured', orderId: `ord_ü${seq}` }] }) as unknown as LedgerRecord;

test('the movements that the journal wrote are read beside it; what is half written is not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ledger-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'journal');
  expect(await readLedgerFile(path)).toEqual([]);
  const journal = createFileJournal({ path });
  await journal.rebuild(() => {});
  await Promise.all([journal.append(record(1)), journal.append(record(2))]);
  await journal.append(record(3));
  appendFileSync(path, '#500 12345\n{"half":');
  expect((await readLedgerFile(path)).map(({ orderId }) => orderId)).toEqual(['ord_ü1', 'ord_ü2', 'ord_ü3']);
  await journal.close();
});
