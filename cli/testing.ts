import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** The command as a user runs it, for tests: a real process with real output. */
export interface CommandRun {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves with the exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** Resolves with the line that is printed once everything is up. */
  ready(): Promise<UpResult>;
}

export interface UpResult {
  readonly ok: boolean;
  readonly urls: { readonly gateway: string };
  readonly pid: number;
  readonly database: { readonly pid: number };
  readonly processes: readonly { readonly name: string; readonly pid: number; readonly services: readonly string[] }[];
}

const program = fileURLToPath(new URL('./holdfast.mjs', import.meta.url));

export function runCommand(...args: string[]): CommandRun {
  // As if typed in a terminal of its own: what the test runner was started by must not matter.
  const { npm_command: _, HOLDFAST_LIFELINE: __, ...env } = process.env;
  const child = spawn(process.execPath, [program, ...args], { env: { ...env, NO_COLOR: '1' } });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const ended = once(child, 'close').then(([code, signal]) => signal ?? code);
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    async ready() {
      const line = new Promise<void>((resolve) => {
        child.stdout.on('data', () => stdout.includes('\n') && resolve());
      });
      await Promise.race([line, ended]);
      if (!stdout.includes('"ok":true')) throw new Error(`not up: ${stdout}${stderr}`);
      return JSON.parse(stdout);
    },
  };
}

/** A folder that the database server's account can reach, removed after the test. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hf-cli-'));
  chmodSync(folder, 0o711);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
