import { ClockFormatError } from './errors.ts';

/** Milliseconds since the Unix epoch as far as anyone knew, and a counter for the events that they can't tell apart. */
export interface HybridTimestamp {
  readonly wallMs: number;
  readonly counter: number;
}

/** 16 bits: 65,536 events in one millisecond. */
export const counterMax = 0xffff;
/** 48 bits: until the year 10889. */
export const wallMsMax = 0xffff_ffff_ffff;

/** Negative when `a` comes before `b`, positive when after, 0 when they are the same. */
export function compareTimestamps(a: HybridTimestamp, b: HybridTimestamp): number {
  return a.wallMs - b.wallMs || a.counter - b.counter;
}

let formattedMs = -1;
let formattedWall = '';

/**
 * `0190a4c2e3f0-0007`: 17 characters that sort as text exactly as timestamps do, in JavaScript, in PostgreSQL (any
 * collation: lower-case hexadecimal, all of one length) and in file names.
 */
export function formatTimestamp({ wallMs, counter }: HybridTimestamp): string {
  // Most timestamps in a row share their millisecond, and its text.
  if (wallMs !== formattedMs) {
    formattedWall = wallMs.toString(16).padStart(12, '0');
    formattedMs = wallMs;
  }
  return `${formattedWall}-${counter.toString(16).padStart(4, '0')}`;
}

const pattern = /^[0-9a-f]{12}-[0-9a-f]{4}$/;

/** Throws `ClockFormatError` when the text is not one that `formatTimestamp` makes. */
export function parseTimestamp(text: string): HybridTimestamp {
  if (!pattern.test(text)) throw new ClockFormatError(text, 'timestamp: 12 hexadecimal digits, a dash and 4 more');
  return { wallMs: Number.parseInt(text.slice(0, 12), 16), counter: Number.parseInt(text.slice(13), 16) };
}
