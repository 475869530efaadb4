const digitsOf = (currency: string): number =>
  new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;

/** Minor units as a plain number to edit: 12345 EUR is `123.45`. Integers only, so nothing is rounded. */
export function toMajor(amountMinor: number, currency: string): string {
  const digits = digitsOf(currency);
  if (digits === 0) return String(amountMinor);
  const text = String(Math.abs(amountMinor)).padStart(digits + 1, '0');
  return `${amountMinor < 0 ? '-' : ''}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

/** The most that a contract takes, in whatever currency. */
const amountMinorMax = 1_000_000_000_000;

/** The other way round; undefined when it is no amount of this currency. */
export function fromMajor(text: string, currency: string): number | undefined {
  const digits = digitsOf(currency);
  const [, whole = '', fraction = ''] = /^(\d{1,15})(?:[.,](\d+))?$/.exec(text.trim()) ?? [];
  if (whole === '' || fraction.length > digits) return undefined;
  const amountMinor = Number(whole + fraction.padEnd(digits, '0'));
  return amountMinor <= amountMinorMax ? amountMinor : undefined;
}
