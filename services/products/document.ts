import { gtin14 } from './gtin.ts';
import type { ProductBody } from './model.ts';
import { codeOf, fold, stopWords, wordsOf } from './text.ts';

/**
 * What the search knows of a product, as one row. Words, codes and facets all are lexemes of one tsvector, told apart by
 * their first character, so that any mixture of them is one tsquery on one GIN index: no join, no bitmap to combine, and
 * the text of the statement is the same whatever is asked for. A word never starts with a sign, so nothing that people
 * write can pass for a field.
 */
export interface SearchDocument {
  /** Text form of the tsvector. Weights: A name and codes, B categories, options and attributes, C description. */
  readonly document: string;
  /** The facet lexemes alone, for counting. */
  readonly facets: readonly string[];
  /** Sorts by name whatever the case and accents. */
  readonly nameKey: string;
  /** Lowest price of any variant, by currency. */
  readonly prices: Readonly<Record<string, number>>;
  /** Words that typing errors are forgiven for (of names, categories, options, attributes), and category lexemes. */
  readonly vocabulary: readonly string[];
}

export const categoryLexeme = (path: string) => `#category:${path}`;
export const facetLexeme = (name: string, value: string) => `=${name}:${value}`;
export const codeLexeme = (code: string) => `~${code}`;
/** A word of the name once more: a weight in a query would do, but the index has no weights, so each row would be read. */
export const nameLexeme = (word: string) => `^${word}`;

const nameWordsMax = 200;
const fieldWordsMax = 400;
/** Further down, descriptions are care instructions and boiler plate, and the row should stay small. */
const descriptionWordsMax = 300;
/** Positions kept of a lexeme: more weighs hardly more in a rank. */
const positionsMax = 4;
const nameKeyCharsMax = 100;

export function searchDocumentOf(body: ProductBody): SearchDocument {
  const { variants, categories, attributes } = body;
  const named = variants.flatMap((variant) => (variant.name === undefined ? [] : [variant.name]));
  const values = [...Object.values(attributes), ...variants.flatMap((variant) => Object.values(variant.options))];
  const nameWords = wordsOf([body.name, ...new Set(named)].join(' '), nameWordsMax);
  const fieldWords = wordsOf([...categories, ...new Set(values)].join(' '), fieldWordsMax);
  const skuWords = wordsOf(variants.map((variant) => variant.sku).join(' '), nameWordsMax);
  const facets = facetsOf(body);

  const lexemes = createLexemes();
  for (const word of nameWords) lexemes.add(word, 'A');
  for (const code of codesOf(body)) lexemes.add(codeLexeme(code), 'A');
  for (const word of skuWords) lexemes.add(word, 'B');
  for (const word of fieldWords) lexemes.add(word, 'B');
  for (const word of wordsOf(body.description, descriptionWordsMax)) lexemes.add(word, 'C');
  return {
    document: [lexemes.text(), ...[...new Set(nameWords)].map(nameLexeme).map(quoted), ...facets.map(quoted)].join(' '),
    facets,
    nameKey: fold(body.name).slice(0, nameKeyCharsMax),
    prices: lowestPrices(body),
    vocabulary:
      body.status === 'active'
        ? [...[...new Set([...nameWords, ...fieldWords])].filter(isSpelt), ...facets.filter(isCategory)]
        : [],
  };
}

export const isCategory = (lexeme: string) => lexeme.startsWith('#category:');

/** Numbers and short words have no typing errors that could be told from other words. */
function isSpelt(word: string): boolean {
  return word.length >= 3 && !stopWords.has(word) && !/\d/.test(word);
}

function facetsOf({ categories, attributes, variants }: ProductBody): string[] {
  const facets = new Set<string>();
  for (const path of categories) {
    const parts = path.split('/');
    for (let depth = 1; depth <= parts.length; depth++) facets.add(categoryLexeme(parts.slice(0, depth).join('/')));
  }
  for (const fields of [attributes, ...variants.map((variant) => variant.options)]) {
    for (const [name, value] of Object.entries(fields)) facets.add(facetLexeme(name, value));
  }
  return [...facets];
}

function codesOf({ variants }: ProductBody): Set<string> {
  const codes = new Set<string>();
  for (const { sku, gtin } of variants) {
    const code = codeOf(sku);
    if (code) codes.add(code);
    if (gtin !== undefined) codes.add(gtin14(gtin));
  }
  return codes;
}

function lowestPrices({ variants }: ProductBody): Record<string, number> {
  const lowest: Record<string, number> = {};
  for (const { prices } of variants) {
    for (const { currency, amountMinor } of prices) {
      lowest[currency] = Math.min(lowest[currency] ?? amountMinor, amountMinor);
    }
  }
  return lowest;
}

/** PostgreSQL's limit is 16,383; fields are bounded so that it is never reached. */
function createLexemes() {
  const positions = new Map<string, string[]>();
  let position = 0;
  return {
    add(lexeme: string, weight: 'A' | 'B' | 'C'): void {
      position += 1;
      const known = positions.get(lexeme);
      if (!known) positions.set(lexeme, [`${position}${weight}`]);
      else if (known.length < positionsMax) known.push(`${position}${weight}`);
    },
    text(): string {
      return [...positions].map(([lexeme, places]) => `${quoted(lexeme)}:${places.join(',')}`).join(' ');
    },
  };
}

/** A lexeme in the text form of tsvector and tsquery, whatever characters it has. */
export function quoted(lexeme: string): string {
  return `'${lexeme.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
