import type { ProductInput } from '#contracts/products';
import { seededRandom } from '#kit/runtime';

/**
 * A catalogue of any size for benchmarks: the same seed gives the same products. Words are drawn as people use them
 * (Zipf: a few in nearly everything, most in a handful), because a search is only as hard as its commonest words.
 */

const nouns =
  'rope cord line strap harness carabiner pulley block shackle cleat anchor sling webbing helmet jacket trousers gloves boots backpack tent tarp hammock stove lantern headlamp bottle flask knife compass map buoy fender paddle canoe sail winch ladder net bucket brush towel blanket pillow mat chair table cooler bag case pouch belt cap scarf sock shirt fleece vest poncho gaiter crampon axe shovel probe beacon rack bolt hanger chalk tape'.split(
    ' ',
  );
const adjectives =
  'dynamic static light heavy compact rugged waterproof reflective insulated padded braided twisted tarred oiled forged welded folding inflatable quick silent bright dark coastal alpine polar tropical arctic northern southern classic modern vintage expedition everyday weekend professional junior women men unisex'.split(
    ' ',
  );
const materials = 'polyamide polyester aluminium steel cotton wool hemp leather titanium carbon rubber silicone'.split(
  ' ',
);
const colours = 'red blue green black white orange yellow grey navy olive sand purple'.split(' ');
const sizes = ['XS', 'S', 'M', 'L', 'XL'];
const departments = 'climbing sailing camping hiking paddling winter clothing tools lighting travel'.split(' ');
const syllables =
  'ka lo mi ren tor vas bel dun fir gal hes jor kel lun mor nar pel quil ras sten tir ul ven wex yar zin'.split(' ');

export interface CatalogueOptions {
  readonly size: number;
  readonly seed?: number;
  /** Brand words, besides some 120 common ones. Default: one for every 20 products. */
  readonly brands?: number;
}

export function* catalogue({
  size,
  seed = 1,
  brands = Math.max(10, size / 20),
}: CatalogueOptions): Generator<ProductInput> {
  const random = seededRandom(seed, 'catalogue');
  const below = (n: number) => Math.floor(random.next() * n);
  const uniform = <T>(list: readonly T[]) => list[below(list.length)] as T;
  /** Zipf with exponent 1, by inversion of its integral. */
  const zipf = <T>(list: readonly T[]) => list[Math.floor(list.length ** random.next()) - 1] as T;
  const names = Array.from({ length: brands }, () =>
    Array.from({ length: 2 + below(3) }, () => uniform(syllables)).join(''),
  );

  const prose = [...nouns, ...adjectives, ...materials, ...names.slice(0, 500)];
  for (let i = 0; i < size; i++) {
    const noun = zipf(nouns);
    const material = zipf(materials);
    const words = [zipf(names), zipf(adjectives), noun, `${2 + below(40)} mm`];
    const amountMinor = Math.round(300 * 200 ** random.next());
    const sku = `${noun.slice(0, 3)}-${material.slice(0, 2)}-${String(i).padStart(6, '0')}`.toUpperCase();
    yield {
      name: `${words.join(' ')}`.replace(/^./, (letter) => letter.toUpperCase()),
      description: Array.from({ length: 30 }, () => zipf(prose)).join(' '),
      categories: [`${zipf(departments)}/${noun}`],
      images: [{ url: `https://images.holdfast.example/${i}.webp`, alt: noun }],
      status: 'active',
      attributes: { material, brand: words[0] as string, season: uniform(['summer', 'winter', 'all year']) },
      variants: sizes.slice(0, 1 + below(3)).map((size) => ({
        sku: `${sku}-${size}`,
        options: { size, colour: zipf(colours) },
        prices: [
          { currency: 'EUR', amountMinor },
          { currency: 'USD', amountMinor: Math.round(amountMinor * 1.1) },
        ],
      })),
    };
  }
}
