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
