import type { CatalogueItem } from '#contracts/tills';

/** What has all the words somewhere in its name, SKU or bar code. Quick keys first, in their order; then by name. */
export function findItems(
  items: readonly CatalogueItem[],
  text: string,
  quickKeys: readonly string[],
): CatalogueItem[] {
  const words = fold(text).split(/\s+/).filter(Boolean);
  const place = new Map(quickKeys.map((sku, i) => [sku, i]));
  const placeOf = ({ sku }: CatalogueItem) => place.get(sku) ?? quickKeys.length;
  return items
    .filter(({ name, sku, gtin = '' }) => {
      const all = fold(`${name} ${sku} ${gtin}`);
      return words.every((word) => all.includes(word));
    })
    .sort((a, b) => placeOf(a) - placeOf(b) || (a.name < b.name ? -1 : 1));
}

/** Without capitals and accents. */
const fold = (text: string): string => text.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase();
