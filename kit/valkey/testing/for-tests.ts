import { afterAll, beforeAll } from 'vitest';
import type { Logger } from '#kit/runtime';
import { createValkey, type Valkey } from '../index.ts';
import { startValkeyServer } from './server.ts';

export interface ValkeyForTests {
  readonly valkey: Valkey;
  /** Takes the server away, until `startServer` brings it back on its port. */
  stopServer(): Promise<void>;
  startServer(): Promise<void>;
}

/** A server and a connection to it, for the tests of the `describe` in which it is called. */
export function valkeyForTests(log: Logger): ValkeyForTests {
  let server: Awaited<ReturnType<typeof startValkeyServer>>;
  let valkey: Valkey;
  beforeAll(async () => {
    server = await startValkeyServer();
    valkey = createValkey({ url: server.url, log });
    await valkey.component.start?.();
  });
  afterAll(async () => {
    await valkey.component.stop?.();
    await server.stop();
  });
  return {
    get valkey() {
      return valkey;
    },
    stopServer: () => server.stop(),
    async startServer() {
      server = await startValkeyServer(server.port);
    },
  };
}
