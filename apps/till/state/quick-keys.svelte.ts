import { readValue, writeValue } from './database.ts';
import { shop } from './shop.svelte.ts';

/** More would not be quick. */
const quickKeysMax = 24;

let skus = $state.raw<readonly string[]>([]);

/** What is sold most, at the front: chosen on this device. */
export const quickKeys = {
  get skus(): readonly string[] {
    return skus;
  },
  async load(): Promise<void> {
    skus = (await readValue(shop.database, 'quickKeys')) ?? [];
  },
  async turn(sku: string): Promise<void> {
    if (skus.includes(sku)) skus = skus.filter((each) => each !== sku);
    else if (skus.length < quickKeysMax) skus = [...skus, sku];
    await writeValue(shop.database, 'quickKeys', skus);
  },
};
