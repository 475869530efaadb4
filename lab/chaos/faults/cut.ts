import { drawDirection, tcpFault } from './network.ts';

export const cut = tcpFault(
  {
    name: 'cut',
    does: 'breaks each connection of one way in the middle of a message, after so many bytes',
    durationMs: [1_500, 4_000],
  },
  (random, between) => {
    const direction = drawDirection(random);
    const afterBytes = between(random, 1, 6_000);
    return { fault: { kind: 'cut', direction, afterBytes }, detail: `${direction}, after ${afterBytes} bytes` };
  },
);
