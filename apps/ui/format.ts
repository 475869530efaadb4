/** Words and numbers as people read them, in their own language. Formatters are costly to make, so they are kept. */
const locale = navigator.language || 'en';

/**
 * The pages are written from left to right. An amount or a date of a language that is not would turn round what stands beside
 * it (`2 × …`), so it is set apart: first strong isolate, pop directional isolate (Unicode Bidirectional Algorithm, 2.4.3).
 */
const isFromRight = /^(ar|dv|fa|he|ku|ps|sd|ug|ur|yi)\b/.test(locale);
export const apart = (text: string): string => (isFromRight ? `\u2068${text}\u2069` : text);

const moneyFormats = new Map<string, Intl.NumberFormat>();

/** `totalMinor` of a currency, as text: 12345 EUR is `€123.45`, 500 JPY is `¥500`. */
export function money(amountMinor: number, currency: string): string {
  let format = moneyFormats.get(currency);
  if (!format) {
    format = new Intl.NumberFormat(locale, { style: 'currency', currency });
    moneyFormats.set(currency, format);
  }
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  return apart(format.format(amountMinor / 10 ** digits));
}

const dayFormat = new Intl.DateTimeFormat(locale, { dateStyle: 'medium' });
const momentFormat = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });

export const day = (timestamp: string): string => apart(dayFormat.format(new Date(timestamp)));
export const moment = (timestamp: string): string => apart(momentFormat.format(new Date(timestamp)));

const numberFormat = new Intl.NumberFormat(locale);
export const count = (value: number): string => apart(numberFormat.format(value));

/** `1 item`, `3 items`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

const countryNames = new Intl.DisplayNames(locale, { type: 'region' });
export const countryName = (code: string): string => apart(countryNames.of(code) ?? code);

/** A name as it is shown: a number and its unit stay on one line. */
export function shownName(name: string): string {
  return name.replaceAll(/(\d) (mm|cm|m|kg|g|l|W)\b/g, '$1\u00a0$2');
}
