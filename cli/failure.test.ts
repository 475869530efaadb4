import { expect, test } from 'vitest';
import { EmbeddedPostgresError } from '#kit/store/embedded';
import { explain } from './failure.ts';

test('a limit on open files that is too low is told with the remedy, whoever meets it', () => {
  const ofServer = new EmbeddedPostgresError(
    'start-failed',
    'A database could not be created in /data: DETAIL:  System allows 57, server needs at least 58, 7 files are already open.',
  );
  const ofNode = Object.assign(new Error('spawn EMFILE'), { code: 'EMFILE' });
  for (const error of [ofServer, ofNode]) {
    expect(explain(error)).toEqual({
      sentence: 'This shell allows too few open files: raise the limit (ulimit -n 1024) and try again.',
      exitCode: 4,
    });
  }
});

test.each([
  [
    { code: 'ECONNREFUSED', address: '127.0.0.1', port: 5432 },
    'No database server answers at 127.0.0.1:5432 (ECONNREFUSED)',
  ],
  [{ code: 'ENOTFOUND', hostname: 'db.example' }, 'No database server answers at db.example (ENOTFOUND)'],
  [{ code: 'EAI_AGAIN', hostname: 'db.example' }, 'No database server answers at db.example (EAI_AGAIN)'],
  [{ code: 'ENETUNREACH', address: '127.0.0.1', port: 5432 }, 'This machine has no way to 127.0.0.1 (ENETUNREACH)'],
])('%j is told with where it was looked for', (fields, beginning) => {
  const { sentence, exitCode } = explain(Object.assign(new Error('connect'), fields));
  expect(sentence).toMatch(/: (start it, or correct|bring its network up)/);
  expect([sentence.slice(0, beginning.length), exitCode]).toEqual([beginning, 4]);
});
