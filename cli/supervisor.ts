import { fileURLToPath } from 'node:url';
import type { Cancel, World } from '#kit/runtime';
import type { Doors } from './doors.ts';
import { exitCodes, Failure } from './failure.ts';
import { type Launched, launch } from './launch.ts';
import type { Pulse, Ready } from './process-messages.ts';
import type { ServicesConfig } from './services.ts';
import type { Issue } from './signing.ts';
import type { Spares } from './spares.ts';

/**
 * A child process that is kept running.
 *
 *     starting ── ready ──► ready
 *        │ failed, ended      │ ended
 *        ▼                    ▼
 *     (first start: error)  waiting ── delay over ──► starting
 *
 * `stop` leads from any state to stopped. The delay doubles while the child keeps ending, and starts anew once it has
 * been ready for a while. `replace` starts a second child beside the first; when that is ready it takes the first one's
 * place in whatever state this is, and the first one is told to end.
 */
export interface SupervisedProcess {
  readonly name: string;
  /** Resolves when the child is ready for the first time; throws a `Failure` if it ends before. */
  start(): Promise<void>;
  /** Tells the child to drain and waits for its end. `leaveMs`: how long it serves on after it has left the registry. */
  stop(leaveMs?: number): Promise<void>;
  /** Puts a child with this configuration in its place, without a gap. Throws a `Failure`, and keeps the old one, when that fails. */
  replace(config: ServicesConfig): Promise<void>;
  /** Ends the child as `stop` does, and starts it again. */
  restart(): Promise<void>;
  /** Ends the child without a word, as a crash would; it is started again. Throws a `Failure` when there is none. */
  kill(): void;
  /** Stops the child in its tracks: it answers nobody, and does not know. Throws a `Failure` when there is none. */
  pause(): void;
  resume(): void;
  /** Ends the child as `kill` does, and starts none until `release`. */
  hold(): void;
  release(): void;
  /** Why the child does not serve now; undefined when it does. */
  down(): string | undefined;
  /** Asks the child how it is; undefined when it does not answer in time. */
  pulse(timeoutMs: number): Promise<Pulse | undefined>;
  readonly config: ServicesConfig;
  readonly state: SupervisedState;
  /** How long the child has been ready; undefined when it is not. */
  readonly readyMs: number | undefined;
  readonly pid: number | undefined;
  /** Of the child's certificate in the mesh. */
  readonly serial: string | undefined;
  readonly restarts: number;
  readonly urls: Readonly<Record<string, string>>;
  readonly demo: string | undefined;
}

export type SupervisedState = State['is'] | 'paused';

export interface SupervisedOptions {
  readonly config: ServicesConfig;
  readonly world: World;
  /** Called whenever pid or state have changed. */
  readonly onChange?: () => void;
  /** Sockets that outlive the child. Default: it listens by itself, wherever it is told to. */
  readonly doors?: Doors;
  /** The child's program. Default `process.ts` beside this file. */
  readonly entry?: string;
  /** Children that have loaded already. Default: each is started when it is wanted. */
  readonly spares?: Spares;
  /** Added to the environment of the child, for the fault lab. Default: nothing. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Descriptor of an open file that takes what the child prints. Default 2, standard error. */
  readonly output?: number;
  /** Signs its certificates, for the fault lab. Default: the local authority. */
  readonly issue?: Issue;
}

const restartDelayMsFirst = 100;
const restartDelayMsMax = 5_000;
/** A child that was ready for so long has earned a quick restart. */
const steadyAfterMs = 10_000;
/** A child that has never been ready is started so often, if what it lacks may come. */
const firstStartsMax = 3;
/**
 * A process that is replaced serves on for so long after it has left the registry: callers look there every second at
 * the latest, should the announcement reach them late on a busy machine.
 */
const replacedLeaveMs = 1_500;

const defaultEntry = fileURLToPath(new URL('./process.ts', import.meta.url));

/** Whatever a child needs may be slow to come up, as it is when everything starts on a small machine. */
const mayComeYet = ({ exitCode }: Failure, starts: number): boolean =>
  exitCode === exitCodes.unavailable && starts < firstStartsMax;

type State =
  | { readonly is: 'new' }
  | { readonly is: 'starting'; readonly child: Launched }
  | { readonly is: 'ready'; readonly child: Launched; readonly sinceMs: number }
  | { readonly is: 'waiting'; readonly cancel: Cancel; readonly why: string }
  | { readonly is: 'stopped' };

