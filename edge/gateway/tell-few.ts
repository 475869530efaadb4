import type { Clock } from '#kit/runtime';

export interface TellFewOptions {
  readonly clock: Clock;
  /** Of each kind so many in a period are told one by one; beyond, they are counted. */
  readonly toldMax: number;
  readonly periodMs: number;
}

interface Kind {
  untilMs: number;
  told: number;
  untold: number;
}

/**
 * For what may come thousands of times a second, for one reason: a line for each would be more work than serving them. Says of
 * one of a kind how many were left out since the last that was told; undefined: it is left out, too. Kinds must be few.
 */
export function tellFew({ clock, toldMax, periodMs }: TellFewOptions): (kind: string) => number | undefined {
  const kinds = new Map<string, Kind>();
  return (name) => {
    const nowMs = clock.monotonicMs();
    const kind = kinds.get(name) ?? { untilMs: nowMs + periodMs, told: 0, untold: 0 };
    kinds.set(name, kind);
    if (nowMs >= kind.untilMs) Object.assign(kind, { untilMs: nowMs + periodMs, told: 0 });
    if (kind.told >= toldMax) {
      kind.untold += 1;
      return undefined;
    }
    const { untold } = kind;
    kind.told += 1;
    kind.untold = 0;
    return untold;
  };
}
