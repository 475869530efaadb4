import { chanceLength, idLetters, makeId } from '../../../contracts/ids.ts';

/** An id of our own, so that two tills never make the same one whatever their clocks say. */
export const newId = (prefix: 'sal' | 'tse' | 'tre', nowMs: number, chance: Uint8Array): string =>
  makeId(prefix, nowMs, chance);

/** What `newId` needs of chance: bytes. */
export const chanceBytes = chanceLength;

const numberLength = 40;
const lettersLength = 26;

/** The number on a receipt: its sale’s id in digits, which a bar code holds in half the width of letters. */
export function numberOf(saleId: string): string {
  let value = 0n;
  for (const letter of saleId.slice('sal_'.length)) value = value * 32n + BigInt(idLetters.indexOf(letter));
  return value.toString().padStart(numberLength, '0');
}

/** The sale that a receipt’s number names, or undefined when it is no such number. */
export function saleOf(number: string): string | undefined {
  if (number.length !== numberLength || !/^\d+$/.test(number)) return undefined;
  let value = BigInt(number);
  let letters = '';
  for (let i = 0; i < lettersLength; i++) {
    letters = idLetters[Number(value % 32n)] + letters;
    value /= 32n;
  }
  return value === 0n ? `sal_${letters}` : undefined;
}
