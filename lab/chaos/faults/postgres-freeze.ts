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
    const group = join(found.root, `holdfast-chaos-${process.pid}`);
    mkdirSync(group, { recursive: true });
    for (const each of treeOf(pid)) move(each, group);
    writeFileSync(join(group, found.file), found.freeze);
    return {
      effects: () => (/^(FROZEN|FREEZING|1)/.test(readFileSync(join(group, found.file), 'utf8')) ? 1 : 0),
      heal() {
        writeFileSync(join(group, found.file), found.thaw);
        for (const each of readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean)) {
          move(Number(each), found.root);
        }
        rmdirSync(group);
      },
    };
  },
};

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
