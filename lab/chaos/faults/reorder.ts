import { httpFault } from './network.ts';

export const reorder = httpFault(
  {
    name: 'reorder',
    does: 'holds requests of one way back until later ones have overtaken them',
    durationMs: [2_000, 6_000],
  },
  (random, between) => ({
    kind: 'reorder',
    probability: between(random, 20, 60) / 100,
    overtakenBy: between(random, 1, 4),
    msMax: between(random, 100, 2_000),
  }),
);
