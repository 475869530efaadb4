import { tcpFault } from './network.ts';

export const refuse = tcpFault(
  {
    name: 'refuse',
    does: 'breaks the connections of one way and refuses new ones, as when nobody listens any more',
    durationMs: [1_500, 5_000],
  },
  () => ({ fault: { kind: 'reset' }, detail: '' }),
);
