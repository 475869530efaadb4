import { webhookTypes } from '#contracts/webhooks';
import { type Random, seededRandom } from '#kit/runtime';
import type { Fault } from '#services/payments/sandbox';
import type { DatabaseFaults } from './database-server.ts';
import { calmMail, type MailFaults } from './mail.ts';
import type { NetworkFaults } from './network.ts';
import {
  databasesOf,
  type Errand,
  type ErrandKind,
  type NemesisEvent,
  type NemesisKind,
  nodesOf,
  type Operation,
  type OperationKind,
  type Plan,
  type Shape,
  type StockPlan,
} from './plan.ts';
import { between, chance, pick } from './simulation.ts';
import { calmMerchants, type MerchantFaults } from './webhooks/merchants.ts';

export function drawPlan(seed: number): Plan {
  const draw = (name: string) => seededRandom(seed, `plan/${name}`);
  const shape = draw('shape');
  const instances = {
    orders: between(shape, 1, 3),
    inventory: between(shape, 1, 2),
    payments: between(shape, 1, 2),
  };
  const readers = chance(shape, 0.5) ? between(shape, 1, 2) : 0;
  const listeners = {
    ...drawListeners(draw('listeners')),
    assistant: chance(draw('assistant'), 0.2) ? 1 : 0,
    webhooks: someTimes(draw('webhooks'), 0.25),
  };
  const storefront = {
    ...drawStorefront(draw('storefront')),
    ...drawDoor(draw('door')),
    products: someTimes(draw('products'), catalogueShare),
  };
  const safetyMs = between(shape, 6_000, 16_000);
  const times = draw('times');
  const base = {
    seed,
    instances,
    readers,
    listeners,
    storefront,
    poison: readers > 0 && chance(shape, 0.3),
    lateRepeats: chance(shape, 0.2),
    safetyMs,
    latencyMs: pick(shape, [0.2, 0.5, 2]),
    skewMsMax: pick(times, [0, 50, 200]),
    databaseSkewMsMax: pick(times, [0, 0, 5_000, 3_600_000]),
    driftPpmMax: pick(times, [0, 0, 100, 1_000]),
    downMsMax: pick(times, [200, 2_000, 8_000]),
    network: drawNetwork(draw('network')),
    database: drawDatabase(draw('database')),
    provider: drawProvider(draw('provider')),
    mail: listeners.notifications > 0 ? drawMail(draw('mail')) : calmMail,
    merchants: listeners.webhooks > 0 ? drawMerchants(draw('merchants')) : calmMerchants,
  };
  const stock = drawStock(draw('stock'));
  return {
    ...base,
    stock,
    operations: drawOperations(draw('operations'), stock, safetyMs),
    ...drawErrands(draw('errands'), { ...base, stock }),
    nemesis: [...drawNemesis(draw('nemesis'), base), ...drawDatabaseCrashes(draw('database-crash'), base)],
  };
}

const someTimes = (random: Random, share: number): number => (chance(random, share) ? between(random, 1, 2) : 0);

function drawStorefront(random: Random): Pick<Plan['storefront'], 'carts' | 'tills'> {
  return { carts: someTimes(random, 0.3), tills: someTimes(random, 0.3) };
}

/** Shares of runs: each of these makes a run cost almost twice as much. */
const doorShare = 0.15;
const catalogueShare = 0.15;

function drawDoor(random: Random): Pick<Plan['storefront'], 'gateway' | 'users'> {
  const gateway = someTimes(random, doorShare);
  return { gateway, users: gateway > 0 ? between(random, 1, 2) : 0 };
}

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
  const twins = () => (chance(random, 0.3) ? between(random, 1, 2) : 0);
  const someUnits = (most: number) => ({ sku: pick(random, stock).sku, quantity: between(random, 1, most) });
  if (kind === 'ask') return { id, atMs, kind, sku: pick(random, stock).sku, times: between(random, 2, 6) };
  if (kind === 'session') {
    return { id, atMs, kind, exchanges: between(random, 1, 5), twins: twins(), stolen: chance(random, 0.7) };
  }
  if (kind === 'reprice') {
    const { sku } = pick(random, stock);
    return { id, atMs, kind, sku, editors: between(random, 2, 3), times: between(random, 1, 4) };
  }
  if (kind === 'endpoint') return { id, atMs, kind, ...drawEndpoint(random), twins: twins() };
  if (kind === 'program') {
    const [usesBefore, usesAfter] = [between(random, 2, 8), between(random, 2, 8)];
    return { id, atMs, kind, usesBefore, usesAfter, restMs: pick(random, [50, 300, 900]) };
  }
  if (kind === 'shopping') {
    const adds = Array.from({ length: between(random, 2, 6) }, () => ({
      ...someUnits(2),
      device: chance(random, 0.5) ? ('guest' as const) : ('own' as const),
      waitMs: between(random, 0, 2_000),
      twins: twins(),
    }));
    const method = chance(random, 0.7)
      ? pick(random, ['pm_card_visa', 'pm_card_visa', 'pm_card_chargeDeclined'])
      : undefined;
    return { id, atMs, kind, customer: `usr_${id}`, adds, joinTwins: twins(), method };
  }
  const sales = Array.from({ length: between(random, 1, 5) }, () => ({
    lines: [{ ...someUnits(2), unitPriceMinor: pick(random, [100, 250]) }],
  }));
  const stockUp = [
    ...new Map(sales.flatMap(({ lines }) => lines).map(({ sku }) => [sku, { sku, quantity: 2 }])).values(),
  ];
  const handBack = chance(random, 0.4) ? someUnits(1) : undefined;
  const [offlineMs, piece] = [between(random, 0, Math.floor(safetyMs / 2)), between(random, 1, 3)];
  return { id, atMs, kind, stockUp, sales, offlineMs, piece, twins: twins(), handBack };
}

