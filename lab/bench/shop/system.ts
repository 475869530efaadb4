import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findFreePort } from '#kit/store/embedded';
import { askControl, type Say, type SystemStatus } from '../../../cli/control/index.ts';

/** A topology that runs as `holdfast up` starts it, on a data directory of its own. */
export interface ShopSystem {
  readonly origin: string;
  readonly dataDir: string;
  readonly startedInMs: number;
  status(): Promise<SystemStatus>;
  /** Asks for an operation of the control socket. */
  operate(path: string, body: object, say?: Say): Promise<void>;
  /** Resident memory of its processes, without PostgreSQL. */
  memoryBytes(): Promise<number>;
  stop(): Promise<void>;
}

const program = fileURLToPath(new URL('../../../cli/holdfast.mjs', import.meta.url));

export async function startShopSystem(topology: string): Promise<ShopSystem> {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-shop-'));
  chmodSync(dataDir, 0o711);
  const ports = ['--port', String(await findFreePort()), '--internal-port', String(await findFreePort())];
  const args = ['up', '--topology', topology, '--data-dir', dataDir, '--json', '--quiet', '--no-apps', ...ports];
  const { npm_command: _, HOLDFAST_LIFELINE: __, ...environment } = process.env;
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 2], env: environment });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let text = '';
  const line = new Promise<void>((resolve) => {
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('\n')) resolve();
    });
  });
  await Promise.race([line, ended]);
  const result = JSON.parse(text || '{"ok":false}');
  if (!result.ok) throw new Error(`${topology} did not start: ${text}`);
  const status = () => askControl<SystemStatus>(dataDir, { method: 'GET', path: '/status' });
  return {
    origin: result.urls.gateway,
    dataDir,
    startedInMs: result.startedInMs,
    status,
    operate: async (path, body, say) => void (await askControl(dataDir, { method: 'POST', path, body }, say)),
    async memoryBytes() {
      const { instances, pid } = await status();
      const pids = new Set([pid, ...instances.map((each) => each.pid ?? 0)]);
      return [...pids].reduce((sum, each) => sum + residentBytes(each), 0);
    },
    async stop() {
      child.kill('SIGTERM');
      await ended;
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

function residentBytes(pid: number): number {
  try {
    const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kib ?? 0) * 1_024;
  } catch {
    return 0;
  }
}
