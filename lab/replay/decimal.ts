/**
 * Exact decimals. A price such as 0.001 or 2.0833 is kept digit by digit; money becomes whole pennies once a line,
 * by one stated rule (half to even), and never passes through binary floating point.
 */
export interface Decimal {
  /** All digits as one integer, sign included. */
  readonly units: bigint;
  /** How many of them stand behind the point. */
  readonly scale: number;
}

/** Longer numbers are no prices: refusing them bounds the arithmetic. */
const DIGITS_MAX = 30;

const PATTERN = /^([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d{1,2}))?$/;

/** Reads plain and scientific notation (`2.55`, `-3`, `1e-3`); `undefined` for anything else, `1,000.00` included. */
export function parseDecimal(text: string): Decimal | undefined {
  const match = PATTERN.exec(text);
  if (match === null || text.length > DIGITS_MAX) return undefined;
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  const digits = BigInt(whole + fraction);
  const scale = fraction.length - Number(exponent);
  const units = sign === '-' ? -digits : digits;
  return scale >= 0 ? { units, scale } : { units: units * 10n ** BigInt(-scale), scale: 0 };
}

/** The shortest plain text of a decimal: `2.50` and `2.5` are both `2.5`. */
export function decimalText({ units, scale }: Decimal): string {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '');
  return `${units < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

/** `numerator / denominator` to a whole number, a tie to the even neighbour. `denominator` > 0. */
export function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  const negative = numerator < 0n;
  const magnitude = negative ? -numerator : numerator;
  const quotient = magnitude / denominator;
  const twice = (magnitude % denominator) * 2n;
  const up = twice > denominator || (twice === denominator && quotient % 2n === 1n);
  const rounded = up ? quotient + 1n : quotient;
  return negative ? -rounded : rounded;
}

/**
 * quantity × unit price in minor units. `undefined` where the product is too large for exact integers in JSON (2^53):
 * no shop sells for ninety trillion pounds, so that row is a mistake.
 */
export function lineTotalMinor(quantity: number, unitPrice: Decimal, minorDigits = 2): number | undefined {
  const exact = BigInt(quantity) * unitPrice.units * 10n ** BigInt(minorDigits);
  const total = Number(divideHalfEven(exact, 10n ** BigInt(unitPrice.scale)));
  // `+ 0` turns the -0 of a free return into 0.
  return Number.isSafeInteger(total) ? total + 0 : undefined;
}

/** Compares two decimals: negative, 0 or positive. */
export function compareDecimals(left: Decimal, right: Decimal): number {
  const scale = Math.max(left.scale, right.scale);
  const widen = (value: Decimal) => value.units * 10n ** BigInt(scale - value.scale);
  const difference = widen(left) - widen(right);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
