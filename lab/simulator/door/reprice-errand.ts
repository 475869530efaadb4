import type { Product } from '#contracts/products';
import type { Timers } from '#kit/runtime';
import type { Ask } from '../errand.ts';
import type { Errand } from '../plan.ts';

/** What people know for sure of a product that they changed: each change left its mark. */
export interface EditStory {
  readonly productId: string;
  readonly marks: string[];
}

export interface RepriceErrandOptions {
  readonly ask: Ask;
  readonly timers: Timers;
  readonly book: EditStory[];
  readonly productOf: (sku: string) => Promise<string | undefined>;
}

const looksMax = 60;
const lookEveryMs = 40;

/**
 * Several people change one product at once. Each reads it, raises the price by one and leaves a mark among its attributes, under
 * the version that was read; who was overtaken, or did not hear what came of it, looks again.
 */
export function createRepriceErrand({ ask, timers, book, productOf }: RepriceErrandOptions) {
  async function change(errand: Errand, story: EditStory, mark: string): Promise<void> {
    const { productId } = story;
    for (let i = 0; i < looksMax; i++) {
      const product = await ask<Product>(errand, 'product.read', ({ products }, context) =>
        products.get({ params: { idOrSlug: productId } }, context),
      );
      if (!product) return;
      if (mark in product.attributes) return void story.marks.push(mark);
      const headers = { 'if-match': `"${product.version}"` };
      const body = changeOf(product, mark);
      const changed = await ask<Product>(errand, 'product.change', ({ products }, context) =>
        products.change({ headers, params: { productId }, body }, context),
      );
      if (changed) return void story.marks.push(mark);
      await timers.sleep(lookEveryMs);
    }
  }

  return async function reprice(errand: Extract<Errand, { kind: 'reprice' }>): Promise<void> {
    const productId = await productOf(errand.sku);
    if (productId === undefined) return;
    const story: EditStory = { productId, marks: [] };
    book.push(story);
    await Promise.all(
      Array.from({ length: errand.editors }, async (_, editor) => {
        for (let i = 0; i < errand.times; i++) await change(errand, story, `e${errand.id}-${editor}-${i}`);
      }),
    );
  };
}

function changeOf({ attributes, variants }: Product, mark: string) {
  return {
    attributes: { ...attributes, [mark]: 'changed' },
    variants: variants.map((variant) => ({
      ...variant,
      prices: variant.prices.map((price) => ({ ...price, amountMinor: price.amountMinor + 1 })),
    })),
  };
}
