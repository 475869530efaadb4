import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { newFolder, runCommand } from '../../cli/testing.ts';
import { faults } from './faults/index.ts';
import { chooseFaults } from './scenarios.ts';

interface Report {
  readonly ok: boolean;
  readonly faults: Readonly<
    Record<string, { readonly class: string; readonly injected: number; readonly effects: number }>
  >;
  readonly checks: Readonly<Record<string, number>>;
  readonly orders: { readonly accepted: number; readonly confirmed: number; readonly refused: number };
  readonly violations: readonly { readonly guarantee: string; readonly detail: string }[];
  readonly dataDir?: string;
}

async function chaos(...args: string[]) {
  const folder = newFolder();
  const run = runCommand('chaos', ...args, '--report', folder, '--json');
  const exitCode = await run.ended;
  const [line, ...more] = run.stdout().trim().split('\n');
  expect(more, run.stderr()).toEqual([]);
  const report = JSON.parse(line ?? '') as Report;
  const { dataDir } = report;
  if (dataDir) onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const again = `again: npx holdfast chaos ${args.join(' ')}`;
  return { exitCode, report, folder: join(folder, `chaos-${args[0]?.replaceAll(',', '-')}-${args[2]}`), again };
}

const runJson = async (...args: string[]) => {
  const run = runCommand(...args, '--json');
  const exitCode = await run.ended;
  return { exitCode, answer: JSON.parse(run.stdout()) as { checks: unknown; violations?: unknown } };
};

/** Minutes, for a machine that is busy with other things. */
const timeout = 600_000;

/** Edge, balancers, two of what matters most: what the shop has, in as few processes as that takes. */
const topology = 'lab/chaos/shop-in-small.json';

test('thirty seconds of kills, pauses, partitions, lost replies, wrong clocks and lost identities break no promise', {
  timeout,
}, async () => {
  const { exitCode, report, folder, again } = await chaos(
    ...['short,mesh', '--seed', '1', '--for', '30s', '--topology', topology],
  );
  expect(report.violations, again).toEqual([]);
  expect([exitCode, report.ok], again).toEqual([0, true]);
  expect(Object.keys(report.faults).sort()).toEqual([
    ...['expired-identity', 'kill', 'lost-reply', 'partition', 'pause', 'restart', 'revoked-identity', 'skew'],
    'stale-discovery',
  ]);
  for (const [name, { effects }] of Object.entries(report.faults)) expect(effects, name).toBeGreaterThan(0);
  const { accepted, confirmed, refused } = report.orders;
  expect(confirmed).toBeGreaterThan(0);
  expect(confirmed + refused, 'every order was decided').toBe(accepted);
  for (const check of [
    'an accepted order is never lost',
    'everything ends',
    'units are conserved and never oversold',
  ]) {
    expect(report.checks[check], check).toBeGreaterThan(0);
  }
  expect(readFileSync(join(folder, 'index.html'), 'utf8')).toContain('Everything holds');
  expect((await runJson('check', join(folder, 'history.ndjson'))).exitCode).toBe(0);
});

test('orders that forgets its keys is found: by the run, and by the history that it leaves', { timeout }, async () => {
  const { exitCode, report, folder } = await chaos(
    ...['lost-reply', '--seed', '1', '--for', '4s', '--topology', 'one-process', '--bug', 'forgets-keys'],
  );
  expect([exitCode, report.ok]).toEqual([5, false]);
  expect(report.violations.map(({ guarantee }) => guarantee)).toContain('a repeat makes no second order');
  expect((await runJson('check', join(folder, 'history.ndjson'))).exitCode).toBe(5);
});

test('commits that were told and never made are found: by the run, and in the books that it leaves', {
  timeout,
}, async () => {
  const { exitCode, report } = await chaos(
    ...['lost-reply', '--seed', '1', '--for', '4s', '--topology', 'one-process', '--bug', 'loses-commits'],
  );
  expect([exitCode, report.ok]).toEqual([5, false]);
  expect(report.violations.map(({ guarantee }) => guarantee)).toContain('everything ends');
  const { exitCode: verified, answer } = await runJson('verify', '--data-dir', report.dataDir ?? '');
  expect(verified).toBe(5);
  expect(answer.violations).not.toEqual([]);
});

/** Faults that need root or a tool, and why those can't be tried that are not there. */
function allowedOf(names: string) {
  const chosen = chooseFaults(faults, names, true);
  if ('mistake' in chosen) throw new Error(chosen.mistake);
  for (const { fault, why } of chosen.skipped) test.skip(`${fault} is not tried here: ${why}`, () => {});
  return chosen.faults.map(({ name }) => name);
}

async function breakNothing(allowed: readonly string[], seed: number, duration: string) {
  const { exitCode, report, again } = await chaos(
    ...[allowed.join(','), '--seed', String(seed), '--for', duration, '--topology', 'one-process'],
  );
  expect(report.violations, again).toEqual([]);
  expect([exitCode, report.ok], again).toEqual([0, true]);
  expect(Object.keys(report.faults).sort()).toEqual(allowed.toSorted());
  return report.faults;
}

const ofKernel = allowedOf('packet-loss,packet-partition,packet-reset,disk-full,wal-full,postgres-freeze');

test.skipIf(ofKernel.length === 0)(
  `what only root may do breaks no promise either: ${ofKernel.join(', ')}`,
  { timeout },
  async () => void (await breakNothing(ofKernel, 1, '20s')),
);

const inCalls = allowedOf('kill-in-commit,slow-fsync,fsync-error');

test.skipIf(inCalls.length === 0)(
  `nor do a disk and a death in the middle of a commit: ${inCalls.join(', ')}`,
  { timeout },
  async () => {
    const felt = await breakNothing(inCalls, 1, '6s');
    for (const name of inCalls) expect(felt[name]?.effects, name).toBeGreaterThan(0);
  },
);
