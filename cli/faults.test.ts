import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { inventory } from '#contracts/inventory';
import type { ServiceServer } from '#kit/contract';
import { systemWorld } from '#kit/runtime';
import { createMemoryJournal, createSandbox } from '#services/payments/sandbox';
import { createFaultSwitches, type FaultSwitches, readFaults } from './faults.ts';
import { forgetFaults } from './faults-file.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);
let dataDir: string;
/** Of two processes of one system. */
let here: FaultSwitches;
let there: FaultSwitches;
let served: number;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'hf-faults-'));
  here = createFaultSwitches({ dataDir, world });
  there = createFaultSwitches({ dataDir, world });
  served = 0;
  return async () => {
    await there.component.stop?.();
    rmSync(dataDir, { recursive: true, force: true });
  };
});

const ask = (switches: FaultSwitches, signal = new AbortController().signal) => {
  const server: ServiceServer = {
    contract: inventory,
    handle: async () => {
      served += 1;
      return { status: 200, headers: {} };
    },
  };
  const request = { service: 'inventory', operation: 'levels', params: {}, query: {}, headers: {}, body: undefined };
  const guarded = switches.seams.server?.(server) as ServiceServer;
  return guarded.handle(request, signal);
};

test('a fault that is put on in one process is on in the others, until all is healed', async () => {
  here.set([{ kind: 'down', service: 'inventory' }]);
  await there.component.start?.();
  await expect(ask(here)).rejects.toMatchObject({ code: 'contract/unavailable' });
  await expect(ask(there)).rejects.toMatchObject({ code: 'contract/unavailable' });
  expect(served).toBe(0);
  here.set([]);
  await expect.poll(() => there.current()).toEqual([]);
  expect((await ask(there)).status).toBe(200);
});

test.each([
  ['half of it', '[{"kind":"down","ser'],
  ['no list', '{}'],
  ['a fault that nobody knows', '[{"kind":"earthquake","service":"inventory"}]'],
  ['nothing', ''],
])('a file that says %s ends no process and changes nothing, until it is put right', async (_what, damaged) => {
  const on = [{ kind: 'down', service: 'inventory' }] as const;
  here.set(on);
  let looks = 0;
  there.watch(() => {
    looks += 1;
  });
  await there.component.start?.();
  writeFileSync(join(dataDir, 'faults.json'), damaged);
  expect(readFaults(dataDir)).toBeUndefined();
  const before = looks;
  await expect.poll(() => looks).toBeGreaterThan(before + 1);
  expect(there.current()).toEqual(on);
  here.set([]);
  await expect.poll(() => there.current()).toEqual([]);
});

test('where replies are lost the work is done all the same', async () => {
  here.set([{ kind: 'drop-replies', service: 'inventory' }]);
  const deadline = new AbortController();
  let answered = 0;
  const asked = Array.from({ length: 60 }, async () => {
    await ask(here, deadline.signal);
    answered += 1;
  });
  await expect.poll(() => served).toBe(60);
  deadline.abort(new Error('the caller has given up'));
  const lost = (await Promise.allSettled(asked)).filter(({ status }) => status === 'rejected').length;
  expect(lost).toBe(60 - answered);
  expect(lost).toBeGreaterThan(5);
  expect(lost).toBeLessThan(55);
});

test('who is cut off hears nothing and is not heard until healed, and whoever calls may give up', async () => {
  here.set([{ kind: 'cut-off', service: 'inventory' }]);
  const given = new AbortController();
  const up = ask(here, given.signal);
  given.abort(new Error('the caller has given up'));
  await expect(up).rejects.toThrow('the caller has given up');
  const left = here.leave(['inventory'], new AbortController().signal);
  const arrives = ask(here);
  await here.leave(['orders'], new AbortController().signal);
  expect(served).toBe(0);
  here.set([]);
  await left;
  expect((await arrives).status).toBe(200);
});

test('a clock is wrong for its services alone and right again once healed, and elapsed time never is', () => {
  const [wrong, right] = [here.worldOf(['payments']), here.worldOf(['orders'])];
  const elapsed = () => wrong.clock.monotonicMs() - world.clock.monotonicMs();
  here.set([{ kind: 'skewed', service: 'payments' }]);
  expect(Math.round((world.clock.now() - wrong.clock.now()) / 1_000)).toBe(120);
  expect(wrong.ids.next('pay') < right.ids.next('pay')).toBe(true);
  // Far less than what it is wrong by, far more than a machine that stands still between two readings.
  expect(Math.abs(elapsed())).toBeLessThan(60_000);
  here.set([]);
  expect(Math.abs(world.clock.now() - wrong.clock.now())).toBeLessThan(60_000);
});

test('faults of the payment provider are the sandbox’s own', async () => {
  const sandbox = await createSandbox({ ...world, journal: createMemoryJournal() });
  here.attach(sandbox);
  here.set([
    { kind: 'decline', service: 'payment-sandbox' },
    { kind: 'slow', service: 'orders' },
  ]);
  expect(sandbox.faults.current()).toEqual([{ do: 'decline', code: 'insufficient_funds' }]);
  here.set([]);
  expect(sandbox.faults.current()).toEqual([]);
  await sandbox.close();
});

test('a start of the system begins without faults', async () => {
  here.set([{ kind: 'down', service: 'inventory' }]);
  forgetFaults(dataDir);
  await there.component.start?.();
  expect(there.current()).toEqual([]);
});
