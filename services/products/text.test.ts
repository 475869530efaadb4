import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quoted } from './document.ts';
import { gtin14, gtinCheckDigit, isGtin } from './gtin.ts';
import { slugOf, wordsOf } from './text.ts';
import { codesNear, errorsMaxOf, formsFiled, formsLookedUp, typoDistance } from './typo.ts';

const digits = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: length, maxLength: length });
const gtins = fc
  .constantFrom(7, 11, 12, 13)
  .chain(digits)
  .map((body) => `${body}${gtinCheckDigit(body)}`);

test.each(['4006381333931', '036000291452', '96385074', '00012345600012', '5901234123457'])('%s is a GTIN', (gtin) => {
  expect(isGtin(gtin)).toBe(true);
});

test('a number with its check digit is a GTIN, and with one digit changed it is not', () => {
  fc.assert(
    fc.property(gtins, fc.nat(), fc.integer({ min: 1, max: 9 }), (gtin, place, change) => {
      expect(isGtin(gtin)).toBe(true);
      const at = place % gtin.length;
      const wrong = gtin.slice(0, at) + ((Number(gtin[at]) + change) % 10) + gtin.slice(at + 1);
      expect(isGtin(wrong)).toBe(false);
    }),
  );
});

test('padding with zeros keeps a GTIN valid', () => {
  fc.assert(fc.property(gtins, (gtin) => isGtin(gtin14(gtin))));
});

test.each(['', '0', '1234567', '123456789', '12345678901234567', '4006381333931 ', '400638133393X', '٤٠٠٦٣٨١٣'])(
  '"%s" is no GTIN',
  (text) => {
    expect(isGtin(text)).toBe(false);
  },
);

test('words are folded, singular and bounded', () => {
  expect(wordsOf('Größe: Ropes, BATTERIES & œuvre 9.8mm', 20)).toEqual([
    'grosse',
    'rope',
    'battery',
    'oeuvre',
    '9',
    '8mm',
  ]);
  expect(wordsOf('a b c d', 2)).toEqual(['a', 'b']);
  expect(wordsOf('canvas glass boxes status', 9)).toEqual(['canva', 'glass', 'boxe', 'status']);
});

test('words of words are the same words', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 50 }), (text) => {
      const once = wordsOf(text, 100).map((word) => word.replace(/s+$/, ''));
      expect(wordsOf(once.join(' '), 100).length).toBeLessThanOrEqual(once.length);
    }),
  );
});

test('a slug is always one that the contract takes', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (name) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(slugOf(name))));
});

const letters = fc.constantFrom(...'abcde');
const word = fc.string({ unit: letters, minLength: 4, maxLength: 12 });
type Slip = readonly ['drop' | 'add' | 'change' | 'swap', number, string];
const slip: fc.Arbitrary<Slip> = fc.tuple(fc.constantFrom('drop', 'add', 'change', 'swap'), fc.nat(), letters);

function slipped(text: string, [kind, place, letter]: Slip): string {
  const at = place % text.length;
  const [before, after] = [text.slice(0, at), text.slice(at)];
  if (kind === 'drop') return before + after.slice(1);
  if (kind === 'add') return before + letter + after;
  if (kind === 'change') return before + letter + after.slice(1);
  return before + (after[1] ?? '') + after[0] + after.slice(2);
}

test('a word is found under a form of its misspelling, for as many slips as its length allows', () => {
  fc.assert(
    fc.property(word, fc.array(slip, { minLength: 1, maxLength: 2 }), (meant, slips) => {
      const typed = slips.reduce(slipped, meant);
      fc.pre(typed.length >= 4 && typoDistance(typed, meant) <= errorsMaxOf(typed));
      const filed = new Set(formsFiled(meant));
      expect(formsLookedUp(typed).some((form) => filed.has(form))).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test('distance counts slips: symmetric, zero for the same word only, one for one slip', () => {
  expect(typoDistance('rpoe', 'rope')).toBe(1);
  fc.assert(
    fc.property(word, slip, word, (meant, one, other) => {
      expect(typoDistance(slipped(meant, one), meant)).toBeLessThanOrEqual(1);
      expect(typoDistance(meant, other)).toBe(typoDistance(other, meant));
      expect(typoDistance(meant, other) === 0).toBe(meant === other);
    }),
  );
});

test('every code one slip away is among the codes near it, and their number is bounded', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'abc123'), minLength: 3, maxLength: 12 }), slip, (code, one) => {
      const typed = slipped(code, one);
      fc.pre(typed !== code && typed.length > 0);
      expect(codesNear(typed)).toContain(code);
      expect(codesNear(typed).length).toBeLessThan(80 * (typed.length + 1));
    }),
  );
});

test('a quoted lexeme has no quote or backslash that could end it', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...`'\\a:&|!`) }), (text) => {
      const inner = quoted(text).slice(1, -1);
      expect(inner.replaceAll("''", '').replaceAll('\\\\', '')).not.toMatch(/['\\]/);
    }),
  );
});
