import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { treeOf } from '../os.ts';
import { databaseServer } from '../wiring.ts';
import type { Fault } from './fault.ts';
import { serverPid } from './postgres.ts';

/** Version 1 has a hierarchy for the freezer, version 2 one for everything. */
const hierarchies = [
  { root: '/sys/fs/cgroup/freezer', file: 'freezer.state', freeze: 'FROZEN', thaw: 'THAWED' },
  { root: '/sys/fs/cgroup', file: 'cgroup.freeze', freeze: '1', thaw: '0' },
] as const;

export const postgresFreeze: Fault = {
  name: 'postgres-freeze',
  class: 'process',
  does: 'freezes the whole database server at one instant by a control group, which no process of it can notice',
  durationMs: [1_500, 6_000],
  targets: () => [databaseServer],
  privileged: true,
  missing: () => (hierarchy() ? undefined : 'no control group may be made in /sys/fs/cgroup'),
  async inject(rig) {
    const found = hierarchy();
    if (!found) throw new Error('no control group may be made');
    const pid = await serverPid(rig);
    const group = join(found.root, `holdfast-chaos-${process.pid}-${rig.world.ids.next('grp')}`);
    mkdirSync(group, { recursive: true });
    for (const each of treeOf(pid)) move(each, group);
    writeFileSync(join(group, found.file), found.freeze);
    let isFrozen = true;
    return {
      effects: () => (isFrozen && /^(FROZEN|FREEZING|1)/.test(readFileSync(join(group, found.file), 'utf8')) ? 1 : 0),
      async heal() {
        isFrozen = false;
        writeFileSync(join(group, found.file), found.thaw);
        // What was thawed wakes up by and by, and has children meanwhile: they are in the group as well.
        for (let attempt = 0; attempt < emptyAttemptsMax && !isGone(group, found.root); attempt++) {
          await rig.world.timers.sleep(emptyAgainMs);
        }
      },
    };
  },
};

const emptyAttemptsMax = 100;
const emptyAgainMs = 50;

/** Gives the processes of a group back and takes the group away; false when it was not empty after all. */
function isGone(group: string, root: string): boolean {
  for (const each of readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean))
    move(Number(each), root);
  try {
    rmdirSync(group);
    return true;
  } catch {
    return false;
  }
}

function move(pid: number, group: string): void {
  try {
    writeFileSync(join(group, 'cgroup.procs'), String(pid));
  } catch {
    // It ended on the way.
  }
}

function hierarchy(): (typeof hierarchies)[number] | undefined {
  return hierarchies.find(({ root, file }) => {
    const group = join(root, `holdfast-chaos-try-${process.pid}`);
    try {
      mkdirSync(group);
    } catch {
      return false;
    }
    const has = existsSync(join(group, file));
    rmdirSync(group);
    return has;
  });
}
