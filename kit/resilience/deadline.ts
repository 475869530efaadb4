import type { Cancel, Clock, Timers } from '#kit/runtime';
import { deadlineExceeded } from './errors.ts';

/** Carries the remaining budget in whole milliseconds to the next hop. */
export const deadlineHeader = 'holdfast-deadline-ms';

/** Time that a hop keeps for itself, so that its answer still reaches a caller that waits exactly as long. */
export const deadlineMarginMs = 20;

/** How long someone waits; a `Deadline` is one, and so is the context of a call in kit/contract. */
export interface Bound {
  /** On the monotonic clock of this process. */
  readonly deadlineAtMs: number;
  readonly signal?: AbortSignal;
}

/**
 * A point in time after which nobody waits for the work any more, and the means to stop it then.
 * Made from a budget and not from a wall time, because machines' clocks disagree.
 */
export interface Deadline extends Bound {
  /** Aborts when the time is over or the work is cancelled, with the reason. Made on first use, for it costs. */
  readonly signal: AbortSignal;
  /** True once the time is over or the work was cancelled. */
  readonly over: boolean;
  /** True when it was cancelled from outside rather than by the clock. */
  readonly cancelled: boolean;
  /** Milliseconds left, never below 0. */
  remainingMs(): number;
  /** Value of `holdfast-deadline-ms` for the next hop: what is left minus the margin, at least 0, in whole ms. */
  nextHopMs(marginMs?: number): number;
  /** Throws when it is over. */
  check(what: string): void;
  /** A deadline for a part of the work: over when this one is, or after `budgetMs`. */
  shorten(budgetMs: number): Deadline;
  /** Calls `task` once with the reason when it is over (at once if it is). Lighter than a listener on `signal`. */
  onOver(task: (reason: unknown) => void): Cancel;
  /** Nobody waits for the work any more. */
  cancel(reason: unknown): void;
  /** The work has ended: frees the timer. Nothing is called or aborted from now on. */
  end(): void;
}

export interface DeadlineOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly budgetMs: number;
  /** A caller that waits no longer than this. */
  readonly bound?: Bound | undefined;
}

export function createDeadline({ clock, timers, budgetMs, bound }: DeadlineOptions): Deadline {
  const atMs = clock.monotonicMs() + budgetMs;
  return new RunningDeadline(clock, timers, bound ? Math.min(atMs, bound.deadlineAtMs) : atMs, bound);
}

export interface DeadlineFromHeaderOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** What came in `holdfast-deadline-ms`. */
  readonly header: string | undefined;
  /** Taken when there is no header, or one that is no number. */
  readonly defaultMs: number;
  /** Nobody may keep us busy for longer than this. */
  readonly budgetMsMax: number;
  /** Aborts when the caller has gone. */
  readonly signal?: AbortSignal;
}

/** Milliseconds from the header; `defaultMs` where it holds anything but a plain number: NaN would never be over. */
export function millisecondsIn(header: string | undefined, defaultMs: number): number {
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : defaultMs;
}

/** The deadline of a request that has just arrived. */
export function deadlineFromHeader(options: DeadlineFromHeaderOptions): Deadline {
  const { clock, timers, header, defaultMs, budgetMsMax, signal } = options;
  const asked = millisecondsIn(header, defaultMs);
  const atMs = clock.monotonicMs() + Math.min(asked, budgetMsMax);
  return new RunningDeadline(clock, timers, atMs, signal && { deadlineAtMs: atMs, signal });
}

type Waiter = (reason: unknown) => void;

/**
 * States: *idle* (no timer yet) → *armed* by the first waiter or use of `signal` → *over* with a reason, by the timer,
 * `cancel` or the parent. From any of them `end` leads to *ended*, in which nothing happens any more. Arming late keeps
 * a deadline that only bounds others as cheap as a number.
 */
class RunningDeadline implements Deadline {
  readonly deadlineAtMs: number;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #parent: Bound | undefined;
  #state: 'idle' | 'armed' | 'over' | 'ended' = 'idle';
  #cancelled = false;
  #reason: unknown;
  #controller: AbortController | undefined;
  #waiters: Set<Waiter> | undefined;
  #stopTimer: Cancel | undefined;
  #leaveParent: Cancel | undefined;

  constructor(clock: Clock, timers: Timers, deadlineAtMs: number, parent: Bound | undefined) {
    this.#clock = clock;
    this.#timers = timers;
    this.deadlineAtMs = deadlineAtMs;
    this.#parent = parent;
  }

