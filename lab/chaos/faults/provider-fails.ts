import { drawOne } from './fault.ts';
import { providerFault } from './provider.ts';

export const providerFails = providerFault(
  {
    name: 'provider-fails',
    does: 'lets the payment provider answer 5xx, before it moved the money or after',
    durationMs: [1_500, 5_000],
  },
  (random) => {
    const at = drawOne(random, ['before', 'after'] as const);
    const status = drawOne(random, [500, 502, 503]);
    return [(next) => ({ do: 'error', at, status, next }), `${status} ${at}`];
  },
);
