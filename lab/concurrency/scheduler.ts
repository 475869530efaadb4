import type { Cancel, Clock, Random, Timers } from '#kit/runtime';
import { type Counts, newCounts } from './counts.ts';

/**
 * Decides, from a seed, which session's next statement runs, one at a time. PostgreSQL's own isolationtester does the
 * same with hand-written permutations (src/test/isolation): a statement is sent, and either ends or is found to wait for
 * a lock; then the next session has its turn. Here the turns are drawn, and the sessions are production code.
 *
 *     idle ──pass──▶ waiting ──chosen──▶ flying ──lands──▶ idle
 *                                        flying ◀──lock given─── blocked ◀──waits for a lock── flying
 *
 * A statement that is blocked does not hold the others up. It goes on by itself once its lock is free, or ends with
 * 40P01 when the server finds a deadlock.
 */
export interface Scheduler {
  readonly counts: Counts;
  /** What ran, in order, newest last; the newest `traceMax` lines. */
  readonly trace: readonly string[];
  addLane(name: string): Lane;
  /** Timers of one process: they fire when the scheduler says so, the earliest first, and its clock jumps there. */
  addProcess(name: string): { readonly clock: Clock; readonly timers: Timers };
  /**
   * Resolves when a session of this title waits for a lock; or nothing else can move, or `patienceTurns` turns have passed,
   * since production need not get stuck there. For whoever is to be in the way until it is felt.
   */
  untilBlocked(title: string): Promise<void>;
  /** Runs the programs to their end. Throws `Stuck` when nothing moves any more. */
  drive(random: Random, programs: readonly (() => Promise<void>)[]): Promise<void>;
}

/** One session of the database: at most one statement of it is under way. */
export interface Lane {
  readonly name: string;
  /** What the trace calls it. */
  title: string;
  /** Resolves when the scheduler lets the statement go; it is then under way until `land`. */
  pass(what: string): Promise<void>;
  takeOff(): void;
  land(outcome?: string): void;
  /** A statement that was waiting will not come any more: its transaction is over. */
  withdraw(): void;
  /** Statements of the transaction so far; undefined outside of one. */
  depth: number | undefined;
  /** Says that locks may have been given back. */
  released(): void;
}

export class Stuck extends Error {
  constructor(why: string, trace: readonly string[]) {
    super(`${why}; the last steps were:\n  ${trace.slice(-20).join('\n  ')}`);
    this.name = 'Stuck';
  }
}

interface LaneState extends Lane {
  waiting: { readonly what: string; readonly go: () => void } | undefined;
  flights: number;
  isBlocked: boolean;
  wasBlocked: boolean;
  weight: number;
}

/** Somebody who is in the way of a session until that is blocked. */
interface Stander {
  readonly title: string;
  readonly go: () => void;
  turnsLeft: number;
}

interface PendingTimer {
  readonly process: ProcessState;
  readonly dueMs: number;
  readonly task: () => void;
}

interface ProcessState {
  readonly name: string;
  skippedMs: number;
  readonly timers: Set<PendingTimer>;
}

export interface SchedulerOptions {
  readonly timers: Timers;
  readonly clock: Clock;
  /** Which of these sessions wait for a lock just now, by name. */
  readonly findBlocked: (names: readonly string[]) => Promise<ReadonlySet<string>>;
  /** Steps of one round. Default 30,000. */
  readonly stepsMax?: number;
  /** A round in which nothing has moved for so long is stuck. Default 60,000 ms. */
  readonly patienceMs?: number;
}

const traceMax = 4_000;
/** So many turns of the event loop without a sign of life, and JavaScript has come to rest. */
const stillTurns = 4;
/** A statement that has not ended by then may be blocked: the server is asked. */
const askAfterMs = 1;
const deadlockPollMs = 4;
/** Nobody is in the way for longer. */
const patienceTurns = 200;
/** How often a timer fires although a statement could run. */
const timerChance = 0.04;

