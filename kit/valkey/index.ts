import { Redis as Client } from 'iovalkey';
import type { Component, Logger } from '#kit/runtime';

/** The little of Valkey or Redis that the kit takes. Rejects at once while the server is away: what is kept there is never the truth. */
export interface Valkey {
  readonly component: Component;
  readonly connected: boolean;
  get(key: string): Promise<string | null>;
  /** `ttlMs` is a whole number above 0. */
  set(key: string, value: string, ttlMs: number): Promise<void>;
  delete(keys: readonly string[]): Promise<void>;
  /** A Lua script, sent by its digest: run(keys, arguments). */
  script(lua: string): (keys: readonly string[], args: readonly string[]) => Promise<unknown>;
}

export interface ValkeyOptions {
  /** `redis://[user:password@]host:port[/database]`, or `rediss://` with TLS. */
  readonly url: string;
  readonly log: Logger;
  /** A command without an answer after this is given up. Default 500 ms: a cache that takes longer is no help. */
  readonly commandTimeoutMs?: number;
}

const reconnectMsMax = 2_000;

/** Connects in the background: nothing waits for a cache. Commands of one turn share a round trip. */
export function createValkey({ url, log, commandTimeoutMs = 500 }: ValkeyOptions): Valkey {
  const client = new Client(url, {
    lazyConnect: true,
    enableAutoPipelining: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    commandTimeout: commandTimeoutMs,
    retryStrategy: (times) => Math.min(50 * 2 ** times, reconnectMsMax),
  });
  let wasConnected = false;
  client.on('ready', () => {
    wasConnected = true;
    log.info('connected to valkey');
  });
  client.on('error', (error) => {
    // One line for each loss; the attempts after it would fill a log.
    if (wasConnected) log.warn('valkey is away, going on without it', { error });
    wasConnected = false;
  });
  let scripts = 0;
  return {
    get connected() {
      return client.status === 'ready';
    },
    get: (key) => client.get(key),
    async set(key, value, ttlMs) {
      await client.set(key, value, 'PX', ttlMs);
    },
    async delete(keys) {
      if (keys.length > 0) await client.del(...keys);
    },
    script(lua) {
      const name = `holdfast${scripts++}`;
      client.defineCommand(name, { lua });
      const command = (client as unknown as Record<string, (...args: (string | number)[]) => Promise<unknown>>)[name];
      return (keys, args) => (command as NonNullable<typeof command>).call(client, keys.length, ...keys, ...args);
    },
    component: {
      name: 'valkey',
      async start() {
        await client.connect().catch((error: Error) => log.warn('valkey is away, going on without it', { error }));
      },
      async stop() {
        client.disconnect();
      },
    },
  };
}
