import { type ChildProcess, spawn } from 'node:child_process';
import type { World } from '#kit/runtime';
import { exitCodes, Failure } from './failure.ts';
import type { Pulse, Ready, ToChild, ToParent } from './process-messages.ts';
import type { ServicesConfig } from './services.ts';
import { answerSigning } from './signing.ts';

/** A child process that was started, until it ends. */
export interface Launched {
  readonly pid: number | undefined;
  readonly isPaused: boolean;
  /** Rejects with the `Failure` that ended it before. */
  readonly ready: Promise<Ready>;
  /** Tells it to drain, and waits for its end. Kills what hangs. */
  end(leaveMs?: number): Promise<void>;
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void;
  pulse(timeoutMs: number): Promise<Pulse | undefined>;
}

export interface LaunchOptions {
  readonly config: ServicesConfig;
  readonly world: World;
  /** The child's program. */
  readonly entry: string;
  /** Added to the environment of the child. */
  readonly environment: Readonly<Record<string, string>> | undefined;
  /** Descriptor of an open file that takes what the child prints. */
  readonly output: number;
  /** Called once, with the reason. */
  onEnd(launched: Launched, why: Failure): void;
}

/** Longer than the host's own drain and stop, so that this only ends a child that hangs. */
const stopTimeoutMs = 30_000;

export function launch(options: LaunchOptions): Launched {
  const { config, world, entry, environment, output, onEnd } = options;
  // Standard output belongs to the command's result, so what a child prints goes to standard error.
  const child = spawn(process.execPath, [entry], {
    stdio: ['ignore', output, output, 'ipc'],
    ...(environment ? { env: { ...process.env, ...environment } } : {}),
  });
  answerSigning(child, config, world);
  const asked = new Map<number, (pulse: Pulse | undefined) => void>();
  const ready = Promise.withResolvers<Ready>();
  // Not everybody who starts one waits for it.
  ready.promise.catch(() => {});
  let questions = 0;
  let isPaused = false;
  let problem: Failure | undefined;
  let hasEnded = false;

  function ended(why: Failure): void {
    if (hasEnded) return;
    hasEnded = true;
    for (const answer of asked.values()) answer(undefined);
    ready.reject(why);
    onEnd(launched, why);
  }

  child.on('message', (message: ToParent) => {
    if (message.type === 'here') tell(child, { type: 'start', config });
    if (message.type === 'failed') problem = new Failure(message.exitCode, message.sentence);
    if (message.type === 'ready') ready.resolve(message);
    if (message.type === 'pulse') asked.get(message.id)?.(message.pulse);
  });
  child.once('error', (error) => ended(new Failure(exitCodes.internal, error.message, { cause: error })));
  child.once('exit', (code, signal) => ended(problem ?? unasked(config.process, code, signal)));

  const launched: Launched = {
    get pid() {
      return child.pid;
    },
    get isPaused() {
      return isPaused;
    },
    ready: ready.promise,
    async end(leaveMs) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      if (isPaused) child.kill('SIGCONT');
      tell(child, { type: 'stop', ...(leaveMs === undefined ? {} : { leaveMs }) });
      const cancel = world.timers.after(stopTimeoutMs, () => child.kill('SIGKILL'));
      await gone;
      cancel();
    },
    signal(signal) {
      isPaused = signal === 'SIGSTOP';
      child.kill(signal);
    },
    async pulse(timeoutMs) {
      if (hasEnded || !child.connected) return undefined;
      questions += 1;
      const id = questions;
      return new Promise((resolve) => {
        const answer = (pulse: Pulse | undefined) => {
          cancel();
          asked.delete(id);
          resolve(pulse);
        };
        const cancel = world.timers.after(timeoutMs, () => answer(undefined));
        asked.set(id, answer);
        tell(child, { type: 'ask', id });
      });
    },
  };
  return launched;
}

function tell(child: ChildProcess, message: ToChild): void {
  // A child that has just died can't be told anything; its exit event says the rest.
  if (child.connected) child.send(message, () => {});
}

function unasked(name: string, code: number | null, signal: NodeJS.Signals | null): Failure {
  const how = signal ? `was ended by ${signal}` : `ended with code ${code}`;
  return new Failure(exitCodes.internal, `The process ${name} ${how} before it was told to: its messages are above.`);
}
