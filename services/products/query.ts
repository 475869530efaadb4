import { hash } from 'node:crypto';
import type { SearchQuery, SearchSort } from '#contracts/products';
import { categoryLexeme, codeLexeme, facetLexeme, nameLexeme, quoted } from './document.ts';
import { gtin14 } from './gtin.ts';
import { codeOf, stopWords, wordsOf } from './text.ts';

/** More words than this narrow nothing any more. */
const wordsMax = 12;

/** What a query asks for, taken apart. */
export interface Asked {
  /** Words that a product should have. */
  readonly words: readonly string[];
  /** The whole text as a SKU or GTIN; empty when it can't be one. */
  readonly codes: readonly string[];
  /** Worth comparing with codes that are like it. */
  readonly mayBeCode: boolean;
  /** They were typed as words, and not as parts of something longer. */
  readonly severalWords: boolean;
  /** Text was given, but there is nothing in it that could be looked for. */
  readonly hopeless: boolean;
  /** Fields that a product must have: any of each group. */
  readonly fields: readonly (readonly string[])[];
  readonly sort: SearchSort;
  readonly currency: string;
  /** Tells this query from others, so that a cursor is not used with the wrong one. */
  readonly fingerprint: string;
}

export function askedOf(query: SearchQuery): Asked {
  const text = query.q ?? '';
  const all = [...new Set(wordsOf(text, wordsMax))];
  const telling = all.filter((word) => !stopWords.has(word));
  const words = telling.length > 0 ? telling : all;
  const hasText = text.trim() !== '';
  const { limit: _limit, cursor: _cursor, facets: _facets, ...rest } = query;
  return {
    words,
    codes: codesOf(text),
    mayBeCode: mayBeCode(text),
    severalWords: /\s/.test(text.trim()),
    hopeless: hasText && words.length === 0,
    fields: fieldsOf(query),
    sort: query.sort ?? (words.length > 0 ? 'relevance' : 'newest'),
    currency: query.currency ?? 'EUR',
    fingerprint: hash('sha256', JSON.stringify(rest), 'base64url').slice(0, 12),
  };
}

function codesOf(text: string): string[] {
  const code = codeOf(text);
  if (code.length < 3 || code.length > 64) return [];
  return /^(\d{8}|\d{12,14})$/.test(code) ? [code, gtin14(code)] : [code];
}

/** Several words without a digit are hardly a mistyped code. */
function mayBeCode(text: string): boolean {
  return /\d/.test(text) || !/\s/.test(text.trim());
}

function fieldsOf(query: SearchQuery): string[][] {
  const fields: string[][] = [];
  if (query.category && query.category.length > 0) fields.push(query.category.map(categoryLexeme));
  const byName = new Map<string, string[]>();
  for (const filter of query.filter ?? []) {
    const at = filter.indexOf(':');
    const name = filter.slice(0, at);
    byName.set(name, [...(byName.get(name) ?? []), facetLexeme(name, filter.slice(at + 1))]);
  }
  return [...fields, ...byName.values()];
}

/** The tsqueries of a search. Text is only ever put into them as quoted lexemes: nothing typed is an operator. */
export interface TextQueries {
  /** Products with the words in their name. Null: no words are asked for. */
  readonly named: string | null;
  /** Products that fit. Null: all do. */
  readonly fits: string | null;
  /** What relevance is measured by. */
  readonly ranked: string;
  /** A product whose code was typed comes first. */
  readonly code: string | null;
}

/** `groups` holds for each word what it may stand for. `relaxed`: some of the words will do. */
export function textQueriesOf(
  asked: Asked,
  groups: readonly (readonly string[])[],
  codes: readonly string[],
  relaxed: boolean,
): TextQueries {
  const fields = asked.fields.map(anyOf);
  const code = codes.length === 0 ? null : anyOf(codes.map(codeLexeme));
  const textOf = (form: (word: string) => string) => {
    const words = groups.map((group) => anyOf(group.map(form))).join(relaxed ? ' | ' : ' & ');
    return [words && `(${words})`, code].filter(Boolean).join(' | ');
  };
  const ranked = textOf((word) => word);
  if (ranked === '') return { named: null, fits: fields.length > 0 ? fields.join(' & ') : null, ranked, code };
  const within = (text: string) => [`(${text})`, ...fields].join(' & ');
  return { named: within(textOf(nameLexeme)), fits: within(ranked), ranked, code };
}

function anyOf(lexemes: readonly string[]): string {
  return `(${lexemes.map(quoted).join(' | ')})`;
}

/** Where price buckets begin, in minor units of the currency: steps people think in. */
export function priceBoundsOf(currency: string): readonly number[] {
  const known = boundsByCurrency.get(currency);
  if (known || !currencies.has(currency)) return known ?? [];
  const { maximumFractionDigits = 2 } = new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions();
  const bounds = majorBounds.map((major) => major * 10 ** maximumFractionDigits);
  boundsByCurrency.set(currency, bounds);
  return bounds;
}

const majorBounds = [10, 25, 50, 100, 250, 500, 1000];

/** Bounds what is remembered below. */
const currencies: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'));

/** Worked out once for each that is asked for: Intl takes longer for a currency's digits than most queries, and 20 ms for all. */
const boundsByCurrency = new Map<string, readonly number[]>();
