import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { exitCodes, Failure } from '../../../cli/failure.ts';
import type { CpuUse, Watched } from '../cpu.ts';
import { runWorker } from '../worker.ts';
import type { ClientResult, ClientWork } from './client-process.ts';
import type { FromServer, ServerConfig, ToServer } from './server-process.ts';

export interface Server {
  readonly url: string;
  readonly pid: number;
  /** The latest reading, and the largest since the last call of `forgetMemory`. */
  readonly memory: { rssBytes: number; heapUsedBytes: number; rssBytesMax: number };
  forgetMemory(): void;
  /** Warnings and errors that it has logged. */
  readonly complaints: string[];
  /** Puts the catalogue in, with so many units of each SKU. */
  fill(unitsEach: number): Promise<void>;
  /** Profiles the work that is given, into a file. */
  profile<T>(path: string, work: () => Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

const complaintsMax = 100;

export async function startServer(config: ServerConfig): Promise<Server> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'server-process.ts')], {
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  const memory = { rssBytes: 0, heapUsedBytes: 0, rssBytesMax: 0 };
  const complaints: string[] = [];
  let answered: PromiseWithResolvers<FromServer> = Promise.withResolvers();
  const failed = (code: number | null) =>
    answered.reject(
      new Failure(exitCodes.internal, `A server of the benchmark ended with code ${code}: ${complaints.at(-1) ?? ''}`),
    );
  child.once('exit', failed);
  child.on('message', (message: FromServer) => {
    if (message.type === 'memory') {
      Object.assign(memory, { rssBytes: message.rssBytes, heapUsedBytes: message.heapUsedBytes });
      memory.rssBytesMax = Math.max(memory.rssBytesMax, message.rssBytes);
    } else if (message.type === 'complaint') {
      if (complaints.length < complaintsMax) complaints.push(message.message);
    } else answered.resolve(message);
  });

  /** One question at a time. */
  async function ask(message: ToServer): Promise<FromServer> {
    answered = Promise.withResolvers();
    if (child.exitCode !== null) failed(child.exitCode);
    else child.send(message);
    return answered.promise;
  }

  const ready = await ask({ type: 'start', config });
  return {
    url: ready.type === 'ready' ? ready.url : '',
    pid: child.pid as number,
    memory,
    complaints,
    forgetMemory() {
      memory.rssBytesMax = 0;
    },
    fill: async (unitsEach) => void (await ask({ type: 'fill', unitsEach })),
    async profile(path, work) {
      await ask({ type: 'profile' });
      const result = await work();
      await ask({ type: 'profiled', path });
      return result;
    },
    stop: () => end(child, failed),
  };
}

async function end(child: ChildProcess, failed: (code: number | null) => void): Promise<void> {
  child.removeListener('exit', failed);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.send({ type: 'stop' } satisfies ToServer);
  await ended;
}

export type MeasuredLoad = ClientResult & { readonly cpu: CpuUse | undefined };

const clientPath = join(import.meta.dirname, 'client-process.ts');

/** Lets the clients work, in a process of their own. */
export function runClients(work: ClientWork, watched: Omit<Watched, 'client'>): Promise<MeasuredLoad> {
  return runWorker<ClientResult>(clientPath, work, watched);
}
