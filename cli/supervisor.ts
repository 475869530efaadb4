import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Cancel, World } from '#kit/runtime';
import { exitCodes, Failure } from './failure.ts';
import type { ToChild, ToParent } from './process-messages.ts';
import type { ServicesConfig } from './services.ts';
import { answerSigning } from './signing.ts';

/**
 * A child process that is kept running.
 *
 *     starting ── ready ──► ready
 *        │ failed, ended      │ ended
 *        ▼                    ▼
 *     (first start: error)  waiting ── delay over ──► starting
 *
 * `stop` leads from any state to stopped. The delay doubles while the child keeps ending, and starts anew once it has
 * been ready for a while.
 */
export interface SupervisedProcess {
  readonly name: string;
  /** Resolves when the child is ready for the first time; throws a `Failure` if it ends before. */
  start(): Promise<void>;
  /** Tells the child to drain and waits for its end. */
  stop(): Promise<void>;
  /** Why the child does not serve now; undefined when it does. */
  down(): string | undefined;
  readonly pid: number | undefined;
  readonly restarts: number;
  readonly urls: Readonly<Record<string, string>>;
  readonly demo: string | undefined;
}

export interface SupervisedOptions {
  readonly config: ServicesConfig;
  readonly world: World;
  /** Called whenever pid or state have changed. */
  readonly onChange?: () => void;
  /** The child's program. Default `process.ts` beside this file. */
  readonly entry?: string;
  /** Added to the environment of the child, for the fault lab. Default: nothing. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Descriptor of an open file that takes what the child prints. Default 2, standard error. */
  readonly output?: number;
}

const restartDelayMsFirst = 100;
const restartDelayMsMax = 5_000;
/** A child that was ready for so long has earned a quick restart. */
const steadyAfterMs = 10_000;
/** Longer than the host's own drain and stop, so that this only ends a child that hangs. */
const stopTimeoutMs = 30_000;

const defaultEntry = fileURLToPath(new URL('./process.ts', import.meta.url));

type State =
  | { readonly is: 'new' }
  | { readonly is: 'starting'; readonly child: ChildProcess }
  | { readonly is: 'ready'; readonly child: ChildProcess; readonly sinceMs: number }
  | { readonly is: 'waiting'; readonly cancel: Cancel; readonly why: string }
  | { readonly is: 'stopped' };

export function superviseProcess(options: SupervisedOptions): SupervisedProcess {
  const { config, world, onChange = () => {}, entry = defaultEntry, environment, output = 2 } = options;
  const log = world.log.with({ process: config.process });
  const first = Promise.withResolvers<void>();
  // `start` hands the promise out; a child that fails while nobody waits must not end the parent.
  first.promise.catch(() => {});
  let state: State = { is: 'new' };
  let restarts = 0;
  let wasReady = false;
  let delayMs = restartDelayMsFirst;
  let urls: Readonly<Record<string, string>> = {};
  let demo: string | undefined;

  function enter(next: State): void {
    state = next;
    onChange();
  }

  function launch(): void {
    // Standard output belongs to the command's result, so what a child prints goes to standard error.
    const child = spawn(process.execPath, [entry], {
      stdio: ['ignore', output, output, 'ipc'],
      ...(environment ? { env: { ...process.env, ...environment } } : {}),
    });
    answerSigning(child, config, world);
    let problem: Failure | undefined;
    child.on('message', (message: ToParent) => {
      if (message.type === 'here') tell(child, { type: 'start', config });
      if (message.type === 'failed') problem = new Failure(message.exitCode, message.sentence);
      if (message.type === 'ready') becomeReady(child, message);
    });
    child.once('error', (error) => onEnd(new Failure(exitCodes.internal, error.message, { cause: error })));
    child.once('exit', (code, signal) => onEnd(problem ?? ended(config.process, code, signal)));
    enter({ is: 'starting', child });
  }

  function becomeReady(child: ChildProcess, message: ToParent & { type: 'ready' }): void {
    if (state.is !== 'starting') return;
    urls = message.urls;
    demo = message.demo;
    wasReady = true;
    enter({ is: 'ready', child, sinceMs: world.clock.monotonicMs() });
    first.resolve();
  }

  function onEnd(why: Failure): void {
    if (state.is === 'stopped' || state.is === 'waiting') return;
    if (!wasReady) {
      enter({ is: 'stopped' });
      first.reject(why);
      return;
    }
    if (state.is === 'ready' && world.clock.monotonicMs() - state.sinceMs >= steadyAfterMs)
      delayMs = restartDelayMsFirst;
    log.error('process ended, starting it again', { why: why.message, inMs: delayMs });
    enter({ is: 'waiting', why: why.message, cancel: world.timers.after(delayMs, relaunch) });
    delayMs = Math.min(delayMs * 2, restartDelayMsMax);
  }

  function relaunch(): void {
    restarts += 1;
    launch();
  }

  async function stop(): Promise<void> {
    const before = state;
    enter({ is: 'stopped' });
    if (before.is === 'waiting') before.cancel();
    if (before.is === 'starting' || before.is === 'ready') await end(before.child, world);
  }

  return {
    name: config.process,
    start() {
      if (state.is === 'new') launch();
      return first.promise;
    },
    stop,
    down() {
      if (state.is === 'ready') return undefined;
      return state.is === 'waiting' ? state.why : state.is;
    },
    get pid() {
      return state.is === 'starting' || state.is === 'ready' ? state.child.pid : undefined;
    },
    get restarts() {
      return restarts;
    },
    get urls() {
      return urls;
    },
    get demo() {
      return demo;
    },
  };
}

async function end(child: ChildProcess, world: World): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  tell(child, { type: 'stop' });
  const cancel = world.timers.after(stopTimeoutMs, () => child.kill('SIGKILL'));
  await gone;
  cancel();
}

function tell(child: ChildProcess, message: ToChild): void {
  // A child that has just died can't be told anything; its exit event says the rest.
  if (child.connected) child.send(message, () => {});
}

function ended(name: string, code: number | null, signal: NodeJS.Signals | null): Failure {
  const how = signal ? `was ended by ${signal}` : `ended with code ${code}`;
  return new Failure(exitCodes.internal, `The process ${name} ${how} before it was told to: its messages are above.`);
}
