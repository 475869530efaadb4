import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { exitCodes, Failure } from '../failure.ts';
import { askControl, createControlServer, type Operations, socketPath } from './index.ts';

async function serve(operations: Partial<Operations>) {
  const dataDir = mkdtempSync(join(tmpdir(), 'hf-control-'));
  const refuse = async () => {
    throw new Failure(exitCodes.usage, 'There is no process "nobody": give one of orders.');
  };
  const rest = {
    instances: async () => [],
    kill: refuse,
    pause: refuse,
    resume: refuse,
    restart: refuse,
    scale: refuse,
    revoke: refuse,
  };
  const server = createControlServer({
    path: socketPath(dataDir),
    operations: { ...rest, ...operations },
    status: async () => ({
      ...{ ok: true, topology: 'shop', pid: 1, dataDir, upMs: 1, urls: {}, database: {}, instances: [] },
    }),
  });
  await server.start?.();
  onTestFinished(async () => {
    await server.stop?.();
    rmSync(dataDir, { recursive: true });
  });
  return dataDir;
}

test('whoever only asks does not wait for ever for a command that is stopped', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'hf-control-'));
  const mute = createServer(() => {}).listen(socketPath(dataDir));
  onTestFinished(() => {
    mute.close();
    rmSync(dataDir, { recursive: true });
  });
  await once(mute, 'listening');
  await expect(askControl(dataDir, { method: 'GET', path: '/status', silenceMsMax: 20 })).rejects.toMatchObject({
    exitCode: exitCodes.unavailable,
    message: expect.stringContaining('has not answered for 0.02 s: it is stopped, or has too much to do'),
  });
});

test('only the owner of a data directory can open its control socket', async () => {
  const dataDir = await serve({});
  expect(statSync(socketPath(dataDir)).mode & 0o777).toBe(0o600);
  expect(await askControl(dataDir, { method: 'GET', path: '/status' })).toMatchObject({ ok: true, topology: 'shop' });
});

test('progress is told as it happens, and a refusal is a sentence with its exit code', async () => {
  const told: string[] = [];
  const dataDir = await serve({
    async scale(service, instances, say) {
      say(`${service} becomes ${instances}`);
      throw new Failure(exitCodes.unavailable, 'A change is under way: wait for its end.');
    },
  });
  const body = { service: 'orders', instances: 6 };
  const asked = askControl(dataDir, { method: 'POST', path: '/scale', body }, (text) => told.push(text));
  await expect(asked).rejects.toMatchObject({
    ...{ message: 'A change is under way: wait for its end.', exitCode: exitCodes.unavailable },
  });
  expect(told).toEqual(['orders becomes 6']);
});

test.each([
  [{ method: 'POST', path: '/kill', body: { process: 'nobody' } }, /There is no process "nobody"/],
  [{ method: 'POST', path: '/kill', body: {} }, /The request names no process/],
  [{ method: 'POST', path: '/restart', body: { names: 'orders' } }, /"names" is a list of names/],
  [{ method: 'POST', path: '/explode' }, /There is no POST \/explode here/],
] as const)('a request that can’t be met says why: %j', async (request, message) => {
  await expect(askControl(await serve({}), request)).rejects.toThrow(message);
});

test('when nothing runs on a data directory, that is said, with the command that starts it', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'hf-control-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true }));
  chmodSync(dataDir, 0o711);
  await expect(askControl(dataDir, { method: 'GET', path: '/status' })).rejects.toThrow(
    `No Holdfast is running on ${dataDir}: start one with "npx holdfast up --topology shop"`,
  );
});

test('a data directory whose path is too long for a socket has its socket elsewhere', () => {
  const long = `/${'x'.repeat(200)}`;
  expect(socketPath('/data')).toBe('/data/control.sock');
  expect(Buffer.byteLength(socketPath(long))).toBeLessThan(104);
  expect(socketPath(long)).not.toBe(socketPath(`${long}y`));
});
