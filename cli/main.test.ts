import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findFreePort } from '#kit/store/embedded';
import { newFolder, runCommand } from './testing.ts';
import { serviceNames } from './topology.ts';

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
  [['up', '--port', '1e3'], /Give a number from 1 to 65535/],
  [['up', '--port', '4991', '--internal-port', '4991'], /--port and --internal-port are both 4991: give each/],
  [['up', '--otlp', 'collector'], /Give an address like http:\/\/127.0.0.1:4318/],
  [['up', '--data-dir', ''], /--data-dir is empty: name a directory/],
  [['replay', '/nowhere.csv'], /can't read \/nowhere.csv: no such file/],
  [['up', '--topology', 'nowhere'], /There is no topology "nowhere": give one of one-process, process-per-service/],
  [['trace', ''], /The id is empty: name an order/],
  [['logs', '--order', ' '], /The id is empty: name an order/],
  [['kill'], /missing required argument 'process'\nRun "holdfast kill --help" for what it takes/],
  [
    ['edge', '--tls-cert', join(import.meta.dirname, 'main.ts'), '--tls-key', join(import.meta.dirname, 'main.ts')],
    /main.ts are no certificate with its key \(.*\): give both in PEM/,
  ],
  [['render', 'apache'], /There is no "apache" to render for: give nginx, haproxy, envoy, alerts/],
])('a mistake on the command line, %j, ends with 2 and says what is right', async (args, message) => {
  const run = runCommand(...args);
  expect(await run.ended).toBe(2);
  expect(run.stderr()).toMatch(message);
});

test.each([
  ['status', /No Holdfast is running on .*: start one .*, or name its --data-dir/],
  ['logs', /Nothing is kept in .*, as no Holdfast has run there: start one .*, or name its --data-dir/],
])('%s of a data directory in which nothing ever ran ends with 4 and says so', async (name, message) => {
  const run = runCommand(name, '--data-dir', newFolder());
  expect(await run.ended).toBe(4);
  expect(run.stderr()).toMatch(message);
});

test('a service that is called otherwise is told apart from one that has logged nothing', async () => {
  const folder = newFolder();
  mkdirSync(join(folder, 'telemetry', 'all'), { recursive: true });
  const wrong = runCommand('logs', '--service', 'order', '--data-dir', folder);
  expect(await wrong.ended).toBe(2);
  expect(wrong.stderr()).toMatch(/There is no service or process "order": give one of .*orders/);
  const quiet = runCommand('logs', '--service', 'orders', '--data-dir', folder);
  expect(await quiet.ended).toBe(0);
  expect(quiet.stderr()).toMatch(/No lines: nothing was logged in the last 1h that fits/);
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
      provider: { kind: 'paypal' },
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
    /provider\.kind must be one of: sandbox, stripe$/m,
  ]) {
    expect(mistakes).toMatch(part);
  }
  expect(mistakes).not.toContain('hidden');
});

test('what a topology takes from its surroundings is looked for before anything starts, all of it', async () => {
  const [folder, dataDir] = [newFolder(), join(newFolder(), 'data')];
  const file = join(folder, 'topology.json');
  const runs = serviceNames.filter((service) => service !== 'payment-sandbox');
  const topology = (services: readonly string[], more: object) =>
    writeFileSync(file, JSON.stringify({ processes: { all: { runs: services } }, ...more }));
  const provider = { kind: 'stripe', secretKeyVariable: 'NO_KEY', webhookSecretVariable: 'NO_SECRET' };
  topology(runs, {
    provider,
    gateway: { valkey: 'env:NO_VALKEY' },
    edge: { tls: { certFile: '/no', keyFile: '/no' } },
  });
  const run = runCommand('up', '--topology', file, '--data-dir', dataDir);
  expect(await run.ended).toBe(2);
  for (const missing of ['NO_KEY', 'NO_SECRET', 'NO_VALKEY', "/no can't be read"]) {
    expect(run.stderr()).toContain(missing);
  }
  expect(existsSync(dataDir)).toBe(false);

  topology(serviceNames, { provider });
  const pretended = runCommand('up', '--topology', file, '--data-dir', dataDir);
  expect(await pretended.ended).toBe(2);
  expect(pretended.stderr()).toContain('payment-sandbox runs, and the provider is stripe: leave it out');
});

test('a port in use is refused with the pid that has it and the remedy, in JSON too', async () => {
  const port = await squat();
  const run = runCommand('up', '--port', String(port), '--data-dir', newFolder(), '--json');
  expect(await run.ended).toBe(4);
  const sentence = `Port ${port} is in use by process ${process.pid}: stop it with "kill ${process.pid}", or choose another port with --port.`;
  expect(run.stderr()).toContain(sentence);
  expect(JSON.parse(run.stdout())).toEqual({ ok: false, error: sentence, exitCode: 4 });
});

test('a file of invoices is never taken for the file of rejects, and nothing is started before it is looked at', async () => {
  const file = join(newFolder(), 'month.csv');
  const month = 'InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice\n1,MUG,1,2031-01-01 10:00:00,1.50\n';
  writeFileSync(file, month);
  const run = runCommand('replay', file, '--rejects', file);
  expect(await run.ended).toBe(2);
  expect(run.stderr()).toContain(`${file} is to be read, and --rejects would replace it: name another file.`);
  expect(readFileSync(file, 'utf8')).toBe(month);
});

test('a topology file that is not JSON is refused with the place, and without what stands there', async () => {
  const file = join(newFolder(), 'topology.json');
  writeFileSync(file, '{\n  "database": { "adminUrl": "postgres://me:hidden@db" "port": 1 }\n}');
  const run = runCommand('render', 'nginx', '--topology', file);
  expect(await run.ended).toBe(2);
  expect(run.stderr()).toMatch(/it is not valid JSON, line 2 column \d+/);
  expect(run.stderr()).not.toContain('hidden');
});

test.runIf(process.platform === 'linux')('output that can’t be written is no success', () => {
  const full = openSync('/dev/full', 'w');
  onTestFinished(() => closeSync(full));
  const args = [join(import.meta.dirname, 'main.ts'), 'render', 'alerts'];
  const { status, stderr } = spawnSync(process.execPath, args, { stdio: ['ignore', full, 'pipe'], encoding: 'utf8' });
  expect(stderr).toContain("Standard output can't be written (ENOSPC): free some space where it goes");
  expect(status).toBe(4);
});

test('a data directory that can’t be written is refused with the remedy', async () => {
  const file = join(newFolder(), 'file');
  writeFileSync(file, '');
  const run = runCommand('up', '--port', String(await findFreePort()), '--data-dir', join(file, 'data'));
  expect(await run.ended).toBe(4);
  expect(run.stderr()).toMatch(
    /can't be made, because .*file is a file: move it, or choose another place with --data-dir/,
  );
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
