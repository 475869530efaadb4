import { drawDirection, tcpFault } from './network.ts';

export const delay = tcpFault(
  {
    name: 'delay',
    does: 'lets everything on one way arrive late, some of it later than other',
    durationMs: [2_000, 6_000],
  },
  (random, between) => {
    const ms = between(random, 20, 800);
    const jitterMs = between(random, 0, ms);
    const direction = drawDirection(random);
    return { fault: { kind: 'delay', direction, ms, jitterMs }, detail: `${direction}, ${ms} ± ${jitterMs} ms` };
  },
);
