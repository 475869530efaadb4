import type { SalesRow } from '#contracts/analytics';
import { apart } from '#ui/format.ts';

/** What can be looked at: how far back, and in which parts. */
export const ranges = [
  { name: '24h', words: 'Last 24 hours', hours: 24, part: 'hour' },
  { name: '7d', words: 'Last 7 days', hours: 7 * 24, part: 'hour' },
  { name: '30d', words: 'Last 30 days', hours: 30 * 24, part: 'day' },
  { name: '1y', words: 'Last year', hours: 365 * 24, part: 'day' },
] as const;
type Part = (typeof ranges)[number]['part'];

const partMs: Readonly<Record<Part, number>> = { hour: 3_600_000, day: 86_400_000 };

/** Currencies of these figures, the one of most orders first. */
export function byOrders(items: readonly SalesRow[]): string[] {
  const orders = new Map<string, number>();
  for (const row of items) orders.set(row.currency, (orders.get(row.currency) ?? 0) + row.orders);
  return [...orders].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).map(([currency]) => currency);
}

/** One row for each hour or day of the range, also where nothing was sold: a chart must not leave quiet times out. */
export function filled(
  { from, to, items }: { readonly from: string; readonly to: string; readonly items: readonly SalesRow[] },
  currency: string,
  part: Part,
): SalesRow[] {
  const known = new Map(items.filter((row) => row.currency === currency).map((row) => [Date.parse(row.key), row]));
  const startMs = Math.floor(Date.parse(from) / partMs[part]) * partMs[part];
  const length = Math.ceil((Date.parse(to) - startMs) / partMs[part]);
  return Array.from({ length }, (_, i) => {
    const atMs = startMs + i * partMs[part];
    return known.get(atMs) ?? emptyRow(new Date(atMs).toISOString(), currency);
  });
}

const emptyRow = (key: string, currency: string): SalesRow => ({
  ...{ key, currency, orders: 0, units: 0, grossMinor: 0, refundedMinor: 0, netMinor: 0 },
  ...{ returnedUnits: 0, cancelledOrders: 0, refusedOrders: 0 },
});

const hourFormat = new Intl.DateTimeFormat(navigator.language || 'en', { dateStyle: 'medium', timeStyle: 'short' });
// Days of the figures are days of UTC.
const dayFormat = new Intl.DateTimeFormat(navigator.language || 'en', { dateStyle: 'medium', timeZone: 'UTC' });
export const partLabel = (key: string, part: Part): string =>
  apart((part === 'hour' ? hourFormat : dayFormat).format(new Date(key)));

/** A file as RFC 4180 wants it. Text that a spreadsheet would take for a formula is made plain by an apostrophe. */
export function csvOf(lines: readonly (readonly (string | number)[])[]): string {
  const cell = (value: string | number): string => {
    const text =
      typeof value === 'string' && /^[=+\-@\t\r]/.test(value) && Number.isNaN(Number(value)) ? `'${value}` : `${value}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return lines.map((line) => `${line.map(cell).join(',')}\r\n`).join('');
}

export function saveCsv(name: string, lines: readonly (readonly (string | number)[])[]): void {
  const url = URL.createObjectURL(new Blob([csvOf(lines)], { type: 'text/csv;charset=utf-8' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
