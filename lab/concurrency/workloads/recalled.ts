import { createStockRecall, type StockRecall } from '../../../services/inventory/recall.ts';
import type { Round } from '../rig.ts';
import { openAmbush, type Workload } from '../workload.ts';
import {
  drawOrders,
  drawTasks,
  type Likely,
  lockStockSql,
  never,
  openShop,
  type Shop,
  type Step,
  sell,
  type Task,
  tables,
} from './holds.ts';

/**
 * The same as `holds` for few instances that decide on rows which they recall from their last commit, and are mostly right:
 * usual steps, for long, of SKUs that another instance changes now and then. In half of the rounds some shoppers are sent to
 * and fro besides, and in half of them two shops sell one order at once.
 */
export const recalled: Workload = {
  name: 'recalled',
  summary: 'inventory: holds and commits decided on recalled rows while other instances change them',
  tables,
  async round(round) {
    const skus = Array.from({ length: round.between(1, 4) }, (_, i) => `sku-${i}`);
    const received = new Map(skus.map((sku) => [sku, round.between(5, 60)]));
    const orders = drawOrders(round, skus, 10);
    const shops: Shop[] = [];
    const open = (name: string) => openShop(round, name, recallOf(round));
    for (let i = round.between(2, 3); i > 0; i--) shops.push(await open(`shop-${i}`));
    const clients: (readonly Step[])[] = shops.flatMap((shop) =>
      Array.from({ length: round.between(1, 2) }, () => drawTasks(round, shop, orders, likelyRecalled, 12)),
    );
    const sentAround = round.chance(0.5) ? round.between(1, 3) : 0;
    for (let i = 0; i < sentAround; i++) clients.push(sentToAndFro(round, shops, round.pick(skus), `sent-${i}`));
    if (round.chance(0.5)) {
      received.set(skuOfTwins, 60);
      clients.push(await heldWhileSold(round, open));
    }
    await sell(round, received, clients);
  },
};

const likelyRecalled: Likely = { hold: 0.6, commit: 0.6, release: 0.2, expire: 0.05, restock: 0.05 };

/**
 * A hold that one shop remembers is released by another one. The first sells more of the SKU until its memory of the stock
 * is right again and only that of the hold is not, and is then asked to sell the hold. Left to chance, forty rounds can pass
 * in which nobody comes by that. The orders are this client's own, so that nobody else ends them.
 */
function sentToAndFro(round: Round, shops: readonly Shop[], sku: string, client: string): Task[] {
  const [seller, other] = twoOf(round, shops);
  return Array.from({ length: round.between(1, 3) }).flatMap((_, i): Task[] => {
    const released = orderOf(sku, `${client}-${i}`);
    return [
      { shop: seller, kind: 'hold', order: released },
      { shop: other, kind: 'release', order: released },
      ...sellMore(round, seller, sku, `${client}-${i}`),
      { shop: seller, kind: 'commit', order: released },
    ];
  });
}

/**
 * Two shops remember the same stock rightly, as one of them has looked at it since the other one sold of it; and of an order
 * only the seller knows. The other is asked to hold that order while the seller sells it: the first writes the stock and wants
 * the hold, the second has written the hold and wants the stock. Shops and SKU are this client's own, since any other sale
 * would make a memory wrong.
 */
async function heldWhileSold(round: Round, open: (name: string) => Promise<Shop>): Promise<Step[]> {
  const [seller, other] = [await open('seller'), await open('other')];
  const ambush = await openAmbush(round, lockStockSql);
  return Array.from({ length: round.between(1, 3) }).flatMap((_, i): Step[] => {
    const order = orderOf(skuOfTwins, `twice-${i}`);
    const looked = { shop: other, kind: 'hold', order: orderOf(skuOfTwins, `before-${i}`) } as const;
    return [
      looked,
      // Its memory is wrong now.
      ...sellMore(round, seller, skuOfTwins, `more-${i}`),
      { shop: seller, kind: 'hold', order },
      // A repeat: it changes nothing, and reads what the seller has left.
      looked,
      (ask) =>
        ambush(
          skuOfTwins,
          new Map([
            ['other', () => ask({ shop: other, kind: 'hold', order })],
            ['seller', () => ask({ shop: seller, kind: 'commit', order })],
          ]),
        ),
    ];
  });
}

const skuOfTwins = 'sku-of-twins';

const twoOf = (round: Round, shops: readonly Shop[]) =>
  shops.toSorted(() => round.random.next() - 0.5) as [Shop, Shop, ...Shop[]];

const orderOf = (sku: string, orderId: string) => ({ orderId, lines: [{ sku, quantity: 1 }], expiresInMs: never });

/** As long as a shop leaves its memory alone after it was wrong, or a little less. */
function sellMore(round: Round, shop: Shop, sku: string, name: string): Task[] {
  const count = round.between(1, batchesAfterDoubtMax + 1);
  return Array.from({ length: count }, (_, k) => ({ shop, kind: 'hold', order: orderOf(sku, `${name}-${k}`) }));
}

/** Production leaves recalled rows alone for a hundred batches once they were wrong: no round has so many. */
const batchesAfterDoubtMax = 2;

function recallOf(round: Round): StockRecall {
  const recall = createStockRecall(round.between(0, batchesAfterDoubtMax));
  return {
    ...recall,
    take(commands) {
      const rows = recall.take(commands);
      round.note(rows ? 'batches decided on recalled rows' : 'batches decided on locked rows');
      return rows;
    },
    doubt(commands) {
      round.note('recalled rows that were no longer so');
      recall.doubt(commands);
    },
  };
}
