/**
 * GTIN check digits (GS1 General Specifications, section 7.9): digits are weighted 3, 1, 3, 1 … from the right, beginning
 * beside the check digit, which brings the sum to a multiple of ten. It catches every single wrong digit and most
 * neighbours swapped (all but those that differ by 5).
 */
export function gtinCheckDigit(digitsBefore: string): number {
  let sum = 0;
  for (let i = 0; i < digitsBefore.length; i++) {
    const weight = (digitsBefore.length - i) % 2 === 1 ? 3 : 1;
    sum += weight * (digitsBefore.charCodeAt(i) - 48);
  }
  return (10 - (sum % 10)) % 10;
}

const lengths = new Set([8, 12, 13, 14]);

export function isGtin(text: string): boolean {
  if (!lengths.has(text.length) || !/^\d+$/.test(text)) return false;
  return gtinCheckDigit(text.slice(0, -1)) === text.charCodeAt(text.length - 1) - 48;
}

/** All lengths in one: a GTIN-12 and the GTIN-13 with a leading zero are the same number (GS1, section 3.3). */
export function gtin14(gtin: string): string {
  return gtin.padStart(14, '0');
}
