import type { ProductInput } from '#contracts/products';
import type { Random } from '#kit/runtime';
import { catalogue } from './catalogue.ts';

export type Query = Readonly<Record<string, string | readonly string[]>>;

/** Makers of queries by kind, as people ask them of this catalogue: with its own words, and their own slips. */
export function queryKinds(size: number, random: Random): Readonly<Record<string, () => Query>> {
  /** Words to look for: from the same generator, so that common words come as often as they are. */
  const sample: readonly ProductInput[] = [...catalogue({ size, seed: 1 })].filter(
    (_, i) => i % Math.ceil(size / 2_000) === 0,
  );
  const pick = () => sample[Math.floor(random.next() * sample.length)] as (typeof sample)[number];
  const skuOf = () => (pick().variants[0] as { sku: string }).sku;
  const wordsIn = (text: string) => text.toLowerCase().match(/[a-z]{4,}/g) ?? ['rope'];
  const wordOf = (text: string) => {
    const words = wordsIn(text);
    return words[Math.floor(random.next() * words.length)] as string;
  };

  /** One slip of the fingers: a letter doubled, left out, replaced, or two swapped. */
  function misspelt(word: string): string {
    const at = 1 + Math.floor(random.next() * (word.length - 2));
    const [a, b] = [word[at] as string, word[at + 1] as string];
    const forms = [a + a + b, b, `x${b}`, b + a];
    return word.slice(0, at) + forms[Math.floor(random.next() * forms.length)] + word.slice(at + 2);
  }

  return {
    'browse all, newest': () => ({}),
    'browse all, by price': () => ({ sort: 'price' }),
    category: () => ({ category: [pick().categories?.[0]?.split('/')[0] as string] }),
    'category by name, with filters': () => {
      const { categories, attributes } = pick();
      return { category: [categories?.[0] as string], filter: [`material:${attributes?.['material']}`], sort: 'name' };
    },
    'one common word': () => ({ q: wordOf('rope cord line dynamic static') }),
    'two words': () => ({ q: wordsIn(pick().name).slice(0, 2).join(' ') }),
    typo: () => ({ q: misspelt(wordOf(pick().name)) }),
    'typo and a common word, size and price': () => ({
      q: `${misspelt(wordOf(pick().name))} rope`,
      filter: ['size:S', 'size:XS'],
      priceFromMinor: '1000',
      priceToMinor: '20000',
    }),
    'typo in a common word, by -price': () => ({
      q: misspelt(wordOf('dynamic static reflective carabiner harness')),
      sort: '-price',
    }),
    'two typos and a category': () => {
      const { name, categories } = pick();
      return {
        q: wordsIn(name).slice(0, 2).map(misspelt).join(' '),
        category: [categories?.[0]?.split('/')[0] as string],
      };
    },
    'beginning of a word': () => ({ q: wordOf(pick().name).slice(0, 4) }),
    SKU: () => ({ q: skuOf() }),
    'SKU with a typo': () => ({ q: skuOf().replace(/\d(?=\D*$)/, 'X') }),
    nonsense: () => ({ q: Array.from({ length: 12 }, () => misspelt('qwertyuiop')).join(' ') }),
  };
}