function drawEndpoint(random: Random) {
  return {
    types: chance(random, 0.4) ? webhookTypes.filter(() => chance(random, 0.4)) : [],
    awayAfterMs: between(random, 0, 4_000),
    awayMs: chance(random, 0.5) ? between(random, 2_000, 20_000) : 0,
    rotates: chance(random, 0.5),
  };
}

function drawListeners(random: Random): Pick<Plan['listeners'], 'notifications' | 'analytics'> {
  const some = () => (chance(random, 0.5) ? between(random, 1, 2) : 0);
  return { notifications: some(), analytics: some() };
}

function drawMail(random: Random): MailFaults {
  const often = () => (chance(random, 0.5) ? random.next() * 0.3 : 0);
  return { unreachable: often(), lostReply: often(), stall: often() / 3 };
}

function drawMerchants(random: Random): MerchantFaults {
  const often = () => (chance(random, 0.5) ? random.next() * 0.3 : 0);
  return { unreachable: often(), refusal: often(), lostReply: often(), stall: often() / 3 };
}

function drawNetwork(random: Random): NetworkFaults {
  const often = () => (chance(random, 0.5) ? random.next() * 0.06 : 0);
  return { delayMs: pick(random, [0.3, 1, 5, 30]), loss: often(), duplication: often(), straggler: often() };
}

function drawDatabase(random: Random): DatabaseFaults {
  const often = (most: number) => (chance(random, 0.5) ? random.next() * most : 0);
  return { crash: often(0.004), connectionLoss: often(0.01), unknownCommit: often(0.04), deadlock: often(0.02) };
}

function drawProvider(random: Random): Fault[] {
  const faults: Fault[] = [];
  const probability = 0.02 + random.next() * 0.15;
  const add = (fault: Fault) => {
    if (chance(random, 0.35)) faults.push(fault);
  };
  add({ do: 'drop-reply', probability });
  add({ do: 'drop-request', probability });
  add({ do: 'error', status: 500, at: 'before', probability });
  add({ do: 'error', status: 500, at: 'after', probability });
  add({ do: 'stall', ms: between(random, 100, 7_000), at: 'before', probability });
  add({ do: 'stall', ms: between(random, 100, 7_000), at: 'after', probability });
  add({ do: 'decline', code: 'insufficient_funds', probability });
  return faults;
}

function drawStock(random: Random): StockPlan[] {
  return Array.from({ length: between(random, 2, 4) }, (_, i) => ({
    sku: `SKU-${i + 1}`,
    quantity: pick(random, [2, 6, 25]),
    unitPriceMinor: pick(random, [100, 250, 1999]),
  }));
}

const operationsMax = 26;

function drawOperations(random: Random, stock: readonly StockPlan[], safetyMs: number): Operation[] {
  const operations: Operation[] = [];
  const count = between(random, 14, operationsMax);
  for (let id = 0; id < count; id++) {
    const atMs = drawMoment(random, safetyMs);
    const placed = operations.filter((operation) => operation.kind === 'place');
    const kind = placed.length < 3 ? 'place' : drawKind(random);
    operations.push(drawOperation(random, { id, atMs, kind, stock, placed }));
  }
  return operations;
}

/** Some time before the end of the safety phase, so that faults meet what has begun. */
export const drawMoment = (random: Random, safetyMs: number): number => Math.floor(random.next() * safetyMs * 0.9);

export interface OperationWanted {
  readonly id: number;
  readonly atMs: number;
  readonly kind: OperationKind;
  readonly stock: readonly StockPlan[];
  /** What there is to be cancelled, returned or read. */
  readonly placed: readonly Operation[];
}

export function drawOperation(random: Random, { id, atMs, kind, stock, placed }: OperationWanted): Operation {
  const twins = () => (chance(random, 0.25) ? between(random, 1, 2) : 0);
  const { sku } = pick(random, stock);
  if (kind === 'place') return { id, atMs, ...drawOrder(random, stock), twins: twins() };
  if (kind === 'look') return { id, atMs, kind, sku };
  if (kind === 'receive') return { id, atMs, kind, sku, quantity: between(random, 1, 9), twins: twins() };
  if (kind === 'adjust') return { id, atMs, kind, sku, quantity: pick(random, [-2, -1, 1]), twins: twins() };
  const common = { id, atMs, of: pick(random, placed).id, twins: twins() };
  if (kind === 'return') return { ...common, kind, sellable: chance(random, 0.7) };
  if (kind === 'refund') return { ...common, kind, share: pick(random, [0.1, 0.5, 1]) };
  return { ...common, kind };
}