export function superviseProcess(options: SupervisedOptions): SupervisedProcess {
  const { world, onChange = () => {}, entry = defaultEntry, environment, output = 2 } = options;
  const log = world.log.with({ process: options.config.process });
  const first = Promise.withResolvers<void>();
  // `start` hands the promise out; a child that fails while nobody waits must not end the parent.
  first.promise.catch(() => {});
  let { config } = options;
  let state: State = { is: 'new' };
  let successor: Launched | undefined;
  let isHeld = false;
  let restarts = 0;
  let wasReady = false;
  let delayMs = restartDelayMsFirst;
  let urls: Readonly<Record<string, string>> = {};
  let demo: string | undefined;

  function enter(next: State): void {
    state = next;
    onChange();
  }

  const current = (): Launched | undefined =>
    state.is === 'starting' || state.is === 'ready' ? state.child : undefined;

  function launchWith(settings: ServicesConfig): Launched {
    return launch({
      ...{ config: settings, world, entry, environment, output },
      ...{ doors: options.doors, issue: options.issue, spares: options.spares },
      onEnd(launched, why) {
        if (current() === launched) onEnd(why);
      },
    });
  }

  async function start(): Promise<void> {
    const child = launchWith(config);
    enter({ is: 'starting', child });
    const message = await child.ready;
    if (state.is === 'starting' && state.child === child) serve(child, message);
  }

  function serve(child: Launched, message: Ready): void {
    urls = message.urls;
    demo = message.demo;
    wasReady = true;
    enter({ is: 'ready', child, sinceMs: world.clock.monotonicMs() });
    first.resolve();
  }

  function onEnd(why: Failure): void {
    if (!wasReady && !mayComeYet(why, restarts + 1)) {
      enter({ is: 'stopped' });
      first.reject(why);
      return;
    }
    if (state.is === 'ready' && world.clock.monotonicMs() - state.sinceMs >= steadyAfterMs)
      delayMs = restartDelayMsFirst;
    log.error('process ended, starting it again', { why: why.message, inMs: delayMs });
    const told = isHeld ? 'killed on purpose, and kept from starting' : why.message;
    enter({ is: 'waiting', why: told, cancel: world.timers.after(delayMs, relaunch) });
    delayMs = Math.min(delayMs * 2, restartDelayMsMax);
  }

  function relaunch(): void {
    // `release` goes on from here.
    if (isHeld) return;
    restarts += 1;
    // How it ends is told by `onEnd`.
    start().catch(() => {});
  }

  async function stop(leaveMs?: number): Promise<void> {
    const [before, child, next] = [state, current(), successor];
    enter({ is: 'stopped' });
    if (before.is === 'waiting') before.cancel();
    await Promise.all([child?.end(leaveMs), next?.end()]);
  }

  async function replace(next: ServicesConfig): Promise<void> {
    if (successor) {
      throw new Failure(exitCodes.unavailable, `${config.process} is being replaced already: wait for it.`);
    }
    try {
      const [child, message] = await firstReady(next);
      if (state.is === 'stopped') return;
      const predecessor = current();
      if (state.is === 'waiting') state.cancel();
      config = next;
      serve(child, message);
      await predecessor?.end(replacedLeaveMs);
    } finally {
      successor = undefined;
    }
  }

  /** A successor that serves, at the latest of so many starts as a first child gets. */
  async function firstReady(next: ServicesConfig): Promise<[Launched, Ready]> {
    for (let starts = 1; ; starts++) {
      const child = launchWith(next);
      successor = child;
      try {
        return [child, await child.ready];
      } catch (why) {
        if (!mayComeYet(why as Failure, starts)) throw why;
        log.warn('a successor could not start, trying again', { why: (why as Failure).message });
      }
    }
  }

  async function restart(): Promise<void> {
    const child = current();
    if (state.is === 'waiting') state.cancel();
    enter({ is: 'waiting', why: 'it is being restarted', cancel: () => {} });
    await child?.end(replacedLeaveMs);
    if (state.is === 'waiting') await start();
  }

  function living(): Launched {
    const child = current();
    if (child) return child;
    const why = state.is === 'waiting' ? `ended and is started again in a moment` : `is ${state.is}`;
    throw new Failure(exitCodes.unavailable, `${config.process} ${why}: there is no process to do that to.`);
  }

  return {
    name: config.process,
    start() {
      if (state.is === 'new') start().catch(() => {});
      return first.promise;
    },
    stop,
    replace,
    restart,
    kill: () => living().signal('SIGKILL'),
    pause() {
      living().signal('SIGSTOP');
      onChange();
    },
    resume() {
      living().signal('SIGCONT');
      onChange();
    },
    hold() {
      isHeld = true;
      current()?.signal('SIGKILL');
    },
    release() {
      if (!isHeld) return;
      isHeld = false;
      if (state.is !== 'waiting') return;
      state.cancel();
      delayMs = restartDelayMsFirst;
      relaunch();
    },
    down() {
      if (state.is === 'ready') return undefined;
      return state.is === 'waiting' ? state.why : state.is;
    },
    pulse: async (timeoutMs) => current()?.pulse(timeoutMs),
    get config() {
      return config;
    },
    get state() {
      return current()?.isPaused ? 'paused' : state.is;
    },
    get readyMs() {
      return state.is === 'ready' ? world.clock.monotonicMs() - state.sinceMs : undefined;
    },
    get pid() {
      return current()?.pid;
    },
    get serial() {
      return current()?.serial;
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
