/**
 * How text becomes words that can be looked for: the same on the way in and on the way out, in one place. It is done
 * here and not by PostgreSQL's text search parser, because that one depends on the locale of the database (in a C
 * locale it takes `é` for punctuation), differs between PostgreSQL and its WASM build, and splits SKUs its own way.
 */

/** Letters that Unicode does not decompose. */
const plain: Readonly<Record<string, string>> = { ß: 'ss', æ: 'ae', œ: 'oe', ø: 'o', đ: 'd', ł: 'l', ı: 'i' };

/** Lower case without accents, and with compatibility forms made plain: `Größe Ⅳ` → `grosse iv`. */
export function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(/[ßæœøđłı]/g, (letter) => plain[letter] as string);
}

const wordCharsMax = 40;

/** Words in order, singular, with repeats; no more than `wordsMax`. */
export function wordsOf(text: string, wordsMax: number): string[] {
  const words: string[] = [];
  for (const [word] of fold(text).matchAll(/[\p{L}\p{N}]+/gu)) {
    if (words.length >= wordsMax) break;
    words.push(singular(word.slice(0, wordCharsMax)));
  }
  return words;
}

/**
 * The S stemmer (Harman, "How effective is suffixing?", 1991): plurals only. Names of things suffer from stronger
 * stemmers (Porter makes `carabin` of carabiner and `univers` of universal), and typing errors are found by distance,
 * for which words should stay words.
 */
export function singular(word: string): string {
  if (word.length <= 3) return word;
  if (/[^ea]ies$/.test(word)) return `${word.slice(0, -3)}y`;
  if (/[^aeo]es$/.test(word)) return word.slice(0, -1);
  if (/[^us]s$/.test(word)) return word.slice(0, -1);
  return word;
}

/** A SKU or GTIN without case and separators: `HC-ROPE/10` → `hcrope10`. Empty when nothing is left. */
export function codeOf(text: string): string {
  return fold(text).replace(/[^\p{L}\p{N}]+/gu, '');
}

/** Words too common to narrow a search: a product need not have them. */
export const stopWords: ReadonlySet<string> = new Set(
  'a an and are as at be by for from in into is it of on or our the this to with you your'.split(' '),
);

const slugCharsMax = 80;

/** A name as part of a URL; `product` when it has no Latin letter or digit. */
export function slugOf(name: string): string {
  const slug = fold(name)
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, slugCharsMax)
    .replace(/-+$/, '');
  return slug || 'product';
}