function drawKind(random: Random): OperationKind {
  const weights: readonly (readonly [OperationKind, number])[] = [
    ['place', 46],
    ['cancel', 10],
    ['return', 9],
    ['refund', 6],
    ['abandon', 9],
    ['read', 6],
    ['look', 8],
    ['receive', 3],
    ['adjust', 3],
  ];
  let dice = random.next() * 100;
  for (const [kind, weight] of weights) {
    dice -= weight;
    if (dice < 0) return kind;
  }
  return 'place';
}

function drawOrder(random: Random, stock: readonly StockPlan[]) {
  const chosen = stock.filter(() => chance(random, 0.5));
  const lines = (chosen.length > 0 ? chosen : stock.slice(0, 1)).map(({ sku }) => ({
    sku,
    quantity: between(random, 1, 3),
  }));
  const person = between(random, 1, 5);
  return {
    kind: 'place',
    customer: chance(random, 0.5) ? `usr_${person}` : undefined,
    email: `shopper${person}@example.com`,
    lines,
    method: chance(random, 0.12) ? 'pm_card_chargeDeclined' : 'pm_card_visa',
    mismatch: chance(random, 0.1),
  } as const;
}

const nemesisEventsMax = 10;

/** Share of runs in which a database server is killed: its recovery costs as much real time as many a run. */
const databaseCrashShare = 0.1;

const databaseCrashesMax = 3;

export type Stage = Shape & Pick<Plan, 'safetyMs'>;

function drawDatabaseCrashes(random: Random, stage: Stage): NemesisEvent[] {
  if (!chance(random, databaseCrashShare)) return [];
  return Array.from({ length: between(random, 1, databaseCrashesMax) }, () => drawDatabaseCrash(random, stage));
}

function drawDatabaseCrash(random: Random, stage: Stage): NemesisEvent {
  return {
    kind: 'database-crash',
    atMs: Math.floor((0.1 + 0.85 * random.next()) * stage.safetyMs),
    database: pick(random, databasesOf(stage)),
    forMs: between(random, 50, 4_000),
  };
}

/** Database crashes have a draw of their own, as there are to be few. */
const nemesisKinds = [
  'crash',
  'restart',
  'pause',
  'partition',
  'isolate',
  'slow-link',
  'slow-database',
  'database-outage',
  'clock-step',
] as const satisfies readonly NemesisKind[];

function drawNemesis(random: Random, stage: Stage): NemesisEvent[] {
  const kinds = nemesisKinds.filter(() => chance(random, 0.45));
  if (kinds.length === 0) return [];
  return Array.from({ length: between(random, 1, nemesisEventsMax) }, () => drawNemesisEvent(random, kinds, stage));
}

/** One fault of one of these kinds, some time, somewhere. */
export function drawNemesisEvent(random: Random, kinds: readonly NemesisKind[], stage: Stage): NemesisEvent {
  const nodes = nodesOf(stage);
  const everyone = [...nodes, 'shoppers'];
  const databases = databasesOf(stage);
  const atMs = Math.floor(random.next() * stage.safetyMs);
  const forMs = Math.floor(pick(random, [100, 1_500, 7_000, 18_000]) * (0.5 + random.next()));
  const node = pick(random, nodes);
  const kind = pick(random, kinds);
  switch (kind) {
    case 'crash':
    case 'restart':
      return { kind, atMs, node };
    case 'pause':
    case 'isolate':
      return { kind, atMs, node, forMs };
    case 'partition':
      return { kind, atMs, from: pick(random, everyone), to: node, bothWays: chance(random, 0.5), forMs };
    case 'slow-link':
      return { kind, atMs, from: pick(random, everyone), to: node, factor: pick(random, [10, 100]), forMs };
    case 'slow-database':
      return { kind, atMs, database: pick(random, databases), factor: pick(random, [20, 200]), forMs };
    case 'database-outage':
      return { kind, atMs, database: pick(random, databases), forMs };
    case 'database-crash':
      return drawDatabaseCrash(random, stage);
    case 'clock-step':
      return drawClockStep(random, atMs, node, databases);
  }
}

function drawClockStep(random: Random, atMs: number, node: string, databases: readonly string[]): NemesisEvent {
  if (!chance(random, 0.7)) return { kind: 'clock-step', atMs, node, byMs: pick(random, [-20_000, -700, 300, 2_000]) };
  const database = chance(random, 0.5) ? 'inventory' : pick(random, databases);
  // Sixteen minutes ahead: every hold and every lease is over at once.
  const byMs = pick(random, [-20_000, 2_000, 16 * 60_000, 16 * 60_000]);
  return { kind: 'clock-step', atMs, node: `db-${database}`, byMs };
}
