import { saleOf } from './ids.ts';

/** What a scanned or typed code may be. A SKU may look like a GTIN, so the catalogue is asked for both. */
export type Code =
  | { readonly kind: 'sale'; readonly saleId: string }
  | { readonly kind: 'goods'; readonly sku: string; readonly gtin?: string };

/** `]E0` and the like: scanners that tell the symbology (ISO/IEC 15424) say it before the code. */
const symbologyPrefix = /^\][A-Za-z][0-9A-Za-z]/;
const saleId = /^sal_[0-9A-HJKMNP-TV-Z]{26}$/;

export function readCode(text: string): Code {
  const code = text.trim().replace(symbologyPrefix, '');
  if (saleId.test(code)) return { kind: 'sale', saleId: code };
  const sale = saleOf(code);
  if (sale) return { kind: 'sale', saleId: sale };
  const gtin = gtin14(code);
  return { kind: 'goods', sku: code, ...(gtin ? { gtin } : {}) };
}

/** A GTIN of 8, 12, 13 or 14 digits as fourteen, if its check digit is right (GS1 General Specifications, 7.9). */
function gtin14(code: string): string | undefined {
  if (!/^(?:\d{8}|\d{12,14})$/.test(code)) return undefined;
  const digits = code.padStart(14, '0');
  const sum = [...digits].reduce((total, digit, i) => total + Number(digit) * (i % 2 === 0 ? 3 : 1), 0);
  return sum % 10 === 0 ? digits : undefined;
}
