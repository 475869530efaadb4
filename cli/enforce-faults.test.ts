import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { ActiveFault } from '#contracts/operators';
import { systemWorld } from '#kit/runtime';
import { enforceFaults } from './enforce-faults.ts';
import { createFaultSwitches } from './faults.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);

test('processes are killed and paused for as long as a fault says so; the one with the gateway never is', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'hf-enforce-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true }));
  const told: string[] = [];
  const tell = (deed: string) => async (name: string) => void told.push(`${deed} ${name}`);
  const list = () =>
    [
      { name: 'orders-1', services: ['orders', 'carts'] },
      { name: 'orders-2', services: ['orders', 'carts'] },
      { name: 'front', services: ['users', 'gateway'] },
    ].map((one) => ({ ...one, pid: 1, restarts: 0 })) as never;
  const processes = {
    ...{ list, hold: tell('hold'), release: tell('release') },
    ...{ pause: tell('pause'), resume: tell('resume') },
  };
  const enforcer = enforceFaults({ dataDir, world, processes });
  const { set } = createFaultSwitches({ dataDir, world });
  await enforcer.start?.();
  const expectNext = async (faults: readonly ActiveFault[], lines: readonly string[]) => {
    set(faults);
    await expect.poll(() => told).toEqual(lines);
    told.length = 0;
  };
  await expectNext(
    [
      { kind: 'killed', service: 'carts' },
      { kind: 'killed', service: 'users' },
    ],
    ['hold orders-1', 'hold orders-2'],
  );
  await expectNext(
    [{ kind: 'paused', service: 'orders' }],
    ['release orders-1', 'pause orders-1', 'release orders-2', 'pause orders-2'],
  );
  // Whoever is paused could not be told to end.
  await enforcer.drain?.();
  await enforcer.stop?.();
  expect(told).toEqual(['resume orders-1', 'resume orders-2']);
});
