import { httpFault } from './network.ts';

export const duplicate = httpFault(
  {
    name: 'duplicate',
    does: 'lets requests of one way arrive twice; the caller hears the first answer only',
    durationMs: [2_000, 6_000],
  },
  (random, between) => ({ kind: 'duplicate', probability: between(random, 20, 90) / 100 }),
);
