import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const builder = fileURLToPath(new URL('../apps/build/main.ts', import.meta.url));

export interface BuiltApps {
  /** One for each app that could be built. */
  readonly folders: readonly string[];
  /** What kept an app from being built, beginning with its name. */
  readonly failures: readonly string[];
}

/**
 * The built web apps: built now where their sources have changed, which takes some seconds, or there already. In a
 * process of its own, so that the bundler is gone from memory when it is done.
 */
export async function buildApps(): Promise<BuiltApps> {
  const child = spawn(process.execPath, [builder], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [result, complaint, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (status === 0) return JSON.parse(result);
  throw new Error(`the web apps could not be built:\n${complaint.trim()}`);
}
