import type { Product } from '#contracts/products';
import { createHybridClock, createTextClock } from '#kit/clock';
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

/**
 * Tells of products as their service does: word of one product goes out in order, and what the log does not have for sure is
 * told again, also by the machine's next incarnation. (Its service is not under test, so this one keeps its books for itself.)
 */
export function createNewsroom(simulation: Simulation, plan: readonly NewsPlan[]) {
  const told = new Map<string, News>();
  const open = Map.groupBy(plan, ({ sku }) => sku);

  async function tell({ sku, version }: NewsPlan, { world }: Incarnation, log: EventLog): Promise<void> {
    const product = productOf(sku, version);
    const logicalClock = createTextClock(createHybridClock({ clock: world.clock }));
    const type = version === 1 ? 'product.created' : 'product.changed';
    const event = createEnvelope(
      { source: 'products', world, logicalClock },
      { type, key: product.id, data: { product } },
    );
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

  async function tellAll(stories: NewsPlan[], incarnation: Incarnation, log: EventLog): Promise<void> {
    for (let next = stories[0]; next; next = stories[0]) {
      await incarnation.world.timers.sleep(next.afterMs);
      await tell(next, incarnation, log);
      stories.shift();
    }
  }

  return {
    get news(): readonly News[] {
      return [...told.values()];
    },
    /** Stories that the log may not have yet. */
    get open() {
      return [...open.values()].reduce((sum, stories) => sum + stories.length, 0);
    },
    /** Takes up where the incarnation before was. */
    boot(incarnation: Incarnation, log: EventLog): void {
      for (const stories of open.values()) void tellAll(stories, incarnation, log);
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
