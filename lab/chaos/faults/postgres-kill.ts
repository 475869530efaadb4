import { endProcess, treeOf } from '../os.ts';
import { databaseServer } from '../wiring.ts';
import { drawOne, type Fault } from './fault.ts';
import { serverPid } from './postgres.ts';

export const postgresKill: Fault = {
  name: 'postgres-kill',
  class: 'process',
  does: 'ends the database server with SIGKILL, or one of its sessions, after which it throws all others out and recovers',
  durationMs: [500, 500],
  targets: () => [databaseServer, `${databaseServer} session`],
  async inject(rig, target, random) {
    const pid = await serverPid(rig);
    const [, ...children] = treeOf(pid);
    const victim = target === databaseServer ? pid : drawOne(random, children);
    const wasThere = endProcess(victim);
    return { detail: `pid ${victim}`, effects: () => (wasThere ? 1 : 0), heal() {} };
  },
};
