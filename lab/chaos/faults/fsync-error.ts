import { drawBetween } from './fault.ts';
import { straceFault } from './strace.ts';

export const fsyncError = straceFault(
  {
    name: 'fsync-error',
    class: 'disk',
    does: 'lets the disk fail with EIO when the database server makes its writes durable, so that it can trust nothing',
    durationMs: [1_000, 3_000],
  },
  (random) => {
    const nth = drawBetween(random, 1, 6);
    return { inject: `error=EIO:when=${nth}`, detail: `the ${nth}. of each process` };
  },
  /\(INJECTED\)/g,
);
