import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { request } from 'undici';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Movement } from './ledger-types.ts';

const main = new URL('./main.ts', import.meta.url).pathname;
/** Starting a process takes half a second on a quiet machine and several on a busy one. */
const timeoutMs = 60_000;
let folder: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sandbox-main-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
  await rm(folder, { recursive: true });
});

async function start() {
  const flags = ['--key', 'sk_test_1', '--port', '0', '--journal', join(folder, 'books.log')];
  const child = spawn(process.execPath, [main, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [line] = await once(createInterface(child.stdout), 'line');
  return { child, url: (JSON.parse(line) as { url: string }).url };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

const headers = { authorization: 'Bearer sk_test_1' };

async function charge(url: string, order: string): Promise<number> {
  const reply = await request(`${url}/v1/payment_intents`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded', 'idempotency-key': order },
    body: `amount=100&currency=gbp&confirm=true&payment_method=pm_card_visa&metadata[order]=${order}`,
  });
  await reply.body.dump();
  return reply.statusCode;
}

async function ledgerOf(url: string): Promise<Movement[]> {
  const reply = await request(`${url}/sandbox/ledger`, { headers });
  const text = await reply.body.text();
  return text === ''
    ? []
    : text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
}

test(
  'killed with -9 under load: every answered charge is in the books, and a repeat of all makes each exactly one',
  async () => {
    const { child, url } = await start();
    const orders = Array.from({ length: 400 }, (_, i) => `ord_${i}`);
    const answered: string[] = [];
    const load = orders.map(async (order) => {
      if ((await charge(url, order)) === 200 && answered.push(order) === 100) child.kill('SIGKILL');
    });
    await Promise.allSettled(load);
    await kill(child);
    expect(answered.length).toBeGreaterThanOrEqual(100);

    const again = await start();
    const kept = new Set((await ledgerOf(again.url)).map(({ orderId }) => orderId));
    expect(answered.filter((order) => !kept.has(order))).toEqual([]);
    const repeats = await Promise.all(orders.map((order) => charge(again.url, order)));
    expect(new Set(repeats)).toEqual(new Set([200]));
    const captured = (await ledgerOf(again.url)).filter(({ kind }) => kind === 'captured');
    expect(captured.map(({ orderId }) => orderId).toSorted()).toEqual(orders.toSorted());
  },
  timeoutMs,
);

test(
  'wrong flags end with 2, one sentence and the usage; a port in use ends with 1',
  async () => {
    const run = async (...flags: string[]) => {
      const child = spawn(process.execPath, [main, ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
      const chunks = await child.stderr.toArray();
      if (child.exitCode === null) await once(child, 'exit');
      return { code: child.exitCode, text: chunks.join('') };
    };
    expect(await run()).toMatchObject({
      code: 2,
      text: expect.stringMatching(/^sandbox: --key is missing.*\n\nUsage/),
    });
    expect(await run('--colour', 'red')).toMatchObject({ code: 2, text: expect.stringContaining("'--colour'") });
    const { url } = await start();
    const inUse = await run('--key', 'k', '--port', new URL(url).port);
    expect(inUse).toMatchObject({ code: 1, text: expect.stringMatching(/is taken: end what uses it/) });
  },
  timeoutMs,
);
