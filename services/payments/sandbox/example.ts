/** `node services/payments/sandbox/example.ts`: charged, but the reply is lost; the repeat finds the one charge. */
import { type Logger, systemWorld } from '#kit/runtime';
import { createStripeProvider } from '../provider/stripe.ts';
import { startSandboxServer } from './server.ts';

const print = (...values: unknown[]) =>
  process.stdout.write(
    `${values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join(' ')}\n`,
  );
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
const world = systemWorld(silent);

const server = await startSandboxServer({ ...world, secretKey: 'sk_test_example' });
const provider = createStripeProvider({
  ...world,
  url: server.url,
  secretKey: 'sk_test_example',
  webhookSecret: 'whsec_example',
});
const order = { key: 'ord_1/authorize', orderId: 'ord_1', amountMinor: 1_999, currency: 'GBP' };

server.sandbox.faults.set([{ do: 'drop-reply', on: 'create', next: 1 }]);
try {
  await provider.authorize({ ...order, paymentMethod: 'pm_card_visa' });
} catch (error) {
  const { outcome, retry, message } = error as { outcome: string; retry: string; message: string };
  print('first try:', { outcome, retry }, message);
}
print('the provider says:', (await provider.find({ orderId: 'ord_1' }))?.status ?? 'nothing');
const result = await provider.authorize({ ...order, paymentMethod: 'pm_card_visa' });
print('second try:', result.kind);
await provider.capture({ key: 'ord_1/capture', providerRef: result.providerRef as string });
for (const { kind, amountMinor, orderId } of server.sandbox.ledger.entries())
  print('ledger:', kind, amountMinor, orderId);

const declined = await provider.authorize({
  ...order,
  key: 'ord_2/authorize',
  orderId: 'ord_2',
  paymentMethod: 'pm_card_chargeDeclinedInsufficientFunds',
});
if (declined.kind === 'declined') print('declined:', declined.declineCode, '-', declined.message);
await provider.close();
await server.close();
