import type { SearchSort } from '#contracts/products';
import { href } from '../shop.ts';

/** What is looked for, as the URL of the search page says it: so a search can be shared, and Back undoes. */
export interface Search {
  readonly q: string;
  readonly category: string | undefined;
  /** `size:M` */
  readonly filter: readonly string[];
  readonly available: boolean;
  readonly sort: SearchSort | undefined;
}

export function searchFrom(query: URLSearchParams): Search {
  return {
    q: query.get('q') ?? '',
    category: query.get('category') ?? undefined,
    filter: query.getAll('filter'),
    available: query.get('available') === 'true',
    sort: (query.get('sort') ?? undefined) as SearchSort | undefined,
  };
}

export function hrefOf({ q, category, filter, available, sort }: Search): string {
  return href('search', undefined, { q, category, filter, available: available ? 'true' : undefined, sort });
}
