import { Agent, request } from 'undici';
import type { World } from '#kit/runtime';
import { createSandboxHttp } from './http.ts';
import { createFileJournal, createMemoryJournal } from './journal.ts';
import { createSandbox, type Sandbox } from './sandbox.ts';
import { httpWebhook } from './webhooks.ts';

export interface SandboxServerOptions extends World {
  /** Default `127.0.0.1`. */
  readonly host?: string;
  /** 0 takes a free one. Default 0. */
  readonly port?: number;
  readonly secretKey: string;
  readonly adminKey?: string;
  /** The file of the books. Default: memory only, gone at the end. */
  readonly journalPath?: string;
  readonly webhooks?: readonly { readonly url: string; readonly secret: string }[];
}

export interface SandboxServer {
  readonly url: string;
  readonly sandbox: Sandbox;
  /** Ends open connections, waits for the journal. */
  close(): Promise<void>;
}

/** The sandbox as a server: in a process of its own (main.ts), or beside the services in theirs. */
export async function startSandboxServer(options: SandboxServerOptions): Promise<SandboxServer> {
  const { host = '127.0.0.1', port = 0, journalPath, webhooks = [], timers } = options;
  const agent = new Agent({ connections: 16 });
  const sandbox = await createSandbox({
    ...options,
    journal: journalPath === undefined ? createMemoryJournal() : createFileJournal({ path: journalPath, timers }),
    webhooks: webhooks.map(({ url, secret }) =>
      httpWebhook(secret, timers, async (body, headers, signal) => {
        const reply = await request(url, { method: 'POST', body, headers, signal, dispatcher: agent });
        await reply.body.dump();
        return reply.statusCode;
      }),
    ),
  });
  const http = createSandboxHttp({ ...options, sandbox });
  async function close(): Promise<void> {
    await http.close();
    await sandbox.close();
    await agent.destroy();
  }
  try {
    return { url: await http.listen({ host, port }), sandbox, close };
  } catch (error) {
    await close();
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new Error(`port ${port} on ${host} is taken: end what uses it or choose another port`, { cause: error });
  }
}