export function createScheduler(options: SchedulerOptions): Scheduler {
  const { timers, clock, findBlocked, stepsMax = 30_000, patienceMs = 60_000 } = options;
  const lanes: LaneState[] = [];
  const processes: ProcessState[] = [];
  const trace: string[] = [];
  let standers: Stander[] = [];
  let counts = newCounts();
  let activity = 0;
  let notice: () => void = () => {};
  let last: LaneState | undefined;

  function stir(): void {
    activity += 1;
    notice();
  }

  function note(line: string): void {
    trace.push(line);
    if (trace.length > traceMax) trace.splice(0, traceMax / 2);
  }

  function addLane(name: string): Lane {
    const lane: LaneState = {
      name,
      title: name,
      waiting: undefined,
      flights: 0,
      isBlocked: false,
      wasBlocked: false,
      weight: 1,
      depth: undefined,
      pass(what) {
        stir();
        return new Promise((go) => {
          lane.waiting = { what, go };
        });
      },
      takeOff() {
        stir();
        lane.flights += 1;
      },
      land(outcome) {
        stir();
        lane.flights = Math.max(0, lane.flights - 1);
        lane.isBlocked = false;
        if (outcome) note(lineOf(lane, outcome));
      },
      withdraw() {
        stir();
        lane.waiting = undefined;
      },
      released() {
        for (const other of lanes) other.isBlocked = false;
      },
    };
    lanes.push(lane);
    return lane;
  }

  function addProcess(name: string) {
    const process: ProcessState = { name, skippedMs: 0, timers: new Set() };
    processes.push(process);
    const own: Clock = {
      now: () => clock.now() + process.skippedMs,
      monotonicMs: () => clock.monotonicMs() + process.skippedMs,
    };
    return { clock: own, timers: createTimers(process, own) };
  }

  function createTimers(process: ProcessState, own: Clock): Timers {
    function after(delayMs: number, task: () => void): Cancel {
      stir();
      const timer = { process, dueMs: own.monotonicMs() + delayMs, task };
      process.timers.add(timer);
      return () => void process.timers.delete(timer);
    }
    return {
      after,
      every(periodMs, task) {
        let cancel: Cancel = () => {};
        let isStopped = false;
        const schedule = () => {
          cancel = after(periodMs, async () => {
            try {
              await task();
            } finally {
              if (!isStopped) schedule();
            }
          });
        };
        schedule();
        return () => {
          isStopped = true;
          cancel();
        };
      },
      sleep: (delayMs) => new Promise((resolve) => void after(delayMs, resolve)),
      soon: timers.soon,
    };
  }

  /** Resolves at the next sign of life, or after `ms`. */
  async function lifeWithin(ms: number): Promise<void> {
    const before = activity;
    const { promise, resolve } = Promise.withResolvers<void>();
    notice = resolve;
    const cancel = timers.after(ms, resolve);
    if (activity === before) await promise;
    cancel();
    notice = () => {};
  }

  async function comeToRest(): Promise<void> {
    for (let still = 0; still < stillTurns; ) {
      const before = activity;
      await new Promise<void>((resolve) => timers.soon(resolve));
      still = activity === before ? still + 1 : 0;
    }
  }

  /** Until each statement under way has ended or waits for a lock. */
  async function settle(): Promise<void> {
    const sinceMs = clock.monotonicMs();
    for (;;) {
      await comeToRest();
      if (!lanes.some(isMoving)) return;
      const before = activity;
      await lifeWithin(askAfterMs);
      if (activity !== before) continue;
      const asked = lanes.filter(isMoving);
      const blocked = await findBlocked(asked.map((lane) => lane.name));
      // What has moved meanwhile is not what was asked about.
      if (activity !== before) continue;
      for (const lane of asked) if (blocked.has(lane.name)) block(lane);
      if (clock.monotonicMs() - sinceMs > patienceMs) throw new Stuck('a statement does not end', trace);
    }
  }

  function block(lane: LaneState): void {
    lane.isBlocked = true;
    if (lane.wasBlocked) return;
    lane.wasBlocked = true;
    counts.blocked += 1;
    note(lineOf(lane, '… waits for a lock'));
  }

  function choose(random: Random): LaneState | PendingTimer | undefined {
    const ready = lanes.filter((lane) => lane.waiting && lane.flights === 0);
    const due = processes.flatMap((process) => earliest(process) ?? []);
    if (ready.length === 0 || (due.length > 0 && random.next() < timerChance)) {
      return due[Math.floor(random.next() * due.length)];
    }
    // Some rounds switch all the time, others let a session run for a while: different races need different schedules.
    if (last && ready.includes(last) && random.next() < stickiness) return last;
    let point = random.next() * ready.reduce((sum, lane) => sum + lane.weight, 0);
    return ready.find((lane) => {
      point -= lane.weight;
      return point < 0;
    });
  }

  const isTitleBlocked = (title: string) => lanes.some((lane) => lane.title === title && lane.isBlocked);

  /** Lets those go who have been felt, or all of them. Returns whether somebody did. */
  function letStandersGo(all: boolean): boolean {
    const done = standers.filter((stander) => {
      stander.turnsLeft -= 1;
      return all || stander.turnsLeft <= 0 || isTitleBlocked(stander.title);
    });
    standers = standers.filter((stander) => !done.includes(stander));
    for (const { go } of done) go();
    return done.length > 0;
  }

  let stickiness = 0;
  function drawTemper(random: Random): void {
    stickiness = [0, 0.3, 0.7, 0.9][Math.floor(random.next() * 4)] as number;
    // A session that is slow holds its locks, and what it has not committed, for long.
    for (const lane of lanes) lane.weight = [1, 1, 0.3, 0.05][Math.floor(random.next() * 4)] as number;
  }

  function letGo(chosen: LaneState | PendingTimer): void {
    if ('task' in chosen) {
      const { process } = chosen;
      process.timers.delete(chosen);
      process.skippedMs += Math.max(0, chosen.dueMs - (clock.monotonicMs() + process.skippedMs));
      stir();
      chosen.task();
      return;
    }
    const { what, go } = chosen.waiting as { what: string; go: () => void };
    last = chosen;
    chosen.waiting = undefined;
    chosen.wasBlocked = false;
    chosen.takeOff();
    counts.statements += 1;
    if (lanes.some((other) => other !== chosen && (other.depth ?? 0) > 0)) counts.interleaved += 1;
    note(lineOf(chosen, what));
    go();
  }

  return {
    get counts() {
      return counts;
    },
    trace,
    addLane,
    addProcess,
    untilBlocked(title) {
      stir();
      return new Promise((go) => void standers.push({ title, go, turnsLeft: patienceTurns }));
    },
    async drive(random, programs) {
      counts = newCounts();
      trace.length = 0;
      last = undefined;
      standers = [];
      drawTemper(random);
      let left = programs.length;
      const ends = programs.map((program) =>
        program().finally(() => {
          left -= 1;
          stir();
        }),
      );
      // An error is told at the end; until then it must not end the process.
      const all = Promise.all(ends);
      all.catch(() => {});
      await takeTurns(random, () => left);
      processes.length = 0;
      await all;
    },
  };

  async function takeTurns(random: Random, left: () => number): Promise<void> {
    let idleSinceMs: number | undefined;
    for (let step = 0; ; step++) {
      await settle();
      if (left() === 0) return;
      if (letStandersGo(false)) continue;
      if (step > stepsMax) throw new Stuck(`${left()} programs have not ended after ${stepsMax} steps`, trace);
      const chosen = choose(random);
      if (chosen) {
        idleSinceMs = undefined;
        letGo(chosen);
        continue;
      }
      if (letStandersGo(true)) continue;
      // All wait for locks, so the server's deadlock detector is at work; or a thread computes.
      idleSinceMs ??= clock.monotonicMs();
      if (clock.monotonicMs() - idleSinceMs > patienceMs) throw new Stuck(`${left()} programs wait for ever`, trace);
      await lifeWithin(deadlockPollMs);
      for (const lane of lanes) lane.isBlocked = false;
    }
  }
}

const lineOf = (lane: Lane, what: string) => `${lane.title.padEnd(12)} ${what}`;
const isMoving = (lane: LaneState) => lane.flights > 0 && !lane.isBlocked;

function earliest(process: ProcessState): PendingTimer | undefined {
  let first: PendingTimer | undefined;
  for (const timer of process.timers) if (!first || timer.dueMs < first.dueMs) first = timer;
  return first;
}
