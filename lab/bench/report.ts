import { cpus, loadavg, totalmem } from 'node:os';

/** One figure of one contestant: the median of its rounds. */
export interface Run {
  readonly name: string;
  readonly clients: number;
  readonly perSec: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Milliseconds of processor for one, clients, server and PostgreSQL together. */
  readonly cpuMsEach?: number;
}

/** What a figure has to reach. */
export interface Bar {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
  readonly unit: string;
  readonly rule: 'at-least' | 'below';
  /** A goal is aimed at; only a bar has to be reached. */
  readonly kind: 'bar' | 'goal';
  readonly ok: boolean;
}

export interface Report {
  readonly bench: string;
  /** Every bar is reached. */
  readonly ok: boolean;
  readonly bars: readonly Bar[];
  readonly ratios: Readonly<Record<string, number>>;
  readonly runs: readonly Run[];
  readonly machine: Machine;
  /** What does not fit into runs: names to the left, figures to the right. */
  readonly table?: { readonly head: readonly string[]; readonly rows: readonly (readonly (string | number)[])[] };
  /** What else was found out, by benchmark. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Machine {
  readonly cpus: number;
  readonly cpuModel: string;
  readonly memoryBytes: number;
  readonly node: string;
  readonly startedAt: string;
  readonly seconds: number;
  /** Of one minute, when it began and when it ended. A quiet machine begins near 0. */
  readonly loadAverage: readonly [number, number];
}

type BarInput = Omit<Bar, 'ok' | 'kind'> & { readonly kind?: Bar['kind'] };

export function barOf({ kind = 'bar', ...bar }: BarInput): Bar {
  const ok = bar.rule === 'at-least' ? bar.value >= bar.limit : bar.value < bar.limit;
  return { ...bar, kind, ok };
}

/** Begins to watch the machine; the result makes the report. */
export function openReport(bench: string): (found: Omit<Report, 'bench' | 'ok' | 'machine'>) => Report {
  const startMs = performance.now();
  const startedAt = new Date().toISOString();
  const loadBefore = oneMinuteLoad();
  return (found) => ({
    bench,
    ok: found.bars.every((bar) => bar.ok || bar.kind === 'goal'),
    ...found,
    machine: {
      cpus: cpus().length,
      cpuModel: cpus()[0]?.model.trim() ?? 'unknown',
      memoryBytes: totalmem(),
      node: process.version,
      startedAt,
      seconds: Math.round((performance.now() - startMs) / 100) / 10,
      loadAverage: [loadBefore, oneMinuteLoad()],
    },
  });
}

function oneMinuteLoad(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}

/** The middle one; of an even number the lower of the two in the middle, so that it is always one that was measured. */
export function medianBy<T>(items: readonly T[], value: (item: T) => number): T {
  if (items.length === 0) throw new Error('the median of nothing was asked for');
  return items.toSorted((a, b) => value(a) - value(b))[(items.length - 1) >> 1] as T;
}

export const median = (values: readonly number[]): number => medianBy(values, (value) => value);

/** Middle of the quotients round by round: what disturbed one round of the two disturbed the other as well. */
export function pairedRatio(these: readonly Run[], others: readonly Run[]): number {
  const quotients = these.map((run, i) => run.perSec / (others[i]?.perSec ?? Number.NaN));
  return rounded(median(quotients), 3);
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
