/** `hardware/belay` as people read it: `Belay`. Paths are plain words, so they are their own names. */
export function categoryTitle(path: string): string {
  const last = path.split('/').at(-1) ?? path;
  return last.charAt(0).toUpperCase() + last.slice(1).replaceAll('-', ' ');
}

/** Names of facets, options and attributes: `rope-length` is `Rope length`. */
export const fieldTitle = (name: string): string => categoryTitle(name);
