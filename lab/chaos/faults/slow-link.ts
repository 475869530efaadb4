import { drawDirection, tcpFault } from './network.ts';

export const slowLink = tcpFault(
  {
    name: 'slow-link',
    does: 'lets only a few kilobytes a second through on one way',
    durationMs: [2_000, 6_000],
  },
  (random, between) => {
    const direction = drawDirection(random);
    const bytesPerSec = between(random, 2_000, 40_000);
    return { fault: { kind: 'slow', direction, bytesPerSec }, detail: `${direction}, ${bytesPerSec} bytes/s` };
  },
);
