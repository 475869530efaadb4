import { drawOne } from './fault.ts';
import { providerFault } from './provider.ts';

export const chargedUnheard = providerFault(
  {
    name: 'charged-unheard',
    does: 'lets the payment provider move the money and then break the connection: charged, and nobody knows',
    durationMs: [1_500, 5_000],
  },
  (random) => {
    const on = drawOne(random, ['create', 'create', 'capture'] as const);
    return [(next) => ({ do: 'drop-reply', on, next }), on];
  },
);
