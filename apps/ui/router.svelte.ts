import { tick } from 'svelte';

/** Names of the parameters of `/p/{slug}`. */
type ParamsOf<Pattern extends string> = Pattern extends `${string}{${infer Name}}${infer Rest}`
  ? { readonly [Key in Name]: string } & ParamsOf<Rest>
  : unknown;

type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** Where the visitor is: a page by name with what its path says. */
export type Place<Pages extends Readonly<Record<string, string>>> = {
  readonly [Name in keyof Pages]: {
    readonly page: Name;
    readonly params: ParamsOf<Pages[Name]>;
    readonly query: URLSearchParams;
  };
}[keyof Pages];

export interface Router<Pages extends Readonly<Record<string, string>>> {
  /** Undefined where the app has no page. */
  readonly place: Place<Pages> | undefined;
  /** The path and query of a page, to link to. */
  href<Name extends keyof Pages & string>(
    page: Name,
    ...rest: unknown extends ParamsOf<Pages[Name]>
      ? [params?: unknown, query?: Query]
      : [params: ParamsOf<Pages[Name]>, query?: Query]
  ): string;
  go(href: string, how?: 'push' | 'replace'): void;
}

/**
 * Pages of an app by pattern. Links are ordinary links: a click on one that leads to a page of this app changes the page
 * without loading it anew; whatever else a person may do with a link (new tab, copy) works as everywhere. After a change
 * of page the focus is on what the page is about, so that a screen reader says where one has come to, unless somebody is typing
 * into what has stayed, and Back goes back to the place in the page that was left.
 */
export function createRouter<const Pages extends Readonly<Record<string, string>>>(pages: Pages): Router<Pages> {
  const patterns = Object.entries(pages).map(([page, pattern]) => ({ page, pattern: patternOf(pattern) }));
  const places = new Map<string, number>();
  let place = $state.raw(find(location.pathname, location.search));
  let shownPath = location.pathname;
  history.scrollRestoration = 'manual';

  function find(path: string, search: string): Place<Pages> | undefined {
    for (const { page, pattern } of patterns) {
      const match = pattern.exec(path.length > 1 ? path.replace(/\/$/, '') : path);
      if (!match) continue;
      const params = Object.fromEntries(Object.entries(match.groups ?? {}).map(([k, v]) => [k, decode(v)]));
      return { page, params, query: new URLSearchParams(search) } as unknown as Place<Pages>;
    }
    return undefined;
  }

  async function show(scrollTo: number | undefined): Promise<void> {
    const samePage = shownPath === location.pathname;
    shownPath = location.pathname;
    place = find(location.pathname, location.search);
    if (samePage) return;
    await tick();
    scroll(0, scrollTo ?? 0);
    // Whoever is typing goes on typing: a search box leads to its page with the first letters.
    if (document.activeElement instanceof HTMLInputElement) return;
    document.querySelector<HTMLElement>('main h1, main')?.focus({ preventScroll: true });
  }

  function go(href: string, how: 'push' | 'replace' = 'push'): void {
    places.set(history.state?.at ?? '', scrollY);
    const state = { at: crypto.randomUUID() };
    if (how === 'push') history.pushState(state, '', href);
    else history.replaceState(state, '', href);
    void show(undefined);
  }

  addEventListener('popstate', ({ state }) => void show(places.get(state?.at ?? '')));
  document.addEventListener('click', (event) => {
    const link = (event.target as Element).closest?.('a');
    if (!link || !isPlainClick(event) || link.target || link.hasAttribute('download')) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || !find(url.pathname, url.search)) return;
    event.preventDefault();
    if (url.href !== location.href) go(url.href);
  });

  return {
    get place() {
      return place;
    },
    href(page, ...[params, query]) {
      const path = (pages[page] as string).replaceAll(/\{(\w+)\}/g, (_, name: string) =>
        encodeURIComponent((params as Record<string, string>)[name] ?? ''),
      );
      return `${path}${queryText(query)}`;
    },
    go,
  };
}

function queryText(query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === '') continue;
    for (const item of Array.isArray(value) ? value : [value]) search.append(name, String(item));
  }
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}

const isPlainClick = (event: MouseEvent): boolean =>
  event.button === 0 && !event.defaultPrevented && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;

function patternOf(pattern: string): RegExp {
  const source = pattern.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&').replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)');
  return new RegExp(`^${source}$`);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
