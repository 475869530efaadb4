import type { Knowledge, MentionedProduct } from '#contracts/assistant';
import type { Product } from '#contracts/products';

/** Pure: what is said of the products that were found. */

export function mentionOf(product: Product, currency: string): MentionedProduct {
  const amounts = product.variants.flatMap(({ prices }) =>
    prices.flatMap((price) => (price.currency === currency ? [price.amountMinor] : [])),
  );
  const price =
    amounts.length === 0 ? {} : { price: { currency, fromMinor: Math.min(...amounts), toMinor: Math.max(...amounts) } };
  return { productId: product.id, slug: product.slug, name: product.name, ...price };
}

/** An answer without a language model: plain sentences of facts, nothing that the catalogue doesn't say. */
export function composeAnswer(
  question: string,
  products: readonly Product[],
  currency: string,
  categories: readonly string[],
): string {
  const [best, ...others] = products;
  if (!best) return nothingFound(categories);
  const parts = [describe(best, currency)];
  if (others.length > 0) {
    const names = others.map((product) => `${product.name}${priceText(product, currency, ' (', ')')}`);
    parts.push(`See also: ${names.join('; ')}.`);
  }
  if (/\b(stock|available|availability|left)\b/i.test(question)) {
    parts.push('What is in stock just now I can not tell; the page of the product shows it.');
  }
  return parts.join('\n');
}

function nothingFound(categories: readonly string[]): string {
  if (categories.length === 0) return 'I know of no products yet. Please ask again in a moment.';
  return `I found nothing about that in the catalogue. We have ${listText(categories)}.`;
}

function describe(product: Product, currency: string): string {
  const sentences = [`${product.name}${priceText(product, currency, ': ', '')}.`];
  if (product.description !== '') sentences.push(product.description);
  for (const [name, values] of optionsOf(product)) {
    if (values.length > 1) sentences.push(`Comes in ${name} ${listText(values)}.`);
  }
  const attributes = Object.entries(product.attributes).map(([name, value]) => `${name}: ${value}`);
  if (attributes.length > 0) sentences.push(`${attributes.join(', ')}.`);
  return sentences.join(' ');
}

function optionsOf({ variants }: Product): Map<string, string[]> {
  const options = new Map<string, string[]>();
  for (const variant of variants) {
    for (const [name, value] of Object.entries(variant.options)) {
      const values = options.get(name) ?? [];
      if (!values.includes(value)) options.set(name, [...values, value]);
    }
  }
  return options;
}

function priceText(product: Product, currency: string, before: string, after: string): string {
  const { price } = mentionOf(product, currency);
  if (!price) return '';
  const from = moneyText(price.fromMinor, currency);
  const text = price.toMinor > price.fromMinor ? `${from} to ${moneyText(price.toMinor, currency)}` : from;
  return `${before}${text}${after}`;
}

function moneyText(amountMinor: number, currency: string): string {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency });
  return format.format(amountMinor / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

function listText(items: readonly string[]): string {
  return items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}

/** Younger than this, nobody needs to be told how old it is. */
export const freshMsMax = 15_000;

export interface Heard {
  readonly products: number;
  /** When everything that had been told was last known to be read. */
  readonly levelAtMs: number | undefined;
  /** What the last look at the log said: events to read, or that it could not be asked. */
  readonly lagEvents: number | 'unknown';
  readonly nowMs: number;
}

export function knowledgeOf({ products, levelAtMs, lagEvents, nowMs }: Heard): Knowledge {
  const ageMs = levelAtMs === undefined ? undefined : Math.max(0, Math.round(nowMs - levelAtMs));
  const at = levelAtMs === undefined ? {} : { asOf: new Date(levelAtMs).toISOString(), ageMs: ageMs as number };
  if (products === 0) return { products, state: 'empty', ...at, text: 'I have not heard of any product yet.' };
  if (ageMs !== undefined && ageMs <= freshMsMax && lagEvents === 0) {
    return { products, state: 'current', ...at, text: 'My knowledge of the catalogue is up to date.' };
  }
  const since = ageMs === undefined ? 'I do not know since when' : `it is as of ${ageText(ageMs)} ago`;
  if (lagEvents === 'unknown') {
    return { products, state: 'cut-off', ...at, text: `I can not hear the catalogue just now; ${since}.` };
  }
  return { products, state: 'behind', ...at, text: `I am still reading news of the catalogue; ${since}.` };
}

function ageText(ageMs: number): string {
  const units = [
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
  ] as const;
  for (const [unit, unitMs] of units) {
    const count = Math.floor(ageMs / unitMs);
    if (count > 0) return `${count} ${unit}${count === 1 ? '' : 's'}`;
  }
  return 'less than a minute';
}
