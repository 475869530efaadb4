const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const timeLength = 10;
const chanceLength = 16;

/**
 * An id of our own: 48 bits of time, so that ids sort as they were made, and 80 bits of chance, so that two tills never
 * make the same one whatever their clocks say (the layout of ULID, in Crockford's base 32).
 */
export function newId(prefix: 'sal' | 'tse' | 'tre', nowMs: number, chance: Uint8Array): string {
  let rest = nowMs;
  let time = '';
  for (let i = 0; i < timeLength; i++) {
    time = alphabet[rest % 32] + time;
    rest = Math.floor(rest / 32);
  }
  const letters = [...chance.subarray(0, chanceLength)].map((byte) => alphabet[byte % 32]);
  return `${prefix}_${time}${letters.join('')}`;
}

/** What `newId` needs of chance: bytes. */
export const chanceBytes = chanceLength;

const numberLength = 40;

/** The number on a receipt: its sale’s id in digits, which a bar code holds in half the width of letters. */
export function numberOf(saleId: string): string {
  let value = 0n;
  for (const letter of saleId.slice('sal_'.length)) value = value * 32n + BigInt(alphabet.indexOf(letter));
  return value.toString().padStart(numberLength, '0');
}

/** The sale that a receipt’s number names, or undefined when it is no such number. */
export function saleOf(number: string): string | undefined {
  if (number.length !== numberLength || !/^\d+$/.test(number)) return undefined;
  let value = BigInt(number);
  let letters = '';
  for (let i = 0; i < timeLength + chanceLength; i++) {
    letters = alphabet[Number(value % 32n)] + letters;
    value /= 32n;
  }
  return value === 0n ? `sal_${letters}` : undefined;
}
