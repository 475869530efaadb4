import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findFreePort } from '#kit/store/embedded';
import { newFolder, runCommand } from './testing.ts';

async function squat(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

test('version prints one line and ends with 0', async () => {
  const run = runCommand('version');
  expect(await run.ended).toBe(0);
  expect(run.stdout()).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test.each([
  [['uo'], /unknown command 'uo'/],
  [['up', '--port', 'eighty'], /Give a number from 1 to 65535/],
  [['up', '--topology', 'nowhere'], /There is no topology "nowhere": give one of one-process, process-per-service/],
])('a mistake on the command line, %j, ends with 2 and says what is right', async (args, message) => {
  const run = runCommand(...args);
  expect(await run.ended).toBe(2);
  expect(run.stderr()).toMatch(message);
});

test('a topology file with mistakes is refused with all of them at once', async () => {
  const file = join(newFolder(), 'topology.json');
  writeFileSync(
    file,
    JSON.stringify({
      processes: { Front: { runs: ['gateway'] }, back: { runs: ['orders', 'shoes'], instances: 99, colour: 'red' } },
      database: { adminUrl: 'mysql://x' },
      mail: { url: 'smtp://me:hidden@mail.example', from: 'nobody' },
      events: { keepDays: 0 },
      extra: true,
    }),
  );
  const run = runCommand('up', '--topology', file);
  expect(await run.ended).toBe(2);
  const mistakes = run
    .stderr()
    .split('\n')
    .filter((line) => line.startsWith('  - '))
    .join('\n');
  for (const part of [
    /extra/,
    /Front/,
    /colour/,
    /runs\.1/,
    /instances/,
    /adminUrl/,
    /mail\.from/,
    /mail\.url/,
    /keepDays/,
  ]) {
    expect(mistakes).toMatch(part);
  }
  expect(mistakes).not.toContain('hidden');
});

test('a port in use is refused with the pid that has it and the remedy, in JSON too', async () => {
  const port = await squat();
  const run = runCommand('up', '--port', String(port), '--data-dir', newFolder(), '--json');
  expect(await run.ended).toBe(4);
  const sentence = `Port ${port} is in use by process ${process.pid}: stop it with "kill ${process.pid}", or choose another port with --port.`;
  expect(run.stderr()).toContain(sentence);
  expect(JSON.parse(run.stdout())).toEqual({ ok: false, error: sentence, exitCode: 4 });
});

test('a data directory that can’t be written is refused with the remedy', async () => {
  const file = join(newFolder(), 'file');
  writeFileSync(file, '');
  const run = runCommand('up', '--port', String(await findFreePort()), '--data-dir', join(file, 'data'));
  expect(await run.ended).toBe(4);
  expect(run.stderr()).toMatch(/can't be made .* a file is in its place or on its way; move that file, or choose/);
});

test('a database server that does not answer is named', async () => {
  const file = join(newFolder(), 'topology.json');
  const nobody = await findFreePort();
  writeFileSync(
    file,
    JSON.stringify({
      processes: {
        all: {
          runs: [
            ...['payment-sandbox', 'users', 'products', 'inventory', 'payments', 'orders', 'carts', 'tills'],
            ...['notifications', 'analytics', 'assistant', 'webhooks', 'gateway'],
          ],
        },
      },
      database: { adminUrl: `postgres://admin:secret@127.0.0.1:${nobody}/postgres` },
    }),
  );
  const port = String(await findFreePort());
  const run = runCommand('up', '--topology', file, '--port', port, '--data-dir', newFolder());
  expect(await run.ended).toBe(4);
  expect(run.stderr()).toMatch(`No database server answers at 127.0.0.1:${nobody}`);
  expect(run.stderr()).not.toContain('secret');
});