  get over(): boolean {
    if (this.#state === 'over') return true;
    if (this.#state === 'ended') return false;
    return this.remainingMs() <= 0 || isOver(this.#parent);
  }

  get cancelled(): boolean {
    return this.#cancelled;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#state === 'over') this.#controller.abort(this.#reason);
      else this.#arm();
    }
    return this.#controller.signal;
  }

  remainingMs(): number {
    if (this.#state === 'over') return 0;
    return Math.max(0, this.deadlineAtMs - this.#clock.monotonicMs());
  }

  nextHopMs(marginMs = deadlineMarginMs): number {
    return Math.max(0, Math.floor(this.remainingMs() - marginMs));
  }

  check(what: string): void {
    if (!this.over) return;
    this.#arm();
    if (this.#state !== 'over') this.#finish(deadlineExceeded(`no time left for ${what}`), false);
    throw this.#reason;
  }

  shorten(budgetMs: number): Deadline {
    const atMs = Math.min(this.deadlineAtMs, this.#clock.monotonicMs() + budgetMs);
    return new RunningDeadline(this.#clock, this.#timers, atMs, this);
  }

  onOver(task: Waiter): Cancel {
    if (this.#state === 'over') {
      task(this.#reason);
      return nothing;
    }
    if (this.#state === 'ended') return nothing;
    this.#waiters ??= new Set();
    this.#waiters.add(task);
    this.#arm();
    return () => this.#waiters?.delete(task);
  }

  cancel(reason: unknown): void {
    this.#finish(reason, true);
  }

  end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#release();
  }

  #arm(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'armed';
    this.#follow(this.#parent);
    // A parent that is already over has finished this one on the way.
    if ((this.#state as string) !== 'armed') return;
    // A child that ends with its parent needs no timer of its own.
    if (this.#parent instanceof RunningDeadline && this.#parent.deadlineAtMs <= this.deadlineAtMs) return;
    const budgetMs = this.deadlineAtMs - this.#clock.monotonicMs();
    this.#stopTimer = this.#timers.after(Math.max(0, budgetMs), () => {
      this.#finish(deadlineExceeded(`no answer within ${Math.round(budgetMs)} ms`), false);
    });
  }

  #follow(parent: Bound | undefined): void {
    if (parent instanceof RunningDeadline) {
      this.#leaveParent = parent.onOver((reason) => this.#finish(reason, parent.cancelled));
      return;
    }
    const signal = parent?.signal;
    if (!signal) return;
    if (signal.aborted) {
      this.#finishFromSignal(signal);
      return;
    }
    const onAbort = () => this.#finishFromSignal(signal);
    signal.addEventListener('abort', onAbort);
    this.#leaveParent = () => signal.removeEventListener('abort', onAbort);
  }

  /** A caller's signal aborts because the caller has gone, or because its own clock ran out just before ours. */
  #finishFromSignal(signal: AbortSignal): void {
    const reason = signal.reason as { category?: unknown; name?: unknown } | undefined;
    this.#finish(reason, reason?.category !== 'timeout' && reason?.name !== 'TimeoutError');
  }

  #finish(reason: unknown, cancelled: boolean): void {
    if (this.#state === 'over' || this.#state === 'ended') return;
    this.#state = 'over';
    this.#reason = reason;
    this.#cancelled = cancelled;
    const waiters = this.#waiters;
    this.#release();
    this.#controller?.abort(reason);
    if (waiters) for (const waiter of waiters) waiter(reason);
  }

  #release(): void {
    this.#waiters = undefined;
    this.#stopTimer?.();
    this.#leaveParent?.();
    this.#stopTimer = undefined;
    this.#leaveParent = undefined;
  }
}

const nothing: Cancel = () => {};

function isOver(bound: Bound | undefined): boolean {
  // Asking a deadline for its signal would make one.
  return bound instanceof RunningDeadline ? bound.over : bound?.signal?.aborted === true;
}

/**
 * Starts `work` and waits for it until the deadline is over, whether or not the work heeds `deadline.signal`.
 * Rejects with the deadline's reason then; what the work still answers is dropped.
 */
export function withinDeadline<T>(deadline: Deadline, work: () => Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let over = false;
    const leave = deadline.onOver((reason) => {
      over = true;
      reject(reason);
    });
    if (over) return;
    let answer: Promise<T>;
    try {
      answer = work();
    } catch (error) {
      leave();
      reject(error);
      return;
    }
    answer.then(
      (value) => {
        leave();
        resolve(value);
      },
      (error) => {
        leave();
        reject(error);
      },
    );
  });
}

/** Sleeps within a deadline: rejects with its reason when it is over first. */
export function sleepWithin(deadline: Deadline, timers: Timers, delayMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = timers.after(delayMs, () => {
      leave();
      resolve();
    });
    const leave = deadline.onOver((reason) => {
      stop();
      reject(reason);
    });
  });
}
