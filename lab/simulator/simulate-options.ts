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
  /** Tells where it stands also where standard error is no terminal. */
  readonly progress?: boolean;
}

/** Where it prints, and what time it is for people. */
export interface SimulateScreen {
  readonly out: (text: string) => void;
  /** Progress, which is no part of the result. An empty text takes the last one away. */
  readonly progress: (text: string) => void;
  readonly elapsedMs: () => number;
}

export const simulateExitCodes = { ok: 0, checkFailed: 5 } as const;

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

/** A day and a night on two cores; results of all of them are kept in memory. */
const seedsMax = 1_000_000;
const seedMax = 999_999_999;
const forMsMax = 24 * 3_600_000;

/** What is wrong with what was asked for, as a sentence with the remedy; undefined: nothing. */
export function mistakeIn(options: SimulateOptions): string | undefined {
  const { seeds, seed, for: duration } = options;
  const range = seeds === undefined ? undefined : parseRange(seeds);
  if (seeds !== undefined && !range)
    return `"${seeds}" is no range of seeds: give it as 1..200, the smaller number first.`;
  if (range && (range.to > seedMax || range.to - range.from >= seedsMax)) {
    return `--seeds ${seeds} is too much: give at most ${seedsMax} seeds, none above ${seedMax}.`;
  }
  if (duration !== undefined && !(parseDuration(duration) > 0 && parseDuration(duration) <= forMsMax)) {
    return `"${duration}" is no duration: give --for as 90s, 10m or 1h, at most 24h.`;
  }
  if (seed === undefined) {
    const given = (['trace', 'page', 'history', 'minimise'] as const).find((name) => options[name] !== undefined);
    return given && `--${given} looks at one seed: add --seed and its number.`;
  }
  if (seeds !== undefined || duration !== undefined) {
    return `--seed runs one seed: leave it out, or leave out ${seeds === undefined ? '--for' : '--seeds'}.`;
  }
  return undefined;
}
