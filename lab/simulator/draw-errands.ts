import { webhookTypes } from '#contracts/webhooks';
import type { Random } from '#kit/runtime';
import { drawMoment } from './draw-operations.ts';
import type { Errand, ErrandKind, Plan, StockPlan } from './plan.ts';
import { between, chance, pick } from './simulation.ts';

/** Errands of what there is in this run to run them at, and what the catalogue tells of where somebody listens. */
export function drawErrands(
  random: Random,
  plan: Pick<Plan, 'listeners' | 'storefront' | 'safetyMs' | 'stock'>,
): Pick<Plan, 'errands' | 'news'> {
  const { listeners, storefront, safetyMs, stock } = plan;
  const kinds: readonly (readonly [ErrandKind, number])[] = [
    ['shopping', storefront.carts > 0 ? between(random, 2, 4) : 0],
    ['till', storefront.tills > 0 ? between(random, 1, 2) : 0],
    ['ask', listeners.assistant > 0 ? between(random, 1, 3) : 0],
    ['session', storefront.users > 0 ? between(random, 1, 3) : 0],
    ['reprice', storefront.products > 0 ? between(random, 1, 2) : 0],
    ['endpoint', listeners.webhooks > 0 ? between(random, 1, 3) : 0],
    ['program', storefront.gateway > 0 ? between(random, 1, 2) : 0],
  ];
  const errands = kinds.flatMap(([kind, count]) => Array.from({ length: count }, () => kind));
  // A catalogue of its own tells by itself.
  const isTold = listeners.assistant > 0 && storefront.products === 0;
  const news = isTold ? stock.flatMap(({ sku }) => drawNews(random, sku, safetyMs)) : [];
  return {
    errands: errands.map((kind, i) => drawErrand(random, { id: firstErrand + i, kind, stock, safetyMs })),
    news,
  };
}

/** Ids of errands begin behind those of operations and of the first goods. */
export const firstErrand = 20_000;

const drawNews = (random: Random, sku: string, safetyMs: number): Plan['news'] =>
  [1, 2]
    .slice(0, between(random, 1, 2))
    .map((version) => ({ sku, version, afterMs: drawMoment(random, safetyMs / 2) }));

interface ErrandWanted {
  readonly id: number;
  readonly kind: ErrandKind;
  readonly stock: readonly StockPlan[];
  readonly safetyMs: number;
}

export function drawErrand(random: Random, { id, kind, stock, safetyMs }: ErrandWanted): Errand {
  const atMs = Math.floor(random.next() * safetyMs * 0.5);
  const base = { id, atMs };
  switch (kind) {
    case 'ask':
      return { ...base, kind, sku: pick(random, stock).sku, times: between(random, 2, 6) };
    case 'session':
      return { ...base, kind, exchanges: between(random, 1, 5), twins: drawTwins(random), stolen: chance(random, 0.7) };
    case 'reprice':
      return {
        ...base,
        kind,
        sku: pick(random, stock).sku,
        editors: between(random, 2, 3),
        times: between(random, 1, 4),
      };
    case 'endpoint':
      return { ...base, kind, ...drawEndpoint(random), twins: drawTwins(random) };
    case 'program':
      return { ...base, kind, ...drawProgram(random) };
    case 'shopping':
      return { ...base, kind, customer: `usr_${id}`, ...drawShopping(random, stock) };
    case 'till':
      return { ...base, kind, ...drawTill(random, stock, safetyMs) };
  }
}

/** How often a request is sent again while the first is under way. */
const drawTwins = (random: Random): number => (chance(random, 0.3) ? between(random, 1, 2) : 0);

const someUnits = (random: Random, stock: readonly StockPlan[], most: number) => ({
  sku: pick(random, stock).sku,
  quantity: between(random, 1, most),
});

function drawProgram(random: Random) {
  const [usesBefore, usesAfter] = [between(random, 2, 8), between(random, 2, 8)];
  return { usesBefore, usesAfter, restMs: pick(random, [50, 300, 900]) };
}

function drawShopping(random: Random, stock: readonly StockPlan[]) {
  const adds = Array.from({ length: between(random, 2, 6) }, () => ({
    ...someUnits(random, stock, 2),
    device: chance(random, 0.5) ? ('guest' as const) : ('own' as const),
    waitMs: between(random, 0, 2_000),
    twins: drawTwins(random),
  }));
  const method = chance(random, 0.7)
    ? pick(random, ['pm_card_visa', 'pm_card_visa', 'pm_card_chargeDeclined'])
    : undefined;
  return { adds, joinTwins: drawTwins(random), method };
}

function drawTill(random: Random, stock: readonly StockPlan[], safetyMs: number) {
  const sales = Array.from({ length: between(random, 1, 5) }, () => ({
    lines: [{ ...someUnits(random, stock, 2), unitPriceMinor: pick(random, [100, 250]) }],
  }));
  // Two of each SKU that it sells, so at times it sells more than it has.
  const skus = new Set(sales.flatMap(({ lines }) => lines.map(({ sku }) => sku)));
  const stockUp = [...skus].map((sku) => ({ sku, quantity: 2 }));
  const handBack = chance(random, 0.4) ? someUnits(random, stock, 1) : undefined;
  const [offlineMs, piece] = [between(random, 0, Math.floor(safetyMs / 2)), between(random, 1, 3)];
  return { stockUp, sales, offlineMs, piece, twins: drawTwins(random), handBack };
}

function drawEndpoint(random: Random) {
  return {
    types: chance(random, 0.4) ? webhookTypes.filter(() => chance(random, 0.4)) : [],
    awayAfterMs: between(random, 0, 4_000),
    awayMs: chance(random, 0.5) ? between(random, 2_000, 20_000) : 0,
    rotates: chance(random, 0.5),
  };
}
