import {
  type Product,
  type ProductInput,
  type ProductPatch,
  productsProblems,
  type Variant,
} from '#contracts/products';
import type { Problem, ProblemPlace } from '#kit/contract';
import { gtin14, isGtin } from './gtin.ts';
import { slugOf } from './text.ts';

/** What people decide about a product; `Product` is this with identity and history. */
export type ProductBody = Omit<Product, 'id' | 'version' | 'createdAt' | 'updatedAt'>;

/** A product must fit into an event, of which 256 KiB is the most. */
const bodySizeBytesMax = 200_000;

/**
 * The body that an input stands for, always in the same form (defaults filled in, fields and names in a fixed order), so
 * that two bodies are the same exactly when their JSON is the same text. Throws `products/not-valid`.
 */
export function bodyOf(input: ProductInput, slugDefault: string): ProductBody {
  const body: ProductBody = {
    slug: input.slug ?? slugDefault,
    name: input.name.trim().normalize('NFC'),
    description: (input.description ?? '').normalize('NFC'),
    categories: [...new Set(input.categories ?? [])],
    images: (input.images ?? []).map(({ url, alt }) => ({ url, alt })),
    status: input.status ?? 'draft',
    attributes: sorted(input.attributes ?? {}),
    variants: input.variants.map(variantOf),
  };
  const places = faultsOf(body);
  const sizeBytes = Buffer.byteLength(JSON.stringify(body));
  if (sizeBytes > bodySizeBytesMax) {
    places.push({
      pointer: '',
      detail: `the product takes ${sizeBytes} bytes of JSON, ${bodySizeBytesMax} are allowed`,
    });
  }
  if (places.length > 0) throw notValid(places);
  return body;
}

function variantOf({ sku, gtin, name, options, prices }: Variant): Variant {
  return {
    sku,
    ...(gtin === undefined ? {} : { gtin }),
    ...(name === undefined ? {} : { name: name.trim().normalize('NFC') }),
    options: sorted(options),
    prices: prices
      .map(({ currency, amountMinor, compareAtMinor }) => ({
        currency,
        amountMinor,
        ...(compareAtMinor === undefined ? {} : { compareAtMinor }),
      }))
      .sort((a, b) => (a.currency < b.currency ? -1 : 1)),
  };
}

function sorted(record: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The input that a patch makes of a product as it stands. */
export function patched(product: Product, patch: ProductPatch): ProductInput {
  const { id: _id, version: _version, createdAt: _created, updatedAt: _updated, ...body } = product;
  return { ...body, ...patch };
}

export function bodyIn(product: Product): ProductBody {
  const { id: _id, version: _version, createdAt: _created, updatedAt: _updated, ...body } = product;
  return body;
}

export function sameBody(a: ProductBody, b: ProductBody): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

const detailPlacesMax = 20;

function notValid(places: readonly ProblemPlace[]): Problem {
  const [first] = places;
  const more = places.length > 1 ? ` (and ${places.length - 1} more)` : '';
  return productsProblems['not-valid']({
    detail: `${first?.pointer} ${first?.detail}${more}`,
    errors: places.slice(0, detailPlacesMax),
  });
}

/** Paths below /products that are operations. */
const slugsReserved = new Set(['import', 'export', 'resolve', 'availability', 'dead-letters']);

/** What a schema can't say: how fields must fit together. */
function faultsOf(body: ProductBody): ProblemPlace[] {
  const places: ProblemPlace[] = [];
  const fault = (pointer: string, detail: string) => places.push({ pointer, detail });
  if (slugsReserved.has(body.slug)) fault('/slug', `can not be ${body.slug}: that path is taken by an operation`);
  faultsOfText(body, '', fault);
  const skus = new Set<string>();
  const gtins = new Set<string>();
  const options = new Set<string>();
  for (const [i, variant] of body.variants.entries()) {
    const at = `/variants/${i}`;
    if (skus.has(variant.sku)) fault(`${at}/sku`, `${variant.sku} is there twice`);
    skus.add(variant.sku);
    if (variant.gtin !== undefined) {
      if (!isGtin(variant.gtin)) fault(`${at}/gtin`, `${variant.gtin} has a wrong check digit`);
      if (gtins.has(gtin14(variant.gtin))) fault(`${at}/gtin`, `${variant.gtin} is there twice`);
      gtins.add(gtin14(variant.gtin));
    }
    const chosen = JSON.stringify(variant.options);
    if (options.has(chosen)) fault(`${at}/options`, 'are those of another variant: nobody could tell them apart');
    options.add(chosen);
    faultsOfPrices(variant, body.status === 'active', at, fault);
  }
  return places;
}

type Fault = (pointer: string, detail: string) => void;

const currencies = new Set(Intl.supportedValuesOf('currency'));

function faultsOfPrices(variant: Variant, active: boolean, at: string, fault: Fault): void {
  if (active && variant.prices.length === 0) fault(`${at}/prices`, 'are missing: an active product can be bought');
  const seen = new Set<string>();
  for (const [i, { currency, amountMinor, compareAtMinor }] of variant.prices.entries()) {
    if (!currencies.has(currency)) fault(`${at}/prices/${i}/currency`, `${currency} is not an ISO 4217 code`);
    if (seen.has(currency)) fault(`${at}/prices/${i}/currency`, `${currency} is there twice`);
    seen.add(currency);
    if (compareAtMinor !== undefined && compareAtMinor <= amountMinor) {
      fault(`${at}/prices/${i}/compareAtMinor`, 'is not above the price it is compared with');
    }
  }
}

/** Line breaks and tabs are text; other control characters and halves of surrogate pairs are damage. */
const damage = /(?![\n\r\t])\p{Cc}/u;

function faultsOfText(value: unknown, pointer: string, fault: Fault): void {
  if (typeof value === 'string') {
    if (!value.isWellFormed()) fault(pointer, 'is not valid Unicode');
    else if (damage.test(value)) fault(pointer, 'has a control character');
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) faultsOfText(item, `${pointer}/${key}`, fault);
  }
}

/** The slug that a new product gets from its name, and the one that can't be taken when the first is. */
export function slugsFor(name: string, productId: string): [string, string] {
  const slug = slugOf(name);
  return [slug, `${slug}-${productId.slice(-8).toLowerCase()}`];
}

/** As an order line shows it: `Kernmantle rope – 60 m / blue`. */
export function lineNameOf(body: ProductBody, variant: Variant): string {
  const detail = variant.name ?? Object.values(variant.options).join(' / ');
  return detail && detail !== body.name ? `${body.name} – ${detail}` : body.name;
}

export function etagOf(product: Pick<Product, 'version'>): string {
  return `"${product.version}"`;
}
