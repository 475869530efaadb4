import { httpFault } from './network.ts';

export const lostReply = httpFault(
  {
    name: 'lost-reply',
    does: 'lets requests of one way be carried out and then breaks the connection: the caller never hears of it',
    durationMs: [2_000, 6_000],
  },
  (random, between) => ({ kind: 'drop-reply', probability: between(random, 20, 80) / 100 }),
);
