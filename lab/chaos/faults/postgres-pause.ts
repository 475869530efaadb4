import { signal, stateOf, treeOf } from '../os.ts';
import { databaseServer } from '../wiring.ts';
import type { Fault } from './fault.ts';
import { serverPid } from './postgres.ts';

export const postgresPause: Fault = {
  name: 'postgres-pause',
  class: 'process',
  does: 'stops the database server and all its sessions with SIGSTOP: connections stay, nothing answers',
  durationMs: [1_500, 6_000],
  targets: () => [databaseServer],
  async inject(rig) {
    const stopped = stopAll(await serverPid(rig));
    return {
      detail: `${stopped.length} processes`,
      effects: () => stopped.filter((pid) => stateOf(pid) === 'T').length,
      heal: () => {
        for (const pid of stopped) signal(pid, 'SIGCONT');
      },
    };
  },
};

/** From the top, so that the server can't start a session that is missed. */
function stopAll(pid: number): number[] {
  signal(pid, 'SIGSTOP');
  return treeOf(pid).filter((each) => each === pid || signal(each, 'SIGSTOP'));
}
