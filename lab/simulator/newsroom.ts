import type { Product } from '#contracts/products';
import { createEnvelope, type EventLog } from '#kit/messaging';
import type { Incarnation } from './node.ts';
import type { NewsPlan } from './plan.ts';
import type { Simulation } from './simulation.ts';

/** A product that the catalogue has told of: its newest version, and when the first word of it was in the log for sure. */
export interface News {
  readonly id: string;
  readonly sku: string;
  readonly version: number;
  readonly toldAtMs: number;
}

const againAfterMs = 300;

/** Tells of products as their service does. That itself is not under test: it appends until the log has it. */
export function createNewsroom(simulation: Simulation, { world }: Incarnation, log: EventLog) {
  const told = new Map<string, News>();
  let open = 0;

  async function tell({ sku, version }: NewsPlan): Promise<void> {
    const product = productOf(sku, version);
    const type = version === 1 ? 'product.created' : 'product.changed';
    const event = createEnvelope({ source: 'products', world }, { type, key: product.id, data: { product } });
    for (let isTold = false; !isTold; ) {
      isTold = await log.append('products', [event]).then(
        () => true,
        () => false,
      );
      if (!isTold) await world.timers.sleep(againAfterMs);
    }
    const toldAtMs = told.get(sku)?.toldAtMs ?? simulation.world.nowMs;
    told.set(sku, { id: product.id, sku, version, toldAtMs });
  }

  async function tellAll(stories: readonly NewsPlan[]): Promise<void> {
    for (const story of stories) {
      await world.timers.sleep(story.afterMs);
      await tell(story);
      open -= 1;
    }
  }

  return {
    get news(): readonly News[] {
      return [...told.values()];
    },
    /** Stories that the log does not have yet. */
    get open() {
      return open;
    },
    /** Word of one product goes out in order, as an outbox sends it. */
    plan(news: readonly NewsPlan[]): void {
      open += news.length;
      for (const stories of Map.groupBy(news, ({ sku }) => sku).values()) void tellAll(stories);
    },
  };
}

function productOf(sku: string, version: number): Product {
  const at = '2030-01-01T00:00:00.000Z';
  return {
    ...{ id: `prd_${sku}`, version, slug: sku.toLowerCase(), name: sku, description: `Version ${version}.` },
    ...{ categories: ['lab'], images: [], status: 'active', attributes: {}, createdAt: at, updatedAt: at },
    variants: [{ sku, options: {}, prices: [{ currency: 'EUR', amountMinor: 100 * version }] }],
  } as unknown as Product;
}
