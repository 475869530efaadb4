/**
 * Writes DER (ITU-T X.690), the encoding of certificates: tag, length, content. Only what a certificate needs, and only
 * writing: whatever comes from elsewhere is read by OpenSSL.
 */

export function tagged(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

function lengthOf(size: number): Buffer {
  if (size < 0x80) return Buffer.from([size]);
  const bytes = size < 0x100 ? [size] : [size >> 8, size & 0xff];
  return Buffer.from([0x80 | bytes.length, ...bytes]);
}

export const sequence = (...items: readonly Uint8Array[]): Buffer => tagged(0x30, ...items);
export const setOf = (...items: readonly Uint8Array[]): Buffer => tagged(0x31, ...items);
export const octets = (...content: readonly Uint8Array[]): Buffer => tagged(0x04, ...content);
export const text = (value: string): Buffer => tagged(0x0c, Buffer.from(value));
export const yes: Buffer = tagged(0x01, Buffer.from([0xff]));

/** A whole number, 0 or more, from its bytes. */
export function integer(bytes: Uint8Array): Buffer {
  const digits = Buffer.from(bytes);
  const sign = (digits[0] ?? 0) >= 0x80 || digits.length === 0 ? Buffer.from([0]) : Buffer.alloc(0);
  return tagged(0x02, sign, digits);
}

/** `unusedBits` of the last byte are not meant. */
export const bits = (content: Uint8Array, unusedBits = 0): Buffer => tagged(0x03, Buffer.from([unusedBits]), content);

/** An object identifier in dotted form. */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let left = value >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
  return digits;
}

/** UTCTime up to 2049 and GeneralizedTime after it, as RFC 5280 §4.1.2.5 wants. */
export function time(epochMs: number): Buffer {
  const digits = new Date(epochMs).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return digits < '2050' ? tagged(0x17, Buffer.from(digits.slice(2))) : tagged(0x18, Buffer.from(digits));
}
