import { expect, test } from 'vitest';
import { dumpTables } from './facts.ts';
import type { Session } from './pglite/session.ts';

test('what is left is the same wherever the checkout lies: a dead letter keeps a stack, and a stack names files', () => {
  const { stack } = new Error('nobody can read this');
  const answers: Readonly<Record<string, readonly object[]>> = {
    name: [{ name: 'dead_letter' }],
    row: [{ row: stack }],
  };
  const session = { run: (sql: string) => ({ rows: answers[sql.includes(' as row ') ? 'row' : 'name'] }) };
  const [left] = dumpTables(session as unknown as Session, 'log');
  expect(left?.row).toContain('lab/simulator/facts.test.ts');
  expect(left?.row).not.toContain(new URL('../../', import.meta.url).pathname);
});
