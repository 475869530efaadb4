import { join } from 'node:path';
import type { Component } from '#kit/runtime';
import { createSandboxProvider, type PaymentProvider } from '#services/payments/provider';
import {
  createFileJournal,
  createMemoryJournal,
  createSandbox,
  type Sandbox,
  startSandboxServer,
} from '#services/payments/sandbox';
import type { ServicesOptions } from './services.ts';
import { resolveSecret } from './surroundings.ts';

/** The pretended payment provider, as this process has it. */
export interface SandboxPart {
  readonly component: Component;
  readonly sandbox: Sandbox;
  /** Within the process; absent where it is spoken to over HTTP like a real one. */
  readonly provider?: PaymentProvider;
  readonly url?: string;
}

const journalPath = ({ dataDir }: ServicesOptions): string => join(dataDir, 'payment-sandbox', 'journal');

/** Starts the sandbox: in one process as an object, among several as the HTTP server that a provider is. */
export async function startSandbox(options: ServicesOptions): Promise<SandboxPart> {
  const { world, sandbox: at, secrets, entrance: door = options.public } = options;
  if (!at) {
    const inMemory = options.sandboxJournal === 'memory';
    const journal = inMemory ? createMemoryJournal() : createFileJournal({ path: journalPath(options) });
    const sandbox = await createSandbox({ ...world, journal });
    const provider = createSandboxProvider({ ...world, sandbox, webhookSecret: secrets.webhook });
    return { sandbox, provider, component: { name: 'payment sandbox', stop: () => sandbox.close() } };
  }
  const url = `http://${door.host}:${door.port}/payments/webhooks/provider`;
  const server = await startSandboxServer({
    ...world,
    ...at,
    secretKey: secrets.sandboxKey,
    journalPath: journalPath(options),
    webhooks: [{ url, secret: secrets.webhook }],
  });
  const { url: origin, sandbox } = server;
  return { url: origin, sandbox, component: { name: 'payment sandbox', stop: () => server.close() } };
}

/** As measurements name it: the sandbox is a service of the topology. */
export const nameOfProvider = ({ provider }: ServicesOptions): string =>
  provider.kind === 'sandbox' ? 'payment-sandbox' : provider.kind;

/** The adapter that speaks to a provider over HTTP: Stripe, or the sandbox in another process. */
export async function connectProvider(options: ServicesOptions): Promise<PaymentProvider> {
  const { world, provider, sandbox, secrets } = options;
  const { createStripeProvider } = await import('#services/payments/provider/stripe');
  if (provider.kind === 'sandbox') {
    const url = `http://${sandbox?.host}:${sandbox?.port}`;
    return createStripeProvider({ ...world, url, secretKey: secrets.sandboxKey, webhookSecret: secrets.webhook });
  }
  return createStripeProvider({
    ...world,
    secretKey: resolveSecret(provider.secretKeyVariable, process.env),
    webhookSecret: resolveSecret(provider.webhookSecretVariable, process.env),
  });
}
