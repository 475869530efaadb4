import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request } from 'undici';
import { createVirtualWorld } from '#kit/runtime';
import { createSandboxHttp } from '../sandbox/http.ts';
import { createSandbox } from '../sandbox/sandbox.ts';
import { httpWebhook } from '../sandbox/webhooks.ts';
import { type ConformanceSubject, providerConformance } from './conformance.ts';
import { createSandboxProvider } from './sandbox.ts';
import { createStripeProvider } from './stripe.ts';

const webhookSecret = 'whsec_test';
const secretKey = 'sk_test_sandbox';

providerConformance('the in-process adapter', async () => {
  const world = createVirtualWorld({ seed: 1 });
  const deliveries: ConformanceSubject['deliveries'][number][] = [];
  const endpoint = {
    secret: webhookSecret,
    async deliver(body: string, signature: string) {
      deliveries.push({ body, signature });
      return 200;
    },
  };
  const sandbox = await createSandbox({ ...world, webhooks: [endpoint] });
  const provider = createSandboxProvider({ sandbox, ...world, webhookSecret });
  return { provider, sandbox, world, deliveries, close: () => sandbox.close() };
});

providerConformance('the Stripe SDK over HTTP', async () => {
  const world = createVirtualWorld({ seed: 1 });
  const receiver = await openReceiver();
  const endpoint = httpWebhook(webhookSecret, world.timers, async (body, headers, signal) => {
    const reply = await request(receiver.url, { method: 'POST', body, headers, signal });
    await reply.body.dump();
    return reply.statusCode;
  });
  const sandbox = await createSandbox({ ...world, webhooks: [endpoint] });
  const http = createSandboxHttp({ sandbox, secretKey });
  const url = await http.listen({ host: '127.0.0.1', port: 0 });
  const provider = createStripeProvider({ ...world, secretKey, webhookSecret, url });
  return {
    provider,
    sandbox,
    world,
    deliveries: receiver.deliveries,
    async close() {
      await provider.close();
      await http.close();
      await sandbox.close();
      await receiver.close();
    },
  };
});

async function openReceiver() {
  const deliveries: ConformanceSubject['deliveries'][number][] = [];
  const server = createServer(async (message: IncomingMessage, response) => {
    const body = (await message.toArray()).join('');
    deliveries.push({ body, signature: String(message.headers['stripe-signature']) });
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    deliveries,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
