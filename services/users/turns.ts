/** What waits, by whom it is for. Whoever has something waiting takes turns (round robin) with all others. */
export interface Turns<T> {
  readonly waiting: number;
  /** Undefined: it waits. Otherwise who has to go for want of a place: somebody of the longest line, or this one itself. */
  add(source: string, item: T): T | undefined;
  take(): T | undefined;
  /** It waits no more. */
  remove(source: string, item: T): void;
}

/** At most `waitingMax` wait. When all places are taken, the source that holds most of them gives one up. */
export function createTurns<T>(waitingMax: number): Turns<T> {
  /** In the order of their turns; none is empty. */
  const lines = new Map<string, T[]>();
  let waiting = 0;

  function giveUpFor(source: string): T | undefined {
    const [longest, line] = [...lines].reduce((most, each) => (each[1].length > most[1].length ? each : most));
    if (line.length <= (lines.get(source)?.length ?? 0) + 1) return undefined;
    const item = line.pop();
    if (line.length === 0) lines.delete(longest);
    waiting -= 1;
    return item;
  }

  return {
    get waiting() {
      return waiting;
    },
    add(source, item) {
      let gone: T | undefined;
      if (waiting >= waitingMax) {
        gone = giveUpFor(source);
        if (gone === undefined) return item;
      }
      const line = lines.get(source) ?? [];
      line.push(item);
      lines.set(source, line);
      waiting += 1;
      return gone;
    },
    take() {
      const [turn] = lines;
      if (!turn) return undefined;
      const [source, line] = turn;
      lines.delete(source);
      const next = line.shift();
      if (line.length > 0) lines.set(source, line);
      waiting -= 1;
      return next;
    },
    remove(source, item) {
      const line = lines.get(source) ?? [];
      const at = line.indexOf(item);
      if (at < 0) return;
      line.splice(at, 1);
      if (line.length === 0) lines.delete(source);
      waiting -= 1;
    },
  };
}
