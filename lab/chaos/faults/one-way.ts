import { drawDirection, tcpFault } from './network.ts';

export const oneWay = tcpFault(
  {
    name: 'one-way',
    does: 'lets nothing through in one direction of one way, while the other direction works',
    durationMs: [2_000, 6_000],
  },
  (random) => {
    const direction = drawDirection(random);
    return { fault: { kind: 'black-hole', direction }, detail: direction };
  },
);
