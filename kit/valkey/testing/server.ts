import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '#kit/store/embedded';

const programs = ['valkey-server', 'redis-server'] as const;

/** The server of this machine; undefined where there is none, and tests that want it are skipped. */
export const valkeyProgram = programs.find((program) => spawnSync(program, ['--version']).status === 0);

export interface ValkeyServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts one without files on a free port. Give the port again to bring a stopped one back. */
export async function startValkeyServer(port?: number): Promise<ValkeyServer & { readonly port: number }> {
  if (!valkeyProgram) throw new Error('no valkey-server or redis-server on this machine: apt-get install redis-server');
  const on = port ?? (await findFreePort());
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-valkey-'));
  const args = ['--port', String(on), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
  const child = spawn(valkeyProgram, args, { stdio: 'ignore' });
  await listening(child, on);
  return {
    port: on,
    url: `redis://127.0.0.1:${on}`,
    async stop() {
      if (child.exitCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const attemptsMax = 400;

async function listening(child: ChildProcess, port: number): Promise<void> {
  for (let attempt = 0; attempt < attemptsMax && child.exitCode === null; attempt++) {
    const socket = connect(port, '127.0.0.1');
    const open = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the server does not listen on port ${port}`);
}
