/**
 * Progress for people, on stderr only: a bar that redraws itself on a terminal, a plain line every few seconds
 * elsewhere. Rate and time left come from the last seconds, not from the average since the start.
 */
import type { Clock } from '#kit/runtime';

const REDRAW_MS = 100;
const PLAIN_LINE_MS = 5_000;
const WINDOW_MS = 10_000;
/** Samples kept for the rate. */
const SAMPLES_MAX = 128;
const BAR_WIDTH_MAX = 30;
const COLUMNS_DEFAULT = 80;

export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface ProgressState {
  readonly label: string;
  readonly done: number;
  /** 0: not known. */
  readonly total: number;
  readonly unit: string;
  readonly note?: string;
}

export interface Progress {
  /** Cheap enough to call for every line. */
  update(state: ProgressState): void;
  /** Draws the last state and leaves the cursor on a fresh line. */
  end(): void;
}

export interface ProgressOptions {
  readonly output: ProgressOutput;
  readonly clock: Clock;
  /** `NO_COLOR` (any value but the empty one) keeps the text plain. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export function createProgress({ output, clock, environment = {} }: ProgressOptions): Progress {
  const live = output.isTTY === true && environment['TERM'] !== 'dumb';
  const color = live && !environment['NO_COLOR'];
  let samples: { atMs: number; done: number }[] = [];
  let drawnAtMs = Number.NEGATIVE_INFINITY;
  let state: ProgressState | undefined;
  let drawn: ProgressState | undefined;

  function draw(nowMs: number): void {
    if (state === undefined || state === drawn) return;
    drawnAtMs = nowMs;
    drawn = state;
    const perSec = rateOf(samples, { atMs: nowMs, done: state.done });
    if (!live) output.write(`${renderLine(state, perSec)}\n`);
    else output.write(`\r\u001b[2K${renderBar(state, perSec, output.columns ?? COLUMNS_DEFAULT, color)}`);
  }

  return {
    update(next) {
      const nowMs = clock.monotonicMs();
      if (next.label !== state?.label) samples = [];
      if (samples.length === 0 || nowMs - (samples.at(-1)?.atMs ?? 0) >= REDRAW_MS) {
        samples.push({ atMs: nowMs, done: next.done });
        samples = samples.filter(({ atMs }) => nowMs - atMs <= WINDOW_MS).slice(-SAMPLES_MAX);
      }
      state = next;
      if (nowMs - drawnAtMs >= (live ? REDRAW_MS : PLAIN_LINE_MS)) draw(nowMs);
    },
    end() {
      draw(clock.monotonicMs());
      if (live && state !== undefined) output.write('\n');
      state = undefined;
    },
  };
}

function rateOf(
  samples: readonly { atMs: number; done: number }[],
  now: { atMs: number; done: number },
): number | undefined {
  const first = samples[0];
  if (first === undefined || now.atMs <= first.atMs) return undefined;
  return ((now.done - first.done) * 1_000) / (now.atMs - first.atMs);
}

/** `replaying 12,000 of 42,481 lines (28 %), 3,100/s, 10 s left` */
export function renderLine(state: ProgressState, perSec: number | undefined): string {
  const { label, done, total, unit, note } = state;
  const share = Math.floor((Math.min(done, total) / total) * 100);
  const parts = [
    total === 0 ? `${label} ${count(done)} ${unit}` : `${label} ${count(done)} of ${count(total)} ${unit} (${share} %)`,
  ];
  if (perSec !== undefined) parts.push(`${count(Math.round(perSec))}/s`);
  if (perSec !== undefined && perSec > 0 && done < total) parts.push(`${duration((total - done) / perSec)} left`);
  if (note !== undefined) parts.push(note);
  return parts.join(', ');
}

/** The line with a bar before it, cut to the width of the terminal. */
export function renderBar(state: ProgressState, perSec: number | undefined, columns: number, color: boolean): string {
  const line = renderLine(state, perSec);
  const width = Math.min(BAR_WIDTH_MAX, columns - line.length - 4);
  if (width < 5 || state.total === 0) return line.slice(0, Math.max(0, columns - 1));
  const filled = Math.floor((Math.min(state.done, state.total) / state.total) * width);
  const bar = '█'.repeat(filled);
  const rest = '░'.repeat(width - filled);
  return `${color ? `\u001b[32m${bar}\u001b[39m` : bar}${rest} ${line}`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}
