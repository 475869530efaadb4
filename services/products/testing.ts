import type { ProductInput } from '#contracts/products';
import {
  createIds,
  type Database,
  type Logger,
  type Reply,
  seededRandom,
  systemClock,
  systemTimers,
  type World,
} from '#kit/runtime';
import { createDatabase, migrate } from '#kit/store';
import { createProducts, type ProductsOptions, productsMigrations } from './index.ts';

/** What the tests of this folder share: a service on a fresh database, and short ways to call it. */

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };

export function testWorld(seed: number): World {
  const random = seededRandom(seed);
  return { clock: systemClock, timers: systemTimers, random, ids: createIds(systemClock, random), log: silent };
}

export type Caller = 'anonymous:anonymous' | 'staff:usr_1' | 'service:orders' | 'service:inventory' | 'customer:usr_2';

export interface Call {
  readonly as?: Caller;
  readonly params?: Record<string, string>;
  readonly query?: Record<string, string | readonly string[]>;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

// biome-ignore lint/suspicious/noExplicitAny: tests read replies of every shape
export type AnyReply = Reply & { readonly body: any };

export async function serviceOn(url: string, options: Partial<ProductsOptions> = {}) {
  await migrate(url, productsMigrations);
  const world = options.world ?? testWorld(1);
  const database: Database = createDatabase({ url, ...world });
  const service = createProducts({ world, database, resolveAgeMsMax: 0, checkReplies: true, ...options });
  let keys = 0;
  function call(operation: string, { as = 'staff:usr_1', params = {}, query = {}, headers = {}, body }: Call = {}) {
    keys += 1;
    return service.server.handle(
      {
        service: 'products',
        operation,
        params,
        query,
        headers: { 'holdfast-caller': as, 'idempotency-key': `key-${keys}`, ...headers },
        ...(body === undefined ? {} : { body }),
      },
      new AbortController().signal,
    ) as Promise<AnyReply>;
  }
  return { ...service, database, call };
}

export async function* linesOf(values: readonly unknown[]): AsyncGenerator<unknown> {
  yield* values;
}

export async function collect(values: AsyncIterable<unknown>): Promise<unknown[]> {
  const all = [];
  for await (const value of values) all.push(value);
  return all;
}

export function productLike(over: Partial<ProductInput> & { readonly sku?: string } = {}): ProductInput {
  const { sku = 'SKU-1', ...input } = over;
  return {
    name: 'Kernmantle rope',
    status: 'active',
    categories: ['ropes/static'],
    attributes: { material: 'polyamide' },
    variants: [{ sku, options: {}, prices: [{ currency: 'EUR', amountMinor: 1200 }] }],
    ...input,
  };
}
