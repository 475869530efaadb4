/**
 * The file's own sums, from the raw text and by arithmetic of their own: nothing here is shared with the code that
 * parses, classifies and books, so a mistake there can't hide here.
 */
import type { RawRow } from './row.ts';

/** Prices are widened to this many decimals; a price with more counts as unreadable here and shows up as a difference. */
const SCALE = 18;

export interface FileSum {
  lines: number;
  /** Each line rounded to minor units (half to even), then added. */
  minor: bigint;
  /** Added without rounding, in units of 10^-18: shows how much the rounding of lines moved. */
  exact: bigint;
}

export interface FileSums {
  lines: number;
  /** Lines whose quantity or price can't be read: their money is unknown. */
  unreadable: number;
  readonly byMonth: Map<string, FileSum>;
  readonly byCountry: Map<string, FileSum>;
}

export const MONTH_UNKNOWN = 'unknown';

export function createFileSums(): FileSums {
  return { lines: 0, unreadable: 0, byMonth: new Map(), byCountry: new Map() };
}

export function addRawRow(sums: FileSums, raw: RawRow): void {
  sums.lines += 1;
  const exact = exactAmount(raw.quantity, raw.unitPrice);
  if (exact === undefined) sums.unreadable += 1;
  addTo(sums.byMonth, rawMonth(raw), exact ?? 0n);
  addTo(sums.byCountry, rawCountry(raw), exact ?? 0n);
}

/** Adds the sums of several files. */
export function mergeFileSums(all: readonly FileSums[]): FileSums {
  const merged = createFileSums();
  for (const sums of all) {
    merged.lines += sums.lines;
    merged.unreadable += sums.unreadable;
    mergeInto(merged.byMonth, sums.byMonth);
    mergeInto(merged.byCountry, sums.byCountry);
  }
  return merged;
}

function mergeInto(target: Map<string, FileSum>, source: ReadonlyMap<string, FileSum>): void {
  for (const [bucket, { lines, minor, exact }] of source) {
    const sum = sumOf(target, bucket);
    sum.lines += lines;
    sum.minor += minor;
    sum.exact += exact;
  }
}

/** The bucket of a raw row by its own date, whatever becomes of it. */
export function rawMonth(raw: RawRow): string {
  return /^\d{4}-(0[1-9]|1[0-2])-\d\d[T ]/.test(raw.at) ? raw.at.slice(0, 7) : MONTH_UNKNOWN;
}

export function rawCountry(raw: RawRow): string {
  return raw.country === '' ? 'Unspecified' : raw.country;
}

function addTo(sums: Map<string, FileSum>, bucket: string, exact: bigint): void {
  const sum = sumOf(sums, bucket);
  sum.lines += 1;
  sum.exact += exact;
  sum.minor += toPennies(exact);
}

function sumOf(sums: Map<string, FileSum>, bucket: string): FileSum {
  let sum = sums.get(bucket);
  if (sum === undefined) {
    sum = { lines: 0, minor: 0n, exact: 0n };
    sums.set(bucket, sum);
  }
  return sum;
}

/** Long multiplication on text: the decimal point is moved by padding with zeros. */
function exactAmount(quantity: string, unitPrice: string): bigint | undefined {
  const whole = /^([+-]?\d{1,10})(?:\.0*)?$/.exec(quantity)?.[1];
  const price = plainPrice(unitPrice);
  if (whole === undefined || price === undefined) return undefined;
  const negative = whole.startsWith('-') !== price.startsWith('-');
  const magnitude = BigInt(whole.replace(/^[+-]/, '')) * BigInt(price.replace('-', ''));
  return negative ? -magnitude : magnitude;
}

function plainPrice(text: string): string | undefined {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^([+-]?)(\d+)\.?(\d*)(?:[eE]([+-]?\d{1,2}))?$/.exec(text) ?? [];
  const zeros = SCALE - fraction.length + Number(exponent);
  if (whole === '' || text.length > 30 || zeros < 0) return undefined;
  return (sign === '-' ? '-' : '') + whole + fraction + '0'.repeat(zeros);
}

function toPennies(exact: bigint): bigint {
  const penny = 10n ** BigInt(SCALE - 2);
  const rest = ((exact % penny) + penny) % penny;
  const below = (exact - rest) / penny;
  if (rest * 2n === penny) return below % 2n === 0n ? below : below + 1n;
  return rest * 2n > penny ? below + 1n : below;
}
