import { drawBetween, drawOne } from './fault.ts';
import { providerFault } from './provider.ts';

export const providerStalls = providerFault(
  {
    name: 'provider-stalls',
    does: 'lets the payment provider wait for seconds before or after it moves the money',
    durationMs: [2_000, 6_000],
  },
  (random) => {
    const at = drawOne(random, ['before', 'after'] as const);
    const ms = drawBetween(random, 500, 8_000);
    return [(next) => ({ do: 'stall', at, ms, next }), `${ms} ms ${at}`];
  },
);
