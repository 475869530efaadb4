import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** A checkout where nothing is installed, and an npm that will not be stopped. */
let checkout: string;
beforeAll(() => {
  checkout = mkdtempSync(join(tmpdir(), 'holdfast-bootstrap-'));
  for (const folder of ['cli', 'bin']) mkdirSync(join(checkout, folder));
  copyFileSync(join(import.meta.dirname, 'bootstrap.mjs'), join(checkout, 'cli/bootstrap.mjs'));
  writeFileSync(join(checkout, 'package-lock.json'), '{"packages":{"node_modules/node":{"version":"24.0.0"}}}');
  writeFileSync(join(checkout, 'bin/npm'), `#!/bin/sh\ntrap '' INT\necho "npm is $$" >&2\nexec sleep 600\n`);
  chmodSync(join(checkout, 'bin/npm'), 0o755);
});
afterAll(() => rmSync(checkout, { recursive: true, force: true }));

/** Sends itself the signal of a Ctrl-C as soon as it has begun npm. */
const interruptsItself = `--import=data:text/javascript,${encodeURIComponent(`
  import processes from 'node:child_process';
  import { syncBuiltinESMExports } from 'node:module';
  const { spawn } = processes;
  processes.spawn = (...all) => {
    const child = spawn(...all);
    process.kill(process.pid, 'SIGINT');
    return child;
  };
  syncBuiltinESMExports();
`)}`;

test.each([
  ['an installation', ''],
  ['one that was interrupted as it began, too,', interruptsItself],
])('%s that will not be interrupted is ended by the second Ctrl-C', async (_, options) => {
  const path = `${join(checkout, 'bin')}:${process.env['PATH']}`;
  const environment = { ...process.env, PATH: path, NODE_OPTIONS: options };
  const started = spawn(process.execPath, ['cli/bootstrap.mjs', 'cli/main.ts'], { cwd: checkout, env: environment });
  // Not `exit`, which may come before the last of what was said.
  const ended = new Promise((resolve) => started.once('close', resolve));
  let said = '';
  const begun = new Promise<void>((resolve) => {
    started.stderr.on('data', (chunk) => {
      said += chunk;
      if (said.includes('npm is')) resolve();
    });
  });
  // Interrupted before it has said that it will not be, npm ends, and so does all.
  await Promise.race([begun, ended]);
  started.kill('SIGINT');
  started.kill('SIGINT');
  // Two signals may arrive as one.
  const again = setInterval(() => started.kill('SIGINT'), 100);
  expect(await ended).toBe(4);
  clearInterval(again);
  expect(said).toContain('Stopped while installing: start again to go on.');
  const [, pid] = /npm is (\d+)/.exec(said) ?? [];
  if (pid !== undefined) expect(() => process.kill(Number(pid), 0)).toThrow();
});
