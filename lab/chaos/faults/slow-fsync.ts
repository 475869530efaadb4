import { drawBetween } from './fault.ts';
import { straceFault } from './strace.ts';

export const slowFsync = straceFault(
  {
    name: 'slow-fsync',
    class: 'disk',
    does: 'lets the disk take long to make the writes of the database server durable',
    durationMs: [2_000, 5_000],
  },
  (random) => {
    const ms = drawBetween(random, 20, 400);
    return { inject: `delay_enter=${ms * 1_000}`, detail: `${ms} ms` };
  },
  /\(DELAYED\)/g,
);
