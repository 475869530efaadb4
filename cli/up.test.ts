import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { findFreePort, identify } from '#kit/store/embedded';
import { newFolder, runCommand } from './testing.ts';

/** A start takes 5 s on an idle machine, and 20 s on a busy one. */
const timeoutMs = 180_000;

async function start(topology: string, dataDir: string, port: number, ...more: string[]) {
  const where = ['--topology', topology, '--data-dir', dataDir, '--port', String(port)];
  const run = runCommand('up', ...where, '--json', ...more);
  return { run, result: await run.ready() };
}

const isGone = (pid: number) => identify(pid) === undefined;

async function isReady(gateway: string): Promise<boolean> {
  const reply = await fetch(`${gateway}/readyz`).catch(() => undefined);
  return reply?.status === 200;
}

test('one process: one line of JSON, ready; kill -9 and start again recovers; a signal stops everything', {
  timeout: timeoutMs,
}, async () => {
  const [dataDir, port] = [newFolder(), await findFreePort()];
  const first = await start('one-process', dataDir, port);
  expect(first.run.stdout().trim().split('\n')).toHaveLength(1);
  expect(await isReady(first.result.urls.gateway)).toBe(true);
  process.kill(first.result.pid, 'SIGKILL');
  await first.run.ended;
  expect(isGone(first.result.database.pid), 'the server outlives its starter').toBe(false);

  const second = await start('one-process', dataDir, port, '--no-apps');
  expect(isGone(first.result.database.pid), 'the orphan has been stopped').toBe(true);
  expect(await isReady(second.result.urls.gateway)).toBe(true);
  second.run.child.kill('SIGINT');
  expect(await second.run.ended).toBe(0);
  expect(isGone(second.result.database.pid)).toBe(true);
  await expect(fetch(second.result.urls.gateway)).rejects.toThrow();
});

test('a second copy on the same data is refused with the pid of the first, which goes on', {
  timeout: timeoutMs,
}, async () => {
  const dataDir = newFolder();
  const { result } = await start('one-process', dataDir, await findFreePort(), '--no-apps');
  const second = runCommand('up', '--data-dir', dataDir, '--port', String(await findFreePort()));
  expect(await second.ended).toBe(4);
  expect(second.stderr()).toContain(`Another copy (pid ${result.pid}) is running on ${dataDir}`);
  expect(await isReady(result.urls.gateway)).toBe(true);
});

test('the database server is started again when it is killed', { timeout: timeoutMs }, async () => {
  const { result } = await start('one-process', newFolder(), await findFreePort(), '--no-apps');
  process.kill(result.database.pid, 'SIGKILL');
  await vi.waitFor(async () => expect(await isReady(result.urls.gateway)).toBe(true), {
    timeout: 90_000,
    interval: 50,
  });
});

test('a process per service: a killed one is started again; all end with a parent that is killed', {
  timeout: 2 * timeoutMs,
}, async () => {
  const [dataDir, port] = [newFolder(), await findFreePort()];
  const { run, result } = await start('process-per-service', dataDir, port, '--no-apps');
  expect(result.processes.length).toBeGreaterThan(5);
  expect(new Set(result.processes.map(({ pid }) => pid)).size).toBe(result.processes.length);

  const killed = result.processes.find(({ name }) => name === 'orders');
  process.kill(killed?.pid as number, 'SIGKILL');
  const now = () => JSON.parse(readFileSync(join(dataDir, 'running.json'), 'utf8')) as typeof result;
  const orders = () => now().processes.find(({ name }) => name === 'orders');
  await vi.waitFor(() => expect(orders()).toMatchObject({ restarts: 1, pid: expect.any(Number) }), {
    timeout: 90_000,
    interval: 50,
  });
  expect(orders()?.pid).not.toBe(killed?.pid);

  const pids = now().processes.map(({ pid }) => pid);
  process.kill(result.pid, 'SIGKILL');
  await run.ended;
  await vi.waitFor(() => expect(pids.every(isGone)).toBe(true), { timeout: 60_000, interval: 20 });

  const again = await start('process-per-service', dataDir, port, '--no-apps');
  again.run.child.kill('SIGTERM');
  expect(await again.run.ended).toBe(0);
  expect([...again.result.processes, again.result.database].every(({ pid }) => isGone(pid))).toBe(true);
});
