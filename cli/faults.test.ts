import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { inventory } from '#contracts/inventory';
import type { ServiceServer } from '#kit/contract';
import { systemWorld } from '#kit/runtime';
import { createMemoryJournal, createSandbox } from '#services/payments/sandbox';
import { createFaultSwitches, type FaultSwitches, forgetFaults } from './faults.ts';

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

const ask = (switches: FaultSwitches) => {
  const server: ServiceServer = {
    contract: inventory,
    handle: async () => {
      served += 1;
      return { status: 200, headers: {} };
    },
  };
  const request = { service: 'inventory', operation: 'levels', params: {}, query: {}, headers: {}, body: undefined };
  const guarded = switches.seams.server?.(server) as ServiceServer;
  return guarded.handle(request, new AbortController().signal);
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

test('where replies are lost the work is done all the same', async () => {
  here.set([{ kind: 'drop-replies', service: 'inventory' }]);
  const outcomes = await Promise.allSettled(Array.from({ length: 60 }, () => ask(here)));
  expect(served).toBe(60);
  const lost = outcomes.filter(({ status }) => status === 'rejected').length;
  expect(lost).toBeGreaterThan(5);
  expect(lost).toBeLessThan(55);
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
