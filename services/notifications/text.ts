import type { Block } from './templates.ts';

const lineLengthMax = 400;

/** One line of plain text: whatever a product's name or a reason holds, it can't forge lines or headers. */
export function lineText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what has to go.
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ').trim();
  return line.length > lineLengthMax ? `${line.slice(0, lineLengthMax - 1)}…` : line;
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return lineText(text).replace(/[&<>"']/g, (character) => escapes[character] as string);
}

/** Making a format costs a hundred times what using it does; there are fewer currencies than this. */
const formatsMax = 400;
const formats = new Map<string, { readonly format: Intl.NumberFormat; readonly digits: number }>();

/** Asked once a currency: what a format resolves to costs more than formatting. */
function formatOf(currency: string): { readonly format: Intl.NumberFormat; readonly digits: number } {
  const known = formats.get(currency);
  if (known) return known;
  const format = new Intl.NumberFormat('en', { style: 'currency', currency });
  const made = { format, digits: format.resolvedOptions().maximumFractionDigits ?? 2 };
  if (formats.size < formatsMax) formats.set(currency, made);
  return made;
}

/** `12345 GBP` → `£123.45`, `12345 JPY` → `¥12,345`: exactly, for any amount and currency. */
export function formatMoney(amountMinor: number, currency: string): string {
  const { format, digits } = formatOf(currency);
  const text = String(Math.abs(amountMinor)).padStart(digits + 1, '0');
  const decimal = digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`;
  // As text, so that no amount is rounded on its way through a double.
  return format.format(`${amountMinor < 0 ? '-' : ''}${decimal}` as `${number}`);
}

export function htmlOf(title: string, blocks: readonly Block[]): string {
  const body = blocks.map((block) => (typeof block === 'string' ? `<p>${escapeHtml(block)}</p>` : tableOf(block)));
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title></head>`,
    '<body style="font-family: sans-serif; line-height: 1.5">',
    ...body,
    '</body></html>',
    '',
  ].join('\n');
}

function tableOf(rows: readonly (readonly [string, string])[]): string {
  const cells = rows.map(
    ([name, amount]) =>
      `<tr><td style="padding-right: 2em">${escapeHtml(name)}</td><td style="text-align: right">${escapeHtml(amount)}</td></tr>`,
  );
  return `<table role="presentation">${cells.join('')}</table>`;
}
