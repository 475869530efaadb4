import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

/** Runs a program that builds something, in a process of its own so that the bundler is gone from memory afterwards. */
export async function runBuilder<Result>(path: string, what: string, args: readonly string[] = []): Promise<Result> {
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [result, complaint, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (status === 0) return JSON.parse(result) as Result;
  throw new Error(`${what} could not be built:\n${complaint.trim()}`);
}
