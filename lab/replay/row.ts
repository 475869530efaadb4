/** One line of an input file, as text and as a value. What can't be read becomes a reject that says why. */
import { type Decimal, lineTotalMinor, parseDecimal } from './decimal.ts';

/** The fields of a line as they stood in the file, trimmed. */
export interface RawRow {
  readonly file: string;
  /** 1-based, of the line on which the record begins; the header is line 1. */
  readonly line: number;
  readonly invoice: string;
  readonly code: string;
  readonly description: string;
  readonly quantity: string;
  readonly at: string;
  readonly unitPrice: string;
  readonly customer: string;
  readonly country: string;
  /** Empty where the file has no such column. */
  readonly kind: string;
  /** False for a file without a `kind` column: codes are then judged by the rules of codes.ts. */
  readonly kindStated: boolean;
  /** Set where the record can't be split into fields at all; the fields are then empty. */
  readonly damage?: string;
  readonly fields: readonly string[];
}

export interface Row {
  readonly file: string;
  readonly line: number;
  readonly invoice: string;
  /** The code in upper case (`85123a` and `85123A` are one product), with `_` for spaces. */
  readonly sku: string;
  readonly description: string;
  readonly quantity: number;
  /** Local time of the shop without a zone, `2010-12-01T08:26:00`. */
  readonly at: string;
  readonly unitPrice: Decimal;
  readonly totalMinor: number;
  /** Empty for a sale without a customer. */
  readonly customer: string;
  readonly country: string;
  readonly kind: string;
  readonly kindStated: boolean;
  readonly raw: RawRow;
}

export type RejectReason =
  | 'damaged-record'
  | 'bad-invoice'
  | 'bad-code'
  | 'bad-quantity'
  | 'zero-quantity'
  | 'bad-date'
  | 'bad-price'
  | 'amount-too-large'
  | 'bad-kind'
  | 'negative-price'
  | 'positive-in-credit-note'
  | 'test-product'
  | 'customer-differs'
  | 'country-differs'
  | 'invoice-too-long'
  | 'repeated-invoice';

/** A line that is not booked, with the reason a person needs to mend it. */
export interface Reject {
  readonly type: 'reject';
  readonly file: string;
  readonly line: number;
  readonly reason: RejectReason;
  readonly message: string;
  readonly raw: RawRow;
}

export const COUNTRY_UNKNOWN = 'Unspecified';

const NAME_LENGTH_MAX = 40;
/** Bounds of the shop's contracts: a line beyond them is a mistake, or needs to be split by a person. */
const QUANTITY_MAX = 1_000_000;
const AMOUNT_MINOR_MAX = 1_000_000_000_000;
const PRINTABLE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
const QUANTITY = /^[+-]?\d{1,10}(?:\.0*)?$/;
const DATE = /^(\d{4})-(\d{2})-(\d{2})[T ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?(?:\.0+)?Z?$/;

export function rejectRow(raw: RawRow, reason: RejectReason, message: string): Reject {
  return { type: 'reject', file: raw.file, line: raw.line, reason, message, raw };
}

/** Turns text into a value, or into the first reason why not. */
export function parseRow(raw: RawRow): Row | Reject {
  if (raw.damage !== undefined) return rejectRow(raw, 'damaged-record', raw.damage);
  if (!isName(raw.invoice)) return rejectRow(raw, 'bad-invoice', `invoice number ${quote(raw.invoice)}`);
  if (!isName(raw.code)) return rejectRow(raw, 'bad-code', `product code ${quote(raw.code)}`);
  const at = parseDate(raw.at);
  if (at === undefined) return rejectRow(raw, 'bad-date', `${quote(raw.at)} is no date (want YYYY-MM-DD HH:MM:SS)`);
  const quantity = QUANTITY.test(raw.quantity) ? Number(raw.quantity) : Number.NaN;
  if (!(Math.abs(quantity) <= QUANTITY_MAX)) return rejectRow(raw, 'bad-quantity', `quantity ${quote(raw.quantity)}`);
  if (quantity === 0) return rejectRow(raw, 'zero-quantity', 'a quantity of 0 moves nothing');
  const unitPrice = parseDecimal(raw.unitPrice);
  if (unitPrice === undefined) return rejectRow(raw, 'bad-price', `unit price ${quote(raw.unitPrice)}`);
  const totalMinor = lineTotalMinor(quantity, unitPrice);
  if (totalMinor === undefined || Math.abs(totalMinor) > AMOUNT_MINOR_MAX)
    return rejectRow(raw, 'amount-too-large', `${raw.quantity} × ${raw.unitPrice}`);
  return {
    file: raw.file,
    line: raw.line,
    invoice: raw.invoice.toUpperCase(),
    sku: raw.code.toUpperCase().replace(/ +/g, '_'),
    description: cleanText(raw.description),
    quantity,
    at,
    unitPrice,
    totalMinor,
    customer: cleanText(raw.customer).replace(/\.0+$/, ''),
    country: cleanText(raw.country) || COUNTRY_UNKNOWN,
    kind: raw.kind.toLowerCase(),
    kindStated: raw.kindStated,
    raw,
  };
}

/** Invoice numbers and codes end up in headers and keys, so they are short printable ASCII. */
function isName(text: string): boolean {
  return text.length > 0 && text.length <= NAME_LENGTH_MAX && PRINTABLE.test(text);
}

/** Only real calendar times: `2011-02-30` is refused, not moved to March. */
function parseDate(text: string): string | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [, year = '', month = '', day = '', hour, minute, second = '00'] = match;
  if (Number(day) < 1 || Number(day) > daysIn(Number(year), Number(month))) return undefined;
  return `${year}-${month}-${day}T${hour}:${minute}:${second}`;
}

/** By arithmetic: making a date to compare it costs more than all the rest of reading a line. 0 for no month. */
function daysIn(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (month === 2) return leap ? 29 : 28;
  if (month < 1 || month > 12) return 0;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** PostgreSQL refuses NUL in text, and nobody wants other control characters on a receipt. */
function cleanText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
  return text.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim();
}

function quote(text: string): string {
  return text === '' ? 'is missing' : JSON.stringify(text.slice(0, 60));
}
