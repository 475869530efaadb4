import type { Random } from '#kit/runtime';
import type { Operation, OperationKind, StockPlan } from './plan.ts';
import { between, chance, pick } from './simulation.ts';

export function drawStock(random: Random): StockPlan[] {
  return Array.from({ length: between(random, 2, 4) }, (_, i) => ({
    sku: `SKU-${i + 1}`,
    quantity: pick(random, [2, 6, 25]),
    unitPriceMinor: pick(random, [100, 250, 1999]),
  }));
}

const operationsMax = 26;

export function drawOperations(random: Random, stock: readonly StockPlan[], safetyMs: number): Operation[] {
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
