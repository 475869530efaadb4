import { providerFault } from './provider.ts';

export const webhookTwice = providerFault(
  {
    name: 'webhook-twice',
    does: 'lets the payment provider send its webhooks twice',
    durationMs: [2_000, 6_000],
  },
  () => [(next) => ({ do: 'webhook-twice', next }), ''],
);
