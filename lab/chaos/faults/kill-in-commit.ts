import { drawBetween } from './fault.ts';
import { straceFault } from './strace.ts';

export const killInCommit = straceFault(
  {
    name: 'kill-in-commit',
    class: 'process',
    does: 'ends a session of the database server with SIGKILL in the middle of the write that makes a commit durable',
    durationMs: [1_000, 3_000],
  },
  (random) => {
    const nth = drawBetween(random, 1, 8);
    return { inject: `signal=SIGKILL:when=${nth}`, detail: `the ${nth}. of each process` };
  },
  /killed by SIGKILL/g,
);
