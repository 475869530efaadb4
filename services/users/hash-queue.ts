import { usersProblems } from '#contracts/users';
import type { Timers } from '#kit/runtime';
import { createTurns, type Turns } from './turns.ts';

export interface HashQueueOptions {
  readonly timers: Timers;
  /** At work at once, each on a thread with 19 MiB of memory and some 20 ms of a core. Default 2. */
  readonly concurrencyMax?: number;
  /** Of each kind that may wait; one more is refused with `users/busy`. Default 64, about a second's worth. */
  readonly waitingMax?: number;
  /** Whoever has waited for so long is refused, too: well within the deadline of the caller. Default 2 s. */
  readonly waitMsMax?: number;
}

/** Who has something hashed. */
export interface Asker {
  /** Of people who have an account, or to open one. */
  readonly kind: 'sign-in' | 'registration';
  readonly source: string;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** Runs the work when it is its turn. Throws `users/busy`, without having begun it. */
export type HashQueue = <T>(asker: Asker, work: () => Promise<T>) => Promise<T>;

interface Waiter {
  readonly begin: () => void;
  readonly refuse: (error: Error) => void;
}

/**
 * Runs costly work a few at a time. The two kinds take turns, each with places of its own, so whoever signs in waits for one
 * registration at most, however many there are and from however many sources. Within a kind, sources take turns.
 */
export function createHashQueue(options: HashQueueOptions): HashQueue {
  const { timers, concurrencyMax = 2, waitingMax = 64, waitMsMax = 2_000 } = options;
  const kinds: Record<Asker['kind'], Turns<Waiter>> = {
    'sign-in': createTurns(waitingMax),
    registration: createTurns(waitingMax),
  };
  let first: Asker['kind'] = 'sign-in';
  let running = 0;

  function takeNext(): Waiter | undefined {
    const second = first === 'sign-in' ? 'registration' : 'sign-in';
    const next = kinds[first].take();
    if (!next) return kinds[second].take();
    first = second;
    return next;
  }

  function wait({ kind, source, signal }: Asker): Promise<void> {
    const begun = Promise.withResolvers<void>();
    const waiter: Waiter = { begin: begun.resolve, refuse: begun.reject };
    kinds[kind].add(source, waiter)?.refuse(usersProblems.busy());
    const leave = (why: Error) => {
      kinds[kind].remove(source, waiter);
      waiter.refuse(why);
    };
    const gone = () => leave(signal.reason);
    signal.addEventListener('abort', gone, { once: true });
    const cancel = timers.after(waitMsMax, () => leave(usersProblems.busy()));
    return begun.promise.finally(() => {
      signal.removeEventListener('abort', gone);
      cancel();
    });
  }

  return async (asker, work) => {
    if (running >= concurrencyMax) await wait(asker);
    else running += 1;
    try {
      return await work();
    } finally {
      const next = takeNext();
      // The place is handed on rather than freed, so nobody can slip in between.
      if (next) next.begin();
      else running -= 1;
    }
  };
}
