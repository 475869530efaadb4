import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { type Logger, systemWorld } from '#kit/runtime';
import { findFreePort } from '#kit/store/embedded';
import { createTestDatabase } from '#kit/store/embedded/testing';
import { type ServicesOptions, startServices } from '../cli/services.ts';
import { hasDatabase, serviceNames } from '../cli/topology.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects.
  readonly body: any;
}

export interface WholeShop {
  readonly origin: string;
  /** URLs of the databases, by service. */
  readonly databases: Readonly<Record<string, string>>;
  /** Everything that was logged, as JSON lines. */
  readonly log: readonly string[];
  /** Asks the public door; `key` is the idempotency key, `token` an access token. */
  ask(method: string, path: string, options?: { body?: unknown; key?: string; token?: string }): Promise<Answer>;
  /** An access token of an account that there is. */
  signIn(account: { readonly email: string; readonly password: string }): Promise<string>;
  /** An access token of the administrator. */
  adminToken(): Promise<string>;
  placeOrder(sku: string, quantity: number, email?: string, more?: object): Promise<Answer>;
  stop(): Promise<void>;
}

const signInsMax = 20;
const admin = { email: 'admin@shop.example', password: 'the keys to the shop' };

/** All services in this process behind the real gateway, on real PostgreSQL. For tests. */
export async function startWholeShop(
  config: Partial<ServicesOptions> = {},
  prepare: (databases: Readonly<Record<string, string>>) => Promise<void> = async () => {},
): Promise<WholeShop> {
  const owners = [...serviceNames.filter(hasDatabase), 'log'] as const;
  const urls = await Promise.all(owners.map(async (name) => [name, (await createTestDatabase()).url] as const));
  const databases = Object.fromEntries(urls);
  await prepare(databases);
  const dataDir = mkdtempSync(join(tmpdir(), 'hf-shop-'));
  const log: string[] = [];
  const write = (message: string, fields?: object) => void log.push(`${message} ${JSON.stringify(fields, errorText)}`);
  const logger: Logger = { debug: write, info: write, warn: write, error: write, with: () => logger };
  const { host, urls: origins } = await startServices({
    process: 'all',
    services: serviceNames,
    databases,
    public: { host: '127.0.0.1', port: await findFreePort() },
    provider: { kind: 'sandbox' },
    sandboxJournal: 'memory',
    secrets: { keyEncryption: 'only in this test', sandboxKey: 'sk_test_1', webhook: 'whsec_1' },
    admin,
    dataDir,
    world: systemWorld(logger),
    ...config,
  });
  const origin = origins['gateway'] as string;
  let keys = 0;

  const ask: WholeShop['ask'] = async (method, path, { body, key, token } = {}) => {
    const reply = await request(`${origin}${path}`, {
      method: method as 'GET',
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await reply.body.text();
    return { status: reply.statusCode, headers: reply.headers, body: text ? JSON.parse(text) : undefined };
  };

  /** Passwords are checked slowly on purpose: a machine that is busy may not do it in time, and says so. */
  const signIn: WholeShop['signIn'] = async ({ email, password }) => {
    for (let attempt = 1; ; attempt++) {
      const { status, body } = await ask('POST', '/sessions', { body: { email, password } });
      if (status === 201) return body.accessToken;
      if (status < 500 || attempt === signInsMax) throw new Error(`${email} is not signed in: ${JSON.stringify(body)}`);
    }
  };

  return {
    origin,
    databases,
    log,
    ask,
    signIn,
    adminToken: () => signIn(config.admin ?? admin),
    placeOrder(sku, quantity, email = 'ada@example.com', more = {}) {
      keys += 1;
      const payment = { method: 'pm_card_visa' };
      const body = { email, currency: 'EUR', lines: [{ sku, quantity }], payment, ...more };
      return ask('POST', '/orders', { body, key: `order-${keys}` });
    },
    async stop() {
      await host.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

function errorText(_name: string, value: unknown): unknown {
  return value instanceof Error ? value.stack : value;
}
