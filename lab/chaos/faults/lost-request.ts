import { httpFault } from './network.ts';

export const lostRequest = httpFault(
  {
    name: 'lost-request',
    does: 'breaks the connection before requests of one way arrive, which to the caller looks the same as a lost reply',
    durationMs: [2_000, 6_000],
  },
  (random, between) => ({ kind: 'drop-request', probability: between(random, 20, 80) / 100 }),
);
