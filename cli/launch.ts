import type { ChildProcess } from 'node:child_process';
import type { Server } from 'node:net';
import type { World } from '#kit/runtime';
import type { Doors } from './doors.ts';
import { exitCodes, explain, Failure } from './failure.ts';
import type { Pulse, Ready, ToChild, ToParent } from './process-messages.ts';
import type { ServicesConfig } from './services.ts';
import { answerSigning, type Issue } from './signing.ts';
import { type ChildOptions, type Spares, startChild } from './spares.ts';

/** A child process that was started, until it ends. */
export interface Launched {
  readonly pid: number | undefined;
  readonly isPaused: boolean;
  /** Of its certificate in the mesh. */
  readonly serial: string | undefined;
  /** Rejects with the `Failure` that ended it before. */
  readonly ready: Promise<Ready>;
  /** Tells it to drain, and waits for its end. Kills what hangs. */
  end(leaveMs?: number): Promise<void>;
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void;
  pulse(timeoutMs: number): Promise<Pulse | undefined>;
}

export interface LaunchOptions extends ChildOptions {
  readonly config: ServicesConfig;
  readonly world: World;
  /** Opens what is handed to it. Without, it listens by itself. */
  readonly doors: Doors | undefined;
  /** Gives a child that has loaded already, if there is one. */
  readonly spares: Spares | undefined;
  /** Signs its certificates of the mesh. Default: the local authority. */
  readonly issue: Issue | undefined;
  /** Called once, with the reason. */
  onEnd(launched: Launched, why: Failure): void;
}

/** Longer than the host's own drain and stop, so that this only ends a child that hangs. */
const stopTimeoutMs = 60_000;

export function launch(options: LaunchOptions): Launched {
  const { config, world, doors, onEnd } = options;
  const { child, isHere } = options.spares?.take() ?? startChild(options);
  let serial: string | undefined;
  answerSigning(child, {
    ...{ config, world, issue: options.issue },
    onIssued(issued) {
      serial = issued;
    },
  });
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

  function giveUp(error: unknown): void {
    const { sentence, exitCode } = explain(error);
    problem = new Failure(exitCode, sentence);
    child.kill('SIGKILL');
  }

  async function begin(): Promise<void> {
    for (const [name, at] of Object.entries(doors ? (config.doors ?? {}) : {})) {
      const door = await doors?.open(at);
      child.send({ type: 'door', name } as ToChild, door as Server, { keepOpen: true });
    }
    tell(child, { type: 'start', config });
  }

  child.on('message', (message: ToParent) => {
    if (message.type === 'here') void begin().catch(giveUp);
    if (message.type === 'failed') problem = new Failure(message.exitCode, message.sentence);
    if (message.type === 'ready') ready.resolve(message);
    if (message.type === 'pulse') asked.get(message.id)?.(message.pulse);
  });
  if (isHere()) void begin().catch(giveUp);
  child.once('error', (error) => ended(new Failure(exitCodes.internal, error.message, { cause: error })));
  child.once('exit', (code, signal) => ended(problem ?? unasked(config.process, code, signal)));

  const launched: Launched = {
    get pid() {
      return child.pid;
    },
    get isPaused() {
      return isPaused;
    },
    get serial() {
      return serial;
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
