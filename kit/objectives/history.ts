import { periodMs, windowsMs } from './budget.ts';

/** Requests of one key within some time: all, failed ones, and slow ones among those that did not fail. */
export type Tallies = readonly [total: number, failed: number, slow: number];

/** What one source (a gateway) counted from `atMs` on, by key. Keys without requests are left out. */
export interface Entry {
  readonly source: string;
  readonly atMs: number;
  readonly forMs: number;
  readonly counts: Readonly<Record<string, Tallies>>;
}

/**
 * What was counted, in two resolutions: as it was written down for the windows up to six hours, by the hour beyond. So the
 * period of 30 days takes some 720 hours and 800 ticks, however many requests there were.
 */
export interface History {
  add(entry: Entry): void;
  /** Hours of a source, by when they began, whose ticks are not summed up to an hour yet. */
  openHours(source: string): ReadonlyMap<number, Sums>;
  /** Sums by key over the last `windowMs` before `nowMs`. */
  sum(nowMs: number, windowMs: number): ReadonlyMap<string, Tallies>;
}

export const hourMs = 3_600_000;
/** The longest window that is looked at in full resolution, and an hour that may not be closed yet. */
export const ticksKeptMs = 8 * hourMs;
const fineMsMax = 6 * hourMs;

export function createHistory(): History {
  let ticks: Entry[] = [];
  let hours: Entry[] = [];
  /** Until when each source has told its hours. */
  const closedMs = new Map<string, number>();
  let latestMs = 0;

  function forget(): void {
    const oldest = ticks[0];
    if (oldest && oldest.atMs < latestMs - ticksKeptMs - hourMs) {
      ticks = ticks.filter(({ atMs }) => atMs >= latestMs - ticksKeptMs);
    }
    const first = hours[0];
    if (first && first.atMs < latestMs - periodMs - 24 * hourMs) {
      hours = hours.filter(({ atMs }) => atMs >= latestMs - periodMs - hourMs);
    }
  }

  return {
    add(entry) {
      latestMs = Math.max(latestMs, entry.atMs);
      if (entry.forMs < hourMs) ticks.push(entry);
      else {
        hours.push(entry);
        closedMs.set(entry.source, Math.max(closedMs.get(entry.source) ?? 0, entry.atMs + entry.forMs));
      }
      forget();
    },
    openHours(source) {
      const open = new Map<number, Sums>();
      for (const entry of ticks) {
        if (entry.source !== source || entry.atMs < (closedMs.get(source) ?? 0)) continue;
        const atMs = Math.floor(entry.atMs / hourMs) * hourMs;
        const sums: Sums = open.get(atMs) ?? new Map();
        open.set(atMs, sums);
        addTo(sums, entry);
      }
      return open;
    },
    sum(nowMs, windowMs) {
      const sums: Sums = new Map();
      const fromMs = nowMs - windowMs;
      const isIn = ({ atMs, forMs }: Entry) => atMs + forMs / 2 >= fromMs && atMs <= nowMs;
      const isOpen = ({ source, atMs }: Entry) => windowMs <= fineMsMax || atMs >= (closedMs.get(source) ?? 0);
      if (windowMs > fineMsMax) for (const entry of hours) if (isIn(entry)) addTo(sums, entry);
      for (const entry of ticks) if (isIn(entry) && isOpen(entry)) addTo(sums, entry);
      return sums;
    },
  };
}

export type Sums = Map<string, [number, number, number]>;

export function addTo(sums: Sums, { counts }: Pick<Entry, 'counts'>): void {
  for (const key in counts) {
    const [total, failed, slow] = counts[key] as Tallies;
    const sum = sums.get(key);
    if (!sum) sums.set(key, [total, failed, slow]);
    else {
      sum[0] += total;
      sum[1] += failed;
      sum[2] += slow;
    }
  }
}

export interface State {
  readonly windows: ReadonlyMap<number, ReadonlyMap<string, Tallies>>;
  readonly period: ReadonlyMap<string, Tallies>;
}

/** Every window and the period, each summed once. */
export function readState(history: History, nowMs: number): State {
  return {
    windows: new Map(windowsMs.map((windowMs) => [windowMs, history.sum(nowMs, windowMs)])),
    period: history.sum(nowMs, periodMs),
  };
}
