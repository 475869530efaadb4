import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { exitCodes } from './failure.ts';

test('a child whose parent goes before it is there ends without a word: it is no error of its own', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'process.ts')], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const said = text(child.stderr as Readable);
  child.disconnect();
  const [code] = await once(child, 'exit');
  expect(await said).toBe('');
  expect(code).toBe(exitCodes.internal);
});
