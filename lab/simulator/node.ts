import {
  type Cancel,
  createIds,
  type Logger,
  type LogLevel,
  seededRandom,
  sleepOn,
  type Timers,
  type World,
} from '#kit/runtime';
import { type Simulation, startMs } from './simulation.ts';

/**
 * A machine: it has a clock of its own and lives through incarnations.
 *
 *     down ──start──▶ up ──crash──▶ down
 *                     up ──pause──▶ paused ──resume──▶ up (what came in meanwhile happens then)
 *                                   paused ──crash──▶ down
 *
 * Whatever wakes the code of a node (a timer, a reply, an answer of its database) comes through `guard` of the
 * incarnation that waits for it. A crash so ends a program between two instructions: its continuations are never called.
 */
export interface SimNode {
  readonly name: string;
  readonly state: 'down' | 'up' | 'paused';
  readonly incarnation: number;
  readonly clock: NodeClock;
  /** Begins a new incarnation and runs the program that the node was made with. */
  start(): void;
  crash(why: string): void;
  pause(): void;
  resume(): void;
  /** Called when an incarnation ends: its connections break. */
  onCrash(listener: () => void): void;
}

/** The life of a node between a start and a crash: what its program is given. */
export interface Incarnation {
  readonly node: SimNode;
  readonly number: number;
  readonly isAlive: boolean;
  readonly world: World;
  /** `task`, to be run in this incarnation or not at all; while the node is paused it waits. */
  guard(task: () => void): () => void;
}

/** A clock that is wrong by `offsetMs`, runs fast or slow, and can be set. Its monotonic side only runs fast or slow. */
export interface NodeClock {
  wallMs(): number;
  readonly rate: number;
  step(byMs: number): void;
  /** Takes back all steps: a time daemon has done its work. */
  repair(): void;
}

export function createNodeClock(simulation: Simulation, skewMs: number, driftPpm: number): NodeClock {
  const rate = 1 + driftPpm / 1e6;
  let offsetMs = skewMs;
  return {
    wallMs: () => startMs + (simulation.world.nowMs - startMs) * rate + offsetMs,
    rate,
    step(byMs) {
      offsetMs += byMs;
    },
    repair() {
      offsetMs = skewMs;
    },
  };
}

export interface NodeOptions {
  readonly name: string;
  readonly simulation: Simulation;
  readonly clock: NodeClock;
  readonly boot: (incarnation: Incarnation) => void;
}

export function createNode(options: NodeOptions): SimNode {
  const { name, simulation, clock, boot } = options;
  const { trace, world } = simulation;
  let state: SimNode['state'] = 'down';
  let number = 0;
  let backlog: (() => void)[] = [];
  const crashListeners: (() => void)[] = [];

  const note = (text: string) => trace.event({ atMs: world.nowMs, kind: 'node', node: name, text });

  const node: SimNode = {
    name,
    clock,
    get state() {
      return state;
    },
    get incarnation() {
      return number;
    },
    start() {
      if (state !== 'down') return;
      state = 'up';
      number += 1;
      note(`starts (${number})`);
      boot(createIncarnation(number));
    },
    crash(why) {
      if (state === 'down') return;
      state = 'down';
      backlog = [];
      note(`crashes: ${why}`);
      for (const listener of crashListeners) listener();
    },
    pause() {
      if (state !== 'up') return;
      state = 'paused';
      note('is paused');
    },
    resume() {
      if (state !== 'paused') return;
      state = 'up';
      note('goes on');
      const waiting = backlog;
      backlog = [];
      // Each in an event of its own, so that promises settle in between as they would have.
      for (const task of waiting) world.timers.soon(task);
    },
    onCrash: (listener) => void crashListeners.push(listener),
  };

  function createIncarnation(mine: number): Incarnation {
    const guard = (task: () => void) =>
      function run(): void {
        if (mine !== number || state === 'down') return;
        if (state === 'paused') backlog.push(run);
        else task();
      };
    const timers = guardedTimers(simulation, clock, guard, name);
    const nodeClock = {
      now: () => Math.floor(clock.wallMs()),
      monotonicMs: () => (world.nowMs - startMs) * clock.rate,
    };
    const random = seededRandom(simulation.seed, `${name}/${mine}`);
    return {
      node,
      number: mine,
      get isAlive() {
        return mine === number && state !== 'down';
      },
      guard,
      world: {
        clock: nodeClock,
        timers,
        random,
        ids: createIds(nodeClock, seededRandom(simulation.seed, `${name}/${mine}/ids`)),
        log: tracingLogger(simulation, name),
      },
    };
  }
  return node;
}

function guardedTimers(
  simulation: Simulation,
  clock: NodeClock,
  guard: (task: () => void) => () => void,
  name: string,
): Timers {
  const base = simulation.world.timers;
  const timers: Timers = {
    after(delayMs, task) {
      // Called off also where it was due during a pause and waits to happen.
      let isOff = false;
      const cancel = base.after(
        Math.max(0, delayMs) / clock.rate,
        guard(() => {
          if (!isOff) task();
        }),
      );
      return () => {
        isOff = true;
        cancel();
      };
    },
    every(periodMs, task) {
      let cancel: Cancel = timers.after(periodMs, run);
      let stopped = false;
      function again(): void {
        if (!stopped) cancel = timers.after(periodMs, run);
      }
      function run(): void {
        const outcome = task();
        if (!outcome) again();
        else outcome.then(again, (error) => simulation.violate('no task fails unheard', `${name}: ${error}`));
      }
      return () => {
        stopped = true;
        cancel();
      };
    },
    sleep: (delayMs, signal) => sleepOn(timers, delayMs, signal),
    soon: (task) => base.soon(guard(task)),
  };
  return timers;
}

function tracingLogger(simulation: Simulation, name: string): Logger {
  const { trace, world } = simulation;
  const write = (level: LogLevel) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
    const detail = trace.isKept ? shown(fields) : undefined;
    trace.event({ atMs: world.nowMs, kind: 'log', node: name, text: `${level} ${message}`, detail });
    // What a process does to itself so that others are spared: it counts among what a run has been through.
    if (message === 'breaker changed') simulation.faults.add(`breaker ${fields?.['state']}`);
  };
  const logger: Logger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    with: () => logger,
  };
  return logger;
}

function shown(fields: Readonly<Record<string, unknown>> = {}): string {
  return Object.entries(fields)
    .map(([name, value]) => ` ${name}=${value instanceof Error ? value.message : JSON.stringify(value)}`)
    .join('');
}
