import { type ChildProcess, spawn } from 'node:child_process';
import type { ToParent } from './process-messages.ts';

/** A child process that has been started and not been told yet what it is. */
export interface Spare {
  readonly child: ChildProcess;
  /** It has loaded and waits for its configuration. */
  readonly isHere: () => boolean;
}

export interface ChildOptions {
  /** The child's program. */
  readonly entry: string;
  /** Added to the environment of the child. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Descriptor of an open file that takes what the child prints. */
  readonly output: number;
}

export function startChild({ entry, environment, output }: ChildOptions): Spare {
  // Standard output belongs to the command's result, so what a child prints goes to standard error.
  const child = spawn(process.execPath, [entry], {
    stdio: ['ignore', output, output, 'ipc'],
    ...(environment ? { env: { ...process.env, ...environment } } : {}),
  });
  let isHere = false;
  child.once('message', ({ type }: ToParent) => {
    isHere = type === 'here';
  });
  // Whoever takes it looks for itself.
  child.on('error', () => {});
  return { child, isHere: () => isHere };
}

/** Children that load while the database still starts: that is half of their start, and the same for all. */
export interface Spares {
  /** Undefined when none is left: then one is started. */
  take(): Spare | undefined;
  /** Ends those that nobody has taken. */
  end(): void;
}

export function createSpares(options: ChildOptions, count: number): Spares {
  let waiting = Array.from({ length: count }, () => startChild(options));
  const isAlive = ({ child }: Spare) => child.connected && child.exitCode === null && child.signalCode === null;
  return {
    take() {
      waiting = waiting.filter(isAlive);
      return waiting.shift();
    },
    end() {
      for (const { child } of waiting) child.kill('SIGKILL');
      waiting = [];
    },
  };
}
