export interface SimulateOptions {
  /** `1..200`. Default `1..50`. */
  readonly seeds?: string;
  /** One seed, in this process. */
  readonly seed?: number;
  /** `10m`, `90s`: as many seeds as that allows, from the first of `seeds` on. */
  readonly for?: string;
  /** With `seed`: prints a transcript and writes a page with a space-time diagram. */
  readonly trace?: boolean;
  /** Where the page goes. Default `simulation-<seed>.html`. */
  readonly page?: string;
  /** With `seed`: a file for what the checkers look at, as `holdfast check` reads it. */
  readonly history?: string;
  /** With `seed`: looks for the smallest run that still fails. */
  readonly minimise?: boolean;
  /** By name, or `all`: each in turn, until it is found. */
  readonly bug?: string;
  readonly listBugs?: boolean;
  readonly workers?: number;
  readonly json?: boolean;
}

/** Where it prints, and what time it is for people. */
export interface SimulateScreen {
  readonly out: (text: string) => void;
  /** Progress, which is no part of the result. An empty text takes the last one away. */
  readonly progress: (text: string) => void;
  readonly elapsedMs: () => number;
}

export const simulateExitCodes = { ok: 0, usage: 2, checkFailed: 5 } as const;

/** The one command that repeats a run. */
export const replayOf = (seed: number, bug: string | undefined): string =>
  `npx holdfast simulate --seed ${seed}${bug === undefined ? '' : ` --bug ${bug}`} --trace`;

/** Undefined when it is none. */
export function parseRange(text: string): { readonly from: number; readonly to: number } | undefined {
  const match = /^(\d+)(?:\.\.(\d+))?$/.exec(text);
  if (!match) return undefined;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  return to >= from ? { from, to } : undefined;
}

const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** NaN when it is none. */
export function parseDuration(text: string): number {
  const match = /^(\d+)([smh])$/.exec(text);
  return match ? Number(match[1]) * (unitsMs[match[2] as string] as number) : Number.NaN;
}
