import type { Random } from '#kit/runtime';
import {
  type Call,
  createAppendWorkload,
  type Element,
  type MicroOperation,
  type StockInput,
  type StockOutput,
  type Transaction,
  type VersionedAnswer,
} from '../../checkers/index.ts';

/** Histories of a shop that answers rightly: a checker has to look at all of them to the end. */

export interface HistorySize {
  readonly operations: number;
  readonly keys: number;
  readonly clients: number;
  /** Share of operations whose end nobody knows. */
  readonly unknown: number;
}

export interface StockHistory {
  readonly calls: (readonly [key: string, call: Call<StockInput, StockOutput>])[];
  readonly answers: VersionedAnswer[];
}

interface Plan {
  readonly id: string;
  readonly startAt: number;
  readonly endAt: number;
  /** When it takes effect. */
  readonly when: number;
}

/** Clients in a closed loop, each with pauses; every operation takes effect at some moment between call and answer. */
function plansOf(random: Random, { operations, clients }: Pick<HistorySize, 'operations' | 'clients'>): Plan[] {
  const idleAt = new Array<number>(clients).fill(0);
  const plans = Array.from({ length: operations }, (_, at): Plan => {
    const client = at % clients;
    const startAt = (idleAt[client] ?? 0) + 2 * random.next();
    const endAt = startAt + 1 + 10 * random.next();
    idleAt[client] = endAt;
    return { id: `o${at}`, startAt, endAt, when: startAt + random.next() * (endAt - startAt) };
  });
  return plans.sort((a, b) => a.when - b.when);
}

const openingStock = 200;

export function stockHistory(random: Random, size: HistorySize): StockHistory {
  const calls: StockHistory['calls'] = [];
  const answers: VersionedAnswer[] = [];
  const shelves = new Map<string, { units: number; version: number }>();
  for (const { id, startAt, endAt } of plansOf(random, size)) {
    const key = `sku-${Math.floor(random.next() * size.keys)}`;
    let shelf = shelves.get(key);
    if (!shelf) {
      shelf = { units: openingStock, version: 1 };
      shelves.set(key, shelf);
      calls.push([
        key,
        { id: `opening of ${key}`, startAt: -2, endAt: -1, input: { kind: 'receive', quantity: 200 }, output: {} },
      ]);
    }
    const input = draw(random);
    const { quantity = 0 } = input;
    const held = input.kind !== 'hold' || shelf.units >= quantity;
    const isChange = input.kind !== 'read' && held;
    if (isChange) {
      shelf.units += input.kind === 'hold' ? -quantity : quantity;
      shelf.version += 1;
    }
    const isUnknown = random.next() < size.unknown;
    const output = { held, available: shelf.units };
    const lastAt = isUnknown ? Number.POSITIVE_INFINITY : endAt;
    calls.push([key, { id, startAt, endAt: lastAt, input, output: isUnknown ? undefined : output }]);
    if (!isUnknown)
      answers.push({ id, key, version: shelf.version, isWrite: isChange, value: shelf.units, startAt, endAt });
  }
  return { calls, answers };
}

function draw(random: Random): StockInput {
  const luck = random.next();
  if (luck < 0.2) return { kind: 'read' };
  return { kind: luck < 0.65 ? 'hold' : 'release', quantity: 1 + Math.floor(random.next() * 5) };
}

/** Serial transactions over lists, as a serializable database runs them. */
export function transactionHistory(
  random: Random,
  { transactions, clients }: { transactions: number; clients: number },
) {
  const workload = createAppendWorkload({ random, keys: 10 });
  const lists = new Map<string, readonly Element[]>();
  return plansOf(random, { operations: transactions, clients }).map(({ id, startAt, endAt }): Transaction => {
    const operations = workload.next().map(([kind, key, element]): MicroOperation => {
      const list = lists.get(key) ?? [];
      if (kind === 'read') return ['read', key, list];
      lists.set(key, [...list, element]);
      return ['append', key, element];
    });
    return { id, process: id, status: 'ok', startAt, endAt, operations };
  });
}
