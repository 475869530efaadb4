import { usersProblems } from '#contracts/users';

export interface HashQueueOptions {
  /** At work at once. */
  readonly concurrencyMax: number;
  /** Of all sources together. */
  readonly waitingMax: number;
}

interface Waiter {
  readonly begin: () => void;
  readonly refuse: (error: Error) => void;
}

/**
 * Runs costly work a few at a time. Sources whose work waits take turns (round robin), so whatever one has brought in at once,
 * another waits for one piece of it. When the places are taken, the source that holds most of them gives one up.
 */
export function createHashQueue(options: HashQueueOptions): <T>(source: string, work: () => Promise<T>) => Promise<T> {
  const { concurrencyMax, waitingMax } = options;
  /** In the order of their turns; none is empty. */
  const lines = new Map<string, Waiter[]>();
  let running = 0;
  let waiting = 0;

  function takeNext(): Waiter | undefined {
    const [turn] = lines;
    if (!turn) return undefined;
    const [source, line] = turn;
    lines.delete(source);
    const next = line.shift();
    if (line.length > 0) lines.set(source, line);
    waiting -= 1;
    return next;
  }

  function makeRoomFor(source: string): void {
    const [longest, line] = [...lines].reduce((most, each) => (each[1].length > most[1].length ? each : most));
    if (line.length <= (lines.get(source)?.length ?? 0) + 1) throw usersProblems.busy();
    line.pop()?.refuse(usersProblems.busy());
    if (line.length === 0) lines.delete(longest);
    waiting -= 1;
  }

  function wait(source: string): Promise<void> {
    if (waiting >= waitingMax) makeRoomFor(source);
    return new Promise((begin, refuse) => {
      const line = lines.get(source) ?? [];
      line.push({ begin, refuse });
      lines.set(source, line);
      waiting += 1;
    });
  }

  return async (source, work) => {
    if (running >= concurrencyMax) await wait(source);
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
