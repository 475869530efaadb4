import { decodeCursor, encodeCursor } from '#contracts/common';
import { type ProductCard, productsProblems, type SearchQuery, type SearchReply } from '#contracts/products';
import type { Queryable } from '#kit/runtime';
import { type Asked, askedOf, priceBoundsOf, textQueriesOf } from './query.ts';
import {
  candidatesMaxDefault,
  type LikeWord,
  likeCodes,
  likeWords,
  type PageRow,
  type SearchResult,
  searchProducts,
} from './search-store.ts';
import { errorsMaxOf, typoDistance } from './typo.ts';

const limitDefault = 20;
const facetNamesMax = 15;
const facetValuesMax = 20;
const correctionsMax = 4;

/** Looks for what was typed; failing that, for codes that look like it; failing that, for some of its words. */
export async function search(
  database: Queryable,
  query: SearchQuery,
  candidatesMax: number = candidatesMaxDefault,
): Promise<SearchReply> {
  const asked = askedOf(query);
  const after = afterOf(query, asked);
  const limit = query.limit ?? limitDefault;
  if (asked.hopeless) return nothing;
  const meant = asked.words.length === 0 ? [] : meaningsOf(asked.words, await likeWords(database, asked.words));
  const groups = meant.map(({ typed, used }) => [typed, ...used]);
  const bounds = priceBoundsOf(asked.currency);

  const attempt = (codes: readonly string[], words: typeof groups, relaxed: boolean) =>
    searchProducts(database, {
      text: textQueriesOf(asked, words, codes, relaxed),
      sort: asked.sort,
      status: query.status ?? 'active',
      priceBounds: bounds,
      currency: asked.currency,
      priceFrom: query.priceFromMinor ?? null,
      priceTo: query.priceToMinor ?? null,
      availableOnly: query.available ?? false,
      after,
      // One more than is shown tells whether there is a next page.
      limit: limit + 1,
      candidatesMax,
      withFacets: query.facets ?? query.cursor === undefined,
    });

  let corrections = meant.filter(({ used }) => used.length > 0);
  let relaxed = false;
  let result = await attempt(asked.codes, groups, false);
  const [code] = asked.codes;
  if (result.count === 0 && code !== undefined && asked.mayBeCode) {
    const used = await likeCodes(database, code);
    if (used.length > 0) {
      corrections = [{ typed: query.q ?? '', used: [...used] }];
      result = await attempt(used, [], false);
    }
  }
  // Parts of one code or compound say little by themselves.
  if (result.count === 0 && groups.length > 1 && asked.severalWords) {
    relaxed = true;
    result = await attempt(asked.codes, groups, true);
  }
  const page = result.page.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map((row) => cardOf(row, asked.currency)),
    ...(last && result.page.length > limit ? { nextCursor: encodeCursor([asked.fingerprint, last.key, last.id]) } : {}),
    matches: { count: result.count, capped: result.capped },
    ...((query.facets ?? query.cursor === undefined)
      ? { facets: facetsOf(result), prices: bucketsOf(result, bounds) }
      : {}),
    corrections,
    relaxed,
  };
}

const nothing: SearchReply = {
  items: [],
  matches: { count: 0, capped: false },
  facets: [],
  prices: [],
  corrections: [],
  relaxed: false,
};

/** Where the page before ended. A cursor is only good for the query that it came from. */
function afterOf(query: SearchQuery, asked: Asked): readonly [string | number, string] | null {
  if (query.cursor === undefined) return null;
  const [fingerprint, key, id] = decodeCursor(query.cursor) ?? [];
  const keyType = asked.sort === 'name' || asked.sort === 'newest' ? 'string' : 'number';
  if (fingerprint !== asked.fingerprint || typeof key !== keyType || typeof id !== 'string' || !isStorable(key, id)) {
    throw productsProblems['bad-cursor']();
  }
  return [key as string | number, id];
}

/** A forged cursor must not reach the database with what it can't take. */
function isStorable(key: unknown, id: string): boolean {
  if (typeof key === 'string') return !key.includes('\0') && !id.includes('\0');
  return Number.isFinite(key) && Math.abs(key as number) <= Number.MAX_SAFE_INTEGER && !id.includes('\0');
}

interface Meaning {
  readonly typed: string;
  readonly used: string[];
}

/** A word that the catalogue has means itself. Another one may be the beginning of a word, or a slip of the fingers. */
export function meaningsOf(words: readonly string[], like: readonly LikeWord[]): Meaning[] {
  return words.map((typed) => {
    const mine = like.filter((word) => word.typed === typed);
    if (mine.some((word) => word.how === 'same')) return { typed, used: [] };
    const begins = mine.filter((word) => word.how === 'begins').map(({ word }) => word);
    return { typed, used: [...new Set([...begins, ...nearest(typed, mine)])] };
  });
}

/** The words with the fewest errors; of those, the ones that most products have. */
function nearest(typed: string, like: readonly LikeWord[]): string[] {
  const near = like
    .filter((word) => word.how === 'near')
    .map(({ word, products }) => ({ word, products, distance: typoDistance(typed, word) }))
    .filter(({ distance }) => distance <= errorsMaxOf(typed));
  const least = Math.min(...near.map(({ distance }) => distance));
  return near
    .filter(({ distance }) => distance === least)
    .sort((a, b) => b.products - a.products || (a.word < b.word ? -1 : 1))
    .slice(0, correctionsMax)
    .map(({ word }) => word);
}

function facetsOf({ facets, available }: SearchResult): NonNullable<SearchReply['facets']> {
  const byName = new Map<string, { value: string; count: number }[]>();
  for (const { facet, count } of facets) {
    const at = facet.indexOf(':');
    const name = facet.slice(1, at);
    const values = byName.get(name) ?? [];
    if (values.length < facetValuesMax) values.push({ value: facet.slice(at + 1), count });
    byName.set(name, values);
  }
  const shown = [...byName].slice(0, facetNamesMax).map(([name, values]) => ({ name, values }));
  if (available.yes + available.no === 0) return shown;
  const values = [
    { value: 'true', count: available.yes },
    { value: 'false', count: available.no },
  ];
  return [...shown, { name: 'available', values: values.filter(({ count }) => count > 0) }];
}

function bucketsOf({ prices }: SearchResult, bounds: readonly number[]): NonNullable<SearchReply['prices']> {
  return prices.map(({ bucket, count }) => {
    const below = bounds[bucket];
    return { fromMinor: bounds[bucket - 1] ?? 0, ...(below === undefined ? {} : { belowMinor: below }), count };
  });
}

function cardOf({ id, body, available }: PageRow, currency: string): ProductCard {
  const prices = body.variants.flatMap((variant) => variant.prices.filter((price) => price.currency === currency));
  const lowest = prices.toSorted((a, b) => a.amountMinor - b.amountMinor);
  const [from] = lowest;
  const to = lowest.at(-1);
  const [image] = body.images;
  return {
    id,
    slug: body.slug,
    name: body.name,
    categories: body.categories,
    status: body.status,
    ...(image ? { image } : {}),
    ...(from && to
      ? {
          price: {
            currency,
            fromMinor: from.amountMinor,
            toMinor: to.amountMinor,
            ...(from.compareAtMinor === undefined ? {} : { compareAtMinor: from.compareAtMinor }),
          },
        }
      : {}),
    ...(available === null ? {} : { available }),
    skus: body.variants.map(({ sku }) => sku),
  };
}
